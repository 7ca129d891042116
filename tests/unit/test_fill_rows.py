"""Fills from rows: what routes and events of this and earlier versions tell."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import asyncpg

from backend.accounting.fills import FillRecord
from backend.domain.tokens import SOL, USDC, TokenRegistry
from backend.store.fills.fill_rows import parse_fill

Json = dict[str, Any]

AT = datetime(2026, 1, 1, tzinfo=UTC)
ROW: Json = {
    **dict.fromkeys(("client_order_id", "batch_id", "parent_id", "wallet", "submitted_at")),
    **dict.fromkeys(("route", "data", "confirmed_at", "network_fee_lamports")),
    **dict.fromkeys(("priority_fee_lamports", "tip_lamports", "rent_lamports")),
    "id": UUID(int=1),
    "type": "market",
    "token_in": "BONK",
    "token_out": "JUP",
    "amount_in": "1000",
    "amount_out": "2000000",
    "executed_price": "2",
    "dex": "raydium",
    "tx_hash": "signature",
    "created_at": AT,
    "at": AT,
}


def parse(route: Json | None = None, data: Json | None = None, **row: object) -> FillRecord:
    texts = {
        "route": None if route is None else json.dumps(route),
        "data": None if data is None else json.dumps(data),
    }
    values = cast(asyncpg.Record, {**ROW, **texts, **row})
    return parse_fill(values, TokenRegistry(), "USDC")


def test_a_row_without_route_and_event_is_a_fill() -> None:
    fill = parse()
    assert (fill.quoted_out, fill.second_quote, fill.saved, fill.missing) == (None,) * 4
    assert (fill.pools, fill.venue_fees, fill.fees, fill.slot) == ((), (), None, None)
    assert (fill.confirmed_at, fill.compute_value("USDC")) == (AT, None)


def test_fees_are_those_that_are_known() -> None:
    assert parse().fees is None
    told = parse(priority_fee_lamports=3, tip_lamports=0).fees
    assert told == {"priorityFeeLamports": 3, "tipLamports": 0}


def test_the_second_quote_is_the_best_that_was_neither_chosen_nor_refused() -> None:
    quotes = [
        {"dex": "raydium", "pool": "a", "amountOut": "2.5"},
        {"dex": "raydium", "pool": "b", "amountOut": "2.1"},
        {"dex": "meteora", "pool": "c", "amountOut": "2.2"},
        {"dex": "meteora", "pool": "d", "amountOut": "9", "refused": {"code": "x"}},
    ]
    single = parse({"dex": "raydium", "pool": "a", "quotes": quotes})
    assert (single.quoted_out, single.second_quote) == (2_500_000, 2_200_000)
    assert (single.saved, single.missing) == (300_000, 500_000)
    legs = [{"pool": "a"}, {"pool": "c"}]
    split = parse(
        {"dex": "raydium", "pool": "a", "quotes": quotes, "legs": legs, "expectedAmountOut": "2.6"}
    )
    assert (split.quoted_out, split.second_quote, split.pools) == (2_600_000, 2_500_000, ("a", "c"))
    earlier = parse({"dex": "raydium", "quotes": [{"dex": "raydium", "amountOut": "2"}]})
    assert (earlier.quoted_out, earlier.second_quote) == (2_000_000, None)


def test_a_route_is_valued_by_its_last_hop_or_as_it_was_stored() -> None:
    legs = [
        {"tokenIn": "BONK", "tokenOut": "USDC", "amountIn": "1"},
        {"tokenIn": "USDC", "tokenOut": "JUP", "amountIn": "1.5"},
        {"tokenIn": "USDC", "tokenOut": "JUP", "amountIn": "0.25"},
    ]
    stored = {"token": "USDC", "amount": "3.5"}
    assert parse({"legs": legs}).route_value == 1_750_000
    assert parse({"value": stored}).route_value == 3_500_000
    assert parse({"value": stored | {"token": "SOL"}}).route_value is None
    assert parse({"value": stored}, token_in="USDC").route_value is None


def test_what_is_left_of_tokens_in_between_is_read_from_the_event() -> None:
    amounts = [{"token": "SOL", "amount": "0.000000007"}, {"token": "GONE", "amount": "1"}]
    fill = parse({"venueFees": [{"token": "USDC", "amount": "0.5"}]}, {"residuals": amounts})
    assert fill.residuals == ((SOL, 7),)
    assert fill.venue_fees == ((USDC, 500_000),)
