"""The terms of an order as the text that its job carries."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.amounts import BPS, U64_MAX, Token
from backend.domain.conditions import Limit
from backend.domain.lifecycle import Status
from backend.domain.orders import NewOrder, OrderTerms, OrderType, TimeInForce
from backend.domain.prices import PriceRatio
from backend.domain.route_constraints import RouteConstraints
from backend.domain.terms_text import format_terms_text, parse_terms_text
from backend.domain.tokens import KNOWN_TOKENS, SOL, USDC, TokenRegistry

ORDER_ID = UUID(int=1)
TOKENS = TokenRegistry()
TERMS = OrderTerms(OrderType.MARKET, SOL, USDC, 1, None, 50, None)
BPS_NUMBERS = st.integers(0, BPS)
AMOUNTS = st.integers(1, U64_MAX)
CONSTRAINTS = st.builds(
    RouteConstraints,
    dexes=st.sampled_from([(), ("raydium/clmm", "meteora")]),
    pools=st.sampled_from([(), ("8sLbNZoA1cfnvMJLPfp98ZLAnFSYCFApfJKMbiXNLwxj",)]),
    max_legs=st.integers(1, 4),
)


@given(
    tokens=st.permutations(KNOWN_TOKENS),
    amount_in=AMOUNTS,
    least=st.none() | AMOUNTS,
    slippage_bps=BPS_NUMBERS,
    impact_bps=st.none() | BPS_NUMBERS,
    force=st.sampled_from(TimeInForce),
    expires_at=st.none() | st.just(datetime.fromtimestamp(0, UTC)),
    constraints=st.none() | CONSTRAINTS,
)
def test_a_worker_reads_the_terms_that_were_written(
    tokens: list[Token],
    amount_in: int,
    least: int | None,
    slippage_bps: int,
    impact_bps: int | None,
    force: TimeInForce,
    expires_at: datetime | None,
    constraints: RouteConstraints | None,
) -> None:
    terms = OrderTerms(
        *(OrderType.MARKET, tokens[0], tokens[1], amount_in, least, slippage_bps, impact_bps),
        constraints=constraints,
    )
    order = NewOrder(ORDER_ID, "a", terms, b"", time_in_force=force, expires_at=expires_at)
    text = format_terms_text(order)
    assert text is not None
    read = parse_terms_text(ORDER_ID, text, TOKENS)
    assert read is not None
    assert (read.terms, read.time_in_force) == (terms, force)
    assert read.can_expire == (expires_at is not None)
    assert (read.status, read.seq, read.attempt, read.epoch) == (Status.PENDING, 1, 1, 1)


@pytest.mark.parametrize("kind", [OrderType.LIMIT, OrderType.SNIPER])
def test_only_market_orders_have_a_text(kind: OrderType) -> None:
    assert format_terms_text(NewOrder(ORDER_ID, "a", replace(TERMS, type=kind), b"")) is None


def test_an_order_with_a_condition_has_no_text() -> None:
    terms = replace(TERMS, condition=Limit(PriceRatio(1, 1)))
    assert format_terms_text(NewOrder(ORDER_ID, "a", terms, b"")) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "market",
        "market SOL SOL 1 - 50 - gtc -",
        "market SOL USDC 0 - 50 - gtc -",
        "market SOL USDC 1 - 50 - gtc - more",
        'market SOL USDC 1 - 50 - gtc - {"dexes":["orca"]}',
        'market SOL USDC 1 - 50 - gtc {"maxLegs":1}',
        'market SOL USDC 1 - 50 - gtc - {"maxLegs": 1}',
        "}",
        "market SOL USDC 1e3 - 50 - gtc -",
        "market SOL USDC 1 - 50 - always -",
        "market SOL FOO 1 - 50 - gtc -",
        "sniped SOL USDC 1 - 50 - gtc -",
        "x" * 10_000,
    ],
)
def test_what_is_no_terms_is_none(text: str) -> None:
    assert parse_terms_text(ORDER_ID, text, TOKENS) is None
