"""Fills as JSON objects, and as the lines of a CSV file with the same names."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from io import StringIO
from typing import Final

from backend.accounting.fills import FEE_NAMES, FeeAmount, FillRecord
from backend.api.wire.accounting.amounts import format_optional, format_unit_price, measure_ms
from backend.domain.amounts import BPS, Token, amounts_to_json, floor_div, format_amount
from backend.domain.times import format_time

CSV_CONTENT_TYPE: Final = "text/csv; charset=utf-8"
CSV_COLUMNS: Final = (
    *("at", "orderId", "clientOrderId", "batchId", "parentId", "type", "pair", "side"),
    *("tokenIn", "tokenOut", "amountIn", "amountOut", "amountInBaseUnits", "amountOutBaseUnits"),
    *("amountKnown", "price", "executedPrice", "dex", "program", "pools", "quotedAmountOut"),
    *("slippageBps", "secondQuote", "saved", "reference", "value", "savedValue", "venueFees"),
    *("residuals", "networkFeeLamports", *FEE_NAMES, "slot", "txHash", "wallet"),
    *("acceptedAt", "submittedAt", "confirmedAt", "sinceAcceptedMs", "sinceSubmittedMs"),
)


def fill_to_json(fill: FillRecord, reference: Token) -> dict[str, object]:
    """A fill as a JSON object; every key is present, ``null`` for unknown values."""
    decimals_out = fill.token_out.decimals
    value = fill.compute_value(reference.symbol)
    known_out = fill.amount_out
    return {
        "orderId": str(fill.order_id),
        "clientOrderId": fill.client_order_id,
        "batchId": _format_id(fill.batch_id),
        "parentId": _format_id(fill.parent_id),
        "type": fill.type,
        "pair": str(fill.pair),
        "side": fill.side.value,
        "tokenIn": fill.token_in.symbol,
        "tokenOut": fill.token_out.symbol,
        "amountIn": format_amount(fill.amount_in, fill.token_in.decimals),
        "amountOut": format_optional(known_out, decimals_out),
        "amountInBaseUnits": str(fill.amount_in),
        "amountOutBaseUnits": None if known_out is None else str(known_out),
        "amountKnown": known_out is not None,
        "price": _format_price(fill),
        "executedPrice": fill.price,
        "dex": fill.dex,
        "program": fill.program,
        "pools": list(fill.pools),
        "quotedAmountOut": format_optional(fill.quoted_out, decimals_out),
        "slippageBps": _compute_slippage_bps(fill),
        "secondQuote": format_optional(fill.second_quote, decimals_out),
        "saved": format_optional(fill.saved, decimals_out),
        "reference": reference.symbol,
        "value": format_optional(value, reference.decimals),
        "savedValue": format_optional(fill.convert(fill.saved, value), reference.decimals),
        "venueFees": amounts_to_json(fill.venue_fees),
        "residuals": amounts_to_json(fill.residuals),
        "networkFeeLamports": fill.network_fee_lamports,
        "fees": fill.fees,
        "slot": fill.slot,
        "txHash": fill.signature,
        "wallet": fill.wallet,
        **_show_times(fill),
    }


def _show_times(fill: FillRecord) -> dict[str, object]:
    accepted, submitted, confirmed = fill.accepted_at, fill.submitted_at, fill.confirmed_at
    return {
        "acceptedAt": format_time(accepted),
        "submittedAt": None if submitted is None else format_time(submitted),
        "confirmedAt": format_time(confirmed),
        "sinceAcceptedMs": measure_ms(accepted, confirmed),
        "sinceSubmittedMs": measure_ms(submitted, confirmed),
        "at": format_time(fill.at),
    }


def encode_csv_header() -> bytes:
    """The first line of a file of fills."""
    return encode_csv_lines([CSV_COLUMNS])


def encode_csv_fills(fills: Iterable[FillRecord], reference: Token) -> bytes:
    """The lines of some fills. Several pools and amounts are separated by semicolons."""
    return encode_csv_lines(_list_cells(fill, reference) for fill in fills)


def encode_csv_lines(lines: Iterable[Iterable[object]]) -> bytes:
    """Lines as RFC 4180 has them, in UTF-8; ``None`` is empty."""
    text = StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()


def _list_cells(fill: FillRecord, reference: Token) -> list[object]:
    shown = fill_to_json(fill, reference) | {
        "amountKnown": "true" if fill.amount_out is not None else "false",
        "pools": ";".join(fill.pools),
        "venueFees": _join_amounts(fill.venue_fees),
        "residuals": _join_amounts(fill.residuals),
        **_split_fees(fill.fees),
    }
    return [shown[name] for name in CSV_COLUMNS]


def _split_fees(fees: Mapping[str, int] | None) -> dict[str, object]:
    return {name: None if fees is None else fees.get(name) for name in FEE_NAMES}


def _join_amounts(amounts: Iterable[FeeAmount]) -> str:
    return ";".join(f"{each['token']}:{each['amount']}" for each in amounts_to_json(amounts))


def _format_price(fill: FillRecord) -> str | None:
    """Quote tokens for one token of the base of the pair."""
    if fill.amount_out is None:
        return None
    sold = fill.amount_in, fill.token_in.decimals
    bought = fill.amount_out, fill.token_out.decimals
    base, quote = (sold, bought) if fill.side == "sell" else (bought, sold)
    return format_unit_price(*quote, *base)


def _compute_slippage_bps(fill: FillRecord) -> str | None:
    """How much less than its quote a swap paid, in bps with two digits, rounded down."""
    if fill.missing is None or not fill.quoted_out:
        return None
    hundredths = floor_div(fill.missing * BPS * 100, fill.quoted_out)
    return format_optional(hundredths, 2)


def _format_id(value: object | None) -> str | None:
    return None if value is None else str(value)
