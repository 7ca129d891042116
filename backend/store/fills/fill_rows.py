"""Fills as the rows of confirmed orders tell them, with their routes and their last events.

Routes and events are JSON that earlier versions of the engine have written as well: what they do
not tell is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import asyncpg
import orjson

from backend.accounting.fills import FEE_NAMES, FeeAmount, FillRecord
from backend.accounting.report import EndedOrder
from backend.domain.amounts import Token
from backend.domain.errors import InvalidInput
from backend.domain.tokens import TokenRegistry

_NO_ROUTE: Final[Mapping[str, Any]] = {}


def parse_fill(row: asyncpg.Record, tokens: TokenRegistry, reference: str) -> FillRecord:
    """A row of ``ended_lists``. Raises ``InvalidInput`` if a token of the order is not known."""
    token_in = tokens.find(row["token_in"], "tokenIn")
    token_out = tokens.find(row["token_out"], "tokenOut")
    route = _NO_ROUTE if row["route"] is None else orjson.loads(row["route"])
    event = _NO_ROUTE if row["data"] is None else orjson.loads(row["data"])
    quoted_out, second_quote = _find_quotes(route, token_out)
    return FillRecord(
        order_id=row["id"],
        client_order_id=row["client_order_id"],
        batch_id=row["batch_id"],
        parent_id=row["parent_id"],
        type=row["type"],
        token_in=token_in,
        token_out=token_out,
        amount_in=int(row["amount_in"]),
        amount_out=None if row["amount_out"] is None else int(row["amount_out"]),
        price=row["executed_price"],
        dex=row["dex"],
        program=route.get("program"),
        pools=_list_pools(route),
        quoted_out=quoted_out,
        second_quote=second_quote,
        venue_fees=_parse_amounts(route.get("venueFees"), tokens),
        residuals=_parse_amounts(event.get("residuals"), tokens),
        network_fee_lamports=row["network_fee_lamports"],
        fees=_parse_fees(row),
        route_value=_find_route_value(route, (token_in, token_out), tokens, reference),
        slot=event.get("slot"),
        signature=row["tx_hash"],
        wallet=row["wallet"],
        accepted_at=row["created_at"],
        submitted_at=row["submitted_at"],
        confirmed_at=row["confirmed_at"] or row["at"],
        at=row["at"],
    )


def parse_unfilled(row: asyncpg.Record) -> EndedOrder:
    """A row of ``ended_lists`` of an order without a fill."""
    reason = row["cancel_reason"]
    if row["status"] != "confirmed" and reason is None and row["last_error"]:
        reason = row["last_error"].partition(":")[0]
    return EndedOrder(
        row["token_in"],
        row["token_out"],
        row["dex"],
        row["batch_id"],
        row["status"],
        reason,
        row["at"],
        row["network_fee_lamports"],
    )


def _list_pools(route: Mapping[str, Any]) -> tuple[str, ...]:
    legs = route.get("legs") or [route]
    return tuple(leg["pool"] for leg in legs if leg.get("pool") is not None)


def _find_quotes(route: Mapping[str, Any], token_out: Token) -> tuple[int | None, int | None]:
    """What the route was quoted to pay, and the best quote passed over, of those not refused."""
    own: int | None = None
    others: list[int] = []
    expected, pool, dex = (route.get(name) for name in ("expectedAmountOut", "pool", "dex"))
    for quote in route.get("quotes", ()):
        amount = _to_base_units(quote["amountOut"], token_out)
        is_own = expected is None and own is None and quote.get("pool") == pool
        if is_own and quote["dex"] == dex:
            own = amount
        elif "refused" not in quote:
            others.append(amount)
    if expected is not None:
        own = _to_base_units(expected, token_out)
    return own, max(others, default=None)


def _find_route_value(
    route: Mapping[str, Any],
    swapped: Sequence[Token],
    tokens: TokenRegistry,
    reference: str,
) -> int | None:
    """What a swap of two other tokens is worth by its own route.

    That is what its last hop took of the reference token, or what was stored with the route: its
    value at the slot of its quotes.
    """
    if reference in {token.symbol for token in swapped}:
        return None
    taken = [leg["amountIn"] for leg in route.get("legs", ()) if leg.get("tokenIn") == reference]
    if not taken:
        value = route.get("value")
        taken = [value["amount"]] if value and value["token"] == reference else []
    if not taken:
        return None
    token = tokens.find(reference, "reference")
    return sum(_to_base_units(amount, token) for amount in taken)


def _parse_amounts(
    amounts: Iterable[Mapping[str, str]] | None, tokens: TokenRegistry
) -> tuple[FeeAmount, ...]:
    parsed: list[FeeAmount] = []
    for each in amounts or ():
        try:
            token = tokens.find(each["token"], "token")
        except InvalidInput:
            continue  # of a hop through a token that is not listed any more
        parsed.append((token, _to_base_units(each["amount"], token)))
    return tuple(parsed)


def _parse_fees(row: asyncpg.Record) -> Mapping[str, int] | None:
    """What an order has cost beside the network's fee, in lamports by name; ``None`` if unknown."""
    columns = ("priority_fee_lamports", "tip_lamports", "rent_lamports")
    told = zip(FEE_NAMES, (row[column] for column in columns), strict=True)
    return {name: lamports for name, lamports in told if lamports is not None} or None


def _to_base_units(text: str, token: Token) -> int:
    """What ``format_amount`` has made of base units."""
    return int(Decimal(text).scaleb(token.decimals))
