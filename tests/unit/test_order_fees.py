"""What orders say of their fees: what is refused, what is stored, and what a transaction pays."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from itertools import product
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from solders.pubkey import Pubkey

from backend.api.wire.changes.amend_schema import read_amendment
from backend.api.wire.order_types.amounts import NO_HOLDINGS
from backend.api.wire.problems import Problem
from backend.api.wire.request_schemas import read_order, read_quote
from backend.chain.compute_budget import UNIT_LIMIT_MAX, ComputeBudget
from backend.chain.costs import FeeBounds
from backend.chain.swap_instructions import SwapInstructions
from backend.chain.transactions import SwapLeg, SwapParameters, build_instructions
from backend.domain.conditions import Stop
from backend.domain.errors import Rejected
from backend.domain.fees.order_fees import (
    AUTO,
    FEE_LAMPORTS_MAX,
    SIGNATURE_FEE,
    OrderFees,
    decode_fees,
    encode_fees,
    require_minimum,
)
from backend.domain.groups.brackets import Bracket, BracketLeg
from backend.domain.groups.children import build_children
from backend.domain.orders import NewOrder, OrderTerms
from backend.domain.prices import PriceOf, PriceRatio
from backend.domain.route_constraints import RouteConstraints
from backend.domain.terms_text import format_terms_text, parse_terms_text
from backend.domain.tokens import TokenRegistry
from backend.domain.waiting.amendments import describe_change
from backend.execution.budget.priority_fees import FeePolicy, PriorityFees
from backend.venues import CPMM
from tests.conftest import ROOT
from tests.pools import SOL as SOL_MINT
from tests.pools import USDC as USDC_MINT

TOKENS = TokenRegistry()
STOP = BracketLeg(Stop(PriceRatio(9, 1)), PriceOf.TOKEN_IN, 300)
SWAP: dict[str, Any] = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1"}
LIMIT: dict[str, Any] = {**SWAP, "type": "limit", "limitPrice": "100"}
CEILING = 1_000_000
FEES = [
    OrderFees(AUTO),
    OrderFees(0),
    OrderFees(max_fee=SIGNATURE_FEE),
    OrderFees(12, 5_012),
    OrderFees(AUTO, FEE_LAMPORTS_MAX),
]
GOING_PRICE = 200_000


def read_terms(body: dict[str, Any]) -> OrderTerms:
    return read_order(body, TOKENS, 50, priority_fee_max=CEILING).terms


def find_faults(body: dict[str, Any]) -> dict[str, str]:
    try:
        read_terms(body)
    except Problem as problem:
        return {error.field: error.reason for error in problem.errors}
    return {}


@pytest.mark.parametrize(
    ("said", "fees"),
    [
        ({}, None),
        ({"priorityFee": None, "maxFeeLamports": None}, None),
        ({"priorityFee": "AUTO"}, OrderFees(AUTO)),
        ({"priorityFee": 0}, OrderFees(0)),
        ({"priorityFee": CEILING, "maxFeeLamports": CEILING + 5_000}, OrderFees(10**6, 1_005_000)),
        ({"maxFeeLamports": 5_000}, OrderFees(None, 5_000)),
    ],
)
def test_an_order_may_say_what_it_pays(said: dict[str, Any], fees: OrderFees | None) -> None:
    assert read_terms({**SWAP, **said}).fees == fees


@pytest.mark.parametrize(
    ("said", "field", "words"),
    [
        ({"priorityFee": CEILING + 1}, "priorityFee", "is above 1000000, the ceiling"),
        ({"priorityFee": -1}, "priorityFee", "must be 'auto', or whole lamports from 0"),
        ({"priorityFee": True}, "priorityFee", "must be 'auto'"),
        ({"priorityFee": "high"}, "priorityFee", "must be 'auto'"),
        ({"priorityFee": "1000"}, "priorityFee", "must be 'auto'"),
        ({"maxFeeLamports": 4_999}, "maxFeeLamports", "5000"),
        ({"maxFeeLamports": "much"}, "maxFeeLamports", "whole number"),
        ({"priorityFee": 100, "maxFeeLamports": 5_099}, "maxFeeLamports", "is below 5100"),
        ({"priorityFeeLamports": 1}, "priorityFeeLamports", "did you mean priorityFee"),
        ({"computeUnitPriceMicroLamports": 1}, "computeUnitPriceMicroLamports", "priorityFee"),
    ],
)
def test_fees_that_no_transaction_can_have_name_their_field(
    said: dict[str, Any], field: str, words: str
) -> None:
    faults = find_faults({**SWAP, **said})
    assert list(faults) == [field]
    assert words in faults[field]


def test_a_quote_has_no_fees_of_its_own() -> None:
    with pytest.raises(Problem) as refused:
        read_quote({**SWAP, "maxFeeLamports": 9_000}, TOKENS, 50)
    [error] = refused.value.errors
    assert (error.field, "belongs to an order" in error.reason) == ("maxFeeLamports", True)


def test_a_repeat_is_one_only_with_the_same_fees() -> None:
    said: list[dict[str, Any]] = [
        {},
        {"priorityFee": "auto"},
        {"priorityFee": 0},
        {"maxFeeLamports": 9_000},
        {"priorityFee": 0, "maxFeeLamports": 9_000},
    ]
    hashes = {read_order({**SWAP, **each}, TOKENS, 50).request_hash for each in said}
    assert len(hashes) == len(said)
    again = read_order({**SWAP, "priorityFee": "Auto"}, TOKENS, 50)
    assert again.request_hash == read_order({**SWAP, **said[1]}, TOKENS, 50).request_hash


@pytest.mark.parametrize("fees", FEES)
@pytest.mark.parametrize("constraints", [None, RouteConstraints(max_legs=1)])
def test_rows_and_jobs_tell_what_was_said(
    fees: OrderFees, constraints: RouteConstraints | None
) -> None:
    assert decode_fees(encode_fees(fees)) == fees
    terms = replace(read_terms(SWAP), fees=fees, constraints=constraints)
    text = format_terms_text(NewOrder(UUID(int=1), "owner", terms, b""))
    assert text is not None
    parsed = parse_terms_text(UUID(int=1), text, TOKENS)
    assert parsed is not None
    assert parsed.terms == terms
    for wrong in ('{"priorityFee":"low"}', '{"maxFeeLamports":1}', '{"priorityFee":1,"x":2}'):
        assert parse_terms_text(UUID(int=1), f"{text.split(' {')[0]} {wrong}", TOKENS) is None


def test_the_orders_of_a_bracket_have_the_fees_of_their_entry() -> None:
    entry = replace(read_terms(SWAP), fees=OrderFees(AUTO, 9_000))
    children = build_children(UUID(int=1), entry, Bracket(stop=STOP), 10**8)
    assert [child.terms.fees for child in children] == [entry.fees]


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [
        (None, {"priorityFee": 7}, OrderFees(7)),
        (OrderFees(AUTO, 9_000), {"maxFeeLamports": 8_000}, OrderFees(AUTO, 8_000)),
        (OrderFees(100, 9_000), {"priorityFee": "auto"}, OrderFees(AUTO, 9_000)),
        (OrderFees(100, 9_000), {"slippageBps": 7}, OrderFees(100, 9_000)),
    ],
)
def test_the_fees_of_an_order_that_waits_can_be_amended(
    before: OrderFees | None, change: dict[str, Any], after: OrderFees
) -> None:
    terms = replace(read_terms(LIMIT), fees=before)
    amended = amend(terms, change)
    assert amended.fees == after
    if after != before:
        shown = describe_change(terms, amended)
        assert shown == change


def test_an_amendment_keeps_the_fees_possible() -> None:
    terms = replace(read_terms(LIMIT), fees=OrderFees(1_000, 9_000))
    cases = (
        ({"priorityFee": 4_001}, "maxFeeLamports"),
        ({"priorityFee": 2_000_000}, "priorityFee"),
    )
    for change, field in cases:
        with pytest.raises(Problem) as refused:
            amend(terms, change)
        assert field in {error.field for error in refused.value.errors}


def amend(terms: OrderTerms, change: dict[str, Any]) -> OrderTerms:
    return read_amendment(change).apply(
        terms, NO_HOLDINGS, is_triggered=False, is_following=False, priority_fee_max=CEILING
    )


def make_instructions() -> SwapInstructions:
    pool = CPMM.create_pool(SOL_MINT, USDC_MINT, 10**15, 10**14, fee_e9=3_000_000)
    swap = SwapParameters([SwapLeg(pool, 10**9, 1)], SOL_MINT, USDC_MINT, "0" * 32)
    return build_instructions(swap, Pubkey(bytes([9] * 32)))


async def fetch_fees(_accounts: object) -> list[int]:
    return [GOING_PRICE]


@pytest.mark.parametrize("is_auto", [True, False])
@pytest.mark.parametrize("limit", [60_000, 120_000, UNIT_LIMIT_MAX])
async def test_a_transaction_pays_what_its_order_says_and_never_more(
    limit: int, is_auto: bool
) -> None:
    policy = FeePolicy(ceiling_lamports=CEILING, is_auto=is_auto)
    fees = PriorityFees(fetch_fees, ComputeBudget(), policy)
    fixed = SIGNATURE_FEE + limit // 1_000
    auto = SIGNATURE_FEE + limit * GOING_PRICE // 1_000_000
    for said, paid in (
        (None, auto if is_auto else fixed),
        (OrderFees(AUTO), auto),
        (OrderFees(700), SIGNATURE_FEE + 700),
        (OrderFees(0), SIGNATURE_FEE),
        (OrderFees(AUTO, 9_000), min(auto, 9_000)),
        (OrderFees(None, 5_030), min(auto if is_auto else fixed, 5_030)),
        (OrderFees(CEILING * 2), SIGNATURE_FEE + CEILING),
    ):
        budget = await fees.choose_budget(make_instructions(), 1, said)
        fee = replace(budget, unit_limit=limit).compute_fee()
        assert paid - 2 <= fee <= paid, said
        bounds = FeeBounds(auto if is_auto else fixed, SIGNATURE_FEE + CEILING)
        assert fee <= bounds.compute_most(said)


def test_an_order_whose_least_fee_is_above_its_maximum_fails_by_name() -> None:
    fees = PriorityFees(fetch_fees, ComputeBudget(), FeePolicy())
    require_minimum(OrderFees(AUTO, 5_060), fees.compute_least(60_000, OrderFees(AUTO, 5_060)))
    require_minimum(OrderFees(0, 5_000), fees.compute_least(60_000, OrderFees(0, 5_000)))
    for said in (OrderFees(AUTO, 5_059), OrderFees(None, 5_000)):
        with pytest.raises(Rejected) as refused:
            require_minimum(said, fees.compute_least(60_000, said))
        assert refused.value.code == "fee_above_maximum"
        assert "at least 5060 lamports, and maxFeeLamports is" in refused.value.reason


@pytest.mark.parametrize(
    ("said", "units"),
    [
        (None, UNIT_LIMIT_MAX),
        (OrderFees(AUTO), UNIT_LIMIT_MAX),
        (OrderFees(100, 5_100), UNIT_LIMIT_MAX),
        (OrderFees(AUTO, 5_200), 200_000),
        (OrderFees(None, 50_000), UNIT_LIMIT_MAX),
    ],
)
def test_an_order_that_lacked_units_gets_what_its_maximum_permits(
    said: OrderFees | None, units: int
) -> None:
    fees = PriorityFees(fetch_fees, ComputeBudget(), FeePolicy())
    assert fees.compute_most_units(said) == units
    require_minimum(said, fees.compute_least(units, said))


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return import_module("batch.checks.fees")


def test_the_batch_script_finds_the_faults_of_the_server_in_its_words(checks: ModuleType) -> None:
    assert (checks.SIGNATURE_FEE, checks.LAMPORTS_MAX) == (SIGNATURE_FEE, FEE_LAMPORTS_MAX)
    priorities: tuple[Any, ...] = (
        None,
        "auto",
        "Auto",
        0,
        1_000,
        -1,
        FEE_LAMPORTS_MAX + 1,
        "9",
        True,
        [],
    )
    refused = 0
    for priority, most in product(priorities, (None, 5_000, 5_999, 6_000)):
        said = {"priorityFee": priority, "maxFeeLamports": most}
        said = {name: each for name, each in said.items() if each is not None}
        try:
            read_order({**SWAP, **said}, TOKENS, 50)
            found = set()
        except Problem as problem:
            found = {f"{error.field}: {error.reason}" for error in problem.errors}
        assert set(checks.find_fee_faults(said)) == found, said
        refused += bool(found)
    assert refused > 20
