"""Compares what the API tells of fills, positions and reports with the replay of the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from backend.domain.amounts import Token, format_amount
from backend.domain.tokens import TokenRegistry
from backend.trials.accounts.replay import LedgerFill, Replay, replay

Json = dict[str, Any]

_TOKENS = TokenRegistry()
SHOWN_MAX = 20
"""Most violations that are told of each kind."""


def compare_fills(
    fills: Sequence[Json], ledger: Mapping[str, LedgerFill], reference: Token
) -> list[str]:
    """What fills tell that the ledger does not, and what they leave out."""
    told = Counter(fill["txHash"] for fill in fills)
    violations = [f"{signature} is a fill {n} times" for signature, n in told.items() if n > 1]
    violations += [f"{signature} is no fill" for signature in ledger.keys() - told.keys()]
    for fill in fills:
        executed = ledger.get(fill["txHash"])
        if executed is None:
            violations.append(f"{fill['orderId']}: {fill['txHash']} is not in the ledger")
            continue
        expected = {
            "tokenIn": find_symbol(executed.mint_in),
            "tokenOut": find_symbol(executed.mint_out),
            "amountInBaseUnits": str(executed.amount_in),
            "amountOutBaseUnits": str(executed.amount_out),
            "slot": executed.slot,
        }
        value = executed.compute_value(reference.mint, None)
        if value is not None:
            expected["value"] = format_amount(value, reference.decimals)
        found = {name: fill[name] for name in expected}
        if found != expected:
            violations.append(f"{fill['orderId']}: {found}, and by the ledger {expected}")
    return violations[:SHOWN_MAX]


def compare_positions(positions: Json, replayed: Replay) -> list[str]:
    """Where positions are not those of the replay, to the base unit."""
    reference = _TOKENS.find(replayed.reference, "reference")
    found = {
        each["token"]: _pick(each, ("amount", "cost", "realized"))
        for each in positions["positions"]
    }
    expected: dict[str, tuple[Decimal, ...]] = {}
    for mint, holding in replayed.holdings.items():
        token = _TOKENS.find(mint, "token")
        cost = holding.amount if token == reference else holding.cost
        expected[token.symbol] = (
            _scale(holding.amount, token),
            _scale(cost, reference),
            _scale(holding.realized, reference),
        )
    violations = [
        f"position of {name}: {found.get(name)}, and by the ledger {expected.get(name)}"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]
    realized = sum(each.realized for each in replayed.holdings.values())
    if Decimal(positions["realized"]) != _scale(realized, reference):
        violations.append(f"realized is {positions['realized']}, and not {realized}")
    return violations


def compare_reports(
    reports: Mapping[str, Json], fills: Sequence[Json], replayed: Replay
) -> list[str]:
    """Where reports, by their grouping, are not the sums of the fills and of the ledger."""
    reference = _TOKENS.find(replayed.reference, "reference")
    sold: Counter[str] = Counter()
    bought: Counter[str] = Counter()
    for (mint_in, mint_out), amount in replayed.sold.items():
        sold[find_symbol(mint_in)] += amount
        bought[find_symbol(mint_out)] += replayed.bought[mint_in, mint_out]
    expected = {
        "fills": replayed.count,
        "volume": _scale(replayed.volume, reference),
        "realized": _scale(sum(h.realized for h in replayed.holdings.values()), reference),
        "sold": {name: _scale(n, _TOKENS.find(name, "token")) for name, n in sold.items()},
        "bought": {name: _scale(n, _TOKENS.find(name, "token")) for name, n in bought.items()},
        "savedValue": sum(Decimal(fill["savedValue"] or 0) for fill in fills),
        "networkFeeLamports": sum(fill["networkFeeLamports"] or 0 for fill in fills),
    }
    violations: list[str] = []
    for name, report in reports.items():
        rows = [_read_row(row) for row in report["rows"]]
        total = _read_row(report["total"])
        summed = {
            each: _add([row[each] for row in rows]) if rows else total[each] for each in expected
        }
        for each, value in expected.items():
            for kind, told in (("total", total[each]), ("sum of its rows", summed[each])):
                if told != value:
                    violations.append(f"report by {name}: {kind} of {each} is {told}, not {value}")
    return violations


def replay_fills(
    fills: Sequence[Json], ledger: Mapping[str, LedgerFill], reference: Token
) -> Replay:
    """The replay of the ledger in the sequence in which fills were booked."""
    sequence = [
        (
            fill["txHash"],
            None
            if fill["value"] is None
            else int(Decimal(fill["value"]).scaleb(reference.decimals)),
        )
        for fill in fills
        if fill["txHash"] in ledger
    ]
    return replay(ledger, sequence, reference.mint)


def find_symbol(mint: str) -> str:
    """The name by which orders have a token."""
    return _TOKENS.find(mint, "mint").symbol


def _read_row(row: Json) -> Json:
    return {
        **row,
        **{name: Decimal(row[name]) for name in ("volume", "realized", "savedValue")},
        **{
            name: {token: Decimal(n) for token, n in row[name].items()}
            for name in ("sold", "bought")
        },
    }


def _add(values: Sequence[Any]) -> Any:
    if not isinstance(values[0], dict):
        return sum(values)
    total: Counter[str] = Counter()
    for each in values:
        total.update(each)
    return dict(total)


def _pick(shown: Json, names: Sequence[str]) -> tuple[Decimal, ...]:
    return tuple(Decimal(shown[name]) for name in names)


def _scale(base_units: int, token: Token) -> Decimal:
    return Decimal(base_units).scaleb(-token.decimals)
