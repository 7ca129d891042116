"""Leased orders as the rows that a claim returns."""

from __future__ import annotations

import asyncpg

from backend.domain.fees.order_fees import decode_fees
from backend.domain.lifecycle import Status
from backend.domain.orders import (
    LeasedOrder,
    OrderTerms,
    OrderType,
    SignedTransaction,
    TimeInForce,
)
from backend.domain.prices import PriceOf
from backend.domain.quotes import Dex
from backend.domain.route_constraints import decode_constraints
from backend.domain.tokens import TokenRegistry
from backend.store.groups.bracket_rows import decode_bracket
from backend.store.waiting.condition_rows import decode_condition, decode_share


def parse_leased_order(row: asyncpg.Record, tokens: TokenRegistry) -> LeasedOrder:
    """The order of a row that a claim returned."""
    signed = None
    if row["signed_tx"] is not None:
        signed = SignedTransaction(row["tx_hash"], row["signed_tx"], row["last_valid_height"])
    return LeasedOrder(
        id=row["id"],
        terms=parse_terms(row, tokens),
        status=Status(row["status"]),
        seq=row["seq"],
        attempt=row["attempts"],
        epoch=row["epoch"],
        dex=None if row["dex"] is None else Dex(row["dex"]),
        signed=signed,
        waited_s=row["waited_s"] or 0.0,
        route_min_out=row["route_min_out"],
        time_in_force=TimeInForce(row["time_in_force"]),
        can_expire=row["can_expire"],
        oco_group=row["oco_group"],
        bracket=None if row["bracket"] is None else decode_bracket(row["bracket"]),
        wallet=row["wallet"],
        lacks_units=row["lacks_units"],
        status_s=max(row["status_s"], 0.0),  # the clock may have been set back
    )


def parse_terms(row: asyncpg.Record, tokens: TokenRegistry) -> OrderTerms:
    """The terms in the row of an order."""
    condition, price_of, share = None, PriceOf.TOKEN_IN, None
    if row["condition"] is not None:
        condition, price_of = decode_condition(row["condition"])
        share = decode_share(row["condition"])
    min_amount_out, constraints = row["min_amount_out"], row["route_constraints"]
    return OrderTerms(
        type=OrderType(row["type"]),
        token_in=tokens.find(row["token_in"], "token_in"),
        token_out=tokens.find(row["token_out"], "token_out"),
        amount_in=int(row["amount_in"]),
        min_amount_out=None if min_amount_out is None else int(min_amount_out),
        slippage_bps=row["slippage_bps"],
        max_price_impact_bps=row["max_price_impact_bps"],
        condition=condition,
        price_of=price_of,
        amount_in_bps=share,
        constraints=None if constraints is None else decode_constraints(constraints),
        fees=decode_fees(row["fees"]),
    )
