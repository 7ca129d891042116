"""Reports as JSON objects and as CSV, with amounts in token units."""

from __future__ import annotations

from collections import Counter
from typing import Final

from backend.accounting.fills import FEE_NAMES
from backend.accounting.report import Report, ReportRow
from backend.api.wire.accounting.amounts import format_signed
from backend.api.wire.accounting.fill_json import encode_csv_lines
from backend.domain.amounts import Token
from backend.domain.errors import InvalidInput
from backend.domain.tokens import TokenRegistry

TOTAL: Final = "total"
_STATUSES: Final = ("confirmed", "failed", "expired", "cancelled")
_PLAIN: Final = (
    *("fills", "unknownFills", "unvaluedFills", "volume", "savedValue", "slippageBps", "realized"),
    *("networkFeeLamports", "unknownFees", "unfilledFeeLamports"),
)
_BY_TOKEN: Final = ("sold", "bought", "venueFees", "saved")


def report_to_json(report: Report, reference: Token, tokens: TokenRegistry) -> dict[str, object]:
    """The rows of a report, sorted by their names, and their totals."""
    names = sorted(report.rows, key=lambda name: (name is None, name or ""))
    return {
        "rows": [
            {"key": name, **_show_row(report.rows[name], reference, tokens)} for name in names
        ],
        "total": _show_row(report.sum_up(), reference, tokens),
    }


def encode_csv_report(report: Report, reference: Token, tokens: TokenRegistry) -> bytes:
    """A line for each row, and one for the totals.

    Amounts of several tokens are separated by semicolons, and so are reasons with their counts.
    """
    named = [(name or "", report.rows[name]) for name in sorted(report.rows, key=lambda n: n or "")]
    columns = ("key", *_STATUSES, *_PLAIN, *_BY_TOKEN, *FEE_NAMES, "reasons", "failureReasons")
    lines: list[list[object]] = [[*columns]]
    for name, row in [*named, (TOTAL, report.sum_up())]:
        shown = _show_row(row, reference, tokens)
        lines.append(
            [
                name,
                *(row.orders[status] for status in _STATUSES),
                *(shown[each] for each in _PLAIN),
                *(_join(shown[each]) for each in _BY_TOKEN),
                *(row.fees[each] for each in FEE_NAMES),
                _join(row.reasons),
                _join(row.failure_reasons),
            ]
        )
    return encode_csv_lines(lines)


def _show_row(row: ReportRow, reference: Token, tokens: TokenRegistry) -> dict[str, object]:
    decimals = reference.decimals
    return {
        "orders": dict(row.orders),
        "reasons": dict(row.reasons),
        "failureReasons": dict(row.failure_reasons),
        "fills": row.fills,
        "unknownFills": row.unknown_fills,
        "unvaluedFills": row.unvalued_fills,
        "volume": format_signed(row.volume, decimals),
        "sold": _format_amounts(row.sold, tokens),
        "bought": _format_amounts(row.bought, tokens),
        "venueFees": _format_amounts(row.venue_fees, tokens),
        "networkFeeLamports": row.network_fee_lamports,
        "unknownFees": row.unknown_fees,
        "unfilledFeeLamports": row.unfilled_fee_lamports,
        "fees": dict(row.fees),
        "saved": _format_amounts(row.saved, tokens),
        "savedValue": format_signed(row.saved_value, decimals),
        "slippageBps": row.slippage_bps,
        "realized": format_signed(row.realized, decimals),
    }


def _format_amounts(amounts: Counter[str], tokens: TokenRegistry) -> dict[str, str]:
    shown: dict[str, str] = {}
    for name, amount in sorted(amounts.items()):
        try:
            decimals = tokens.find(name, "token").decimals
        except InvalidInput:
            continue  # so many tokens were read since that it was forgotten
        shown[name] = format_signed(amount, decimals)
    return shown


def _join(values: object) -> str:
    assert isinstance(values, dict)
    return ";".join(f"{name}:{value}" for name, value in sorted(values.items()))
