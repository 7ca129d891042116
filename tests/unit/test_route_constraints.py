"""What orders ask of their routes: read, told apart, stored as text, and known to every part."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from itertools import product
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backend.api.wire.changes.amend_schema import read_amendment
from backend.api.wire.problems import Problem
from backend.api.wire.request_schemas import OrderRequest, read_order, read_quote
from backend.domain.conditions import Launch, Stop, TakeProfit
from backend.domain.groups.brackets import Bracket, BracketLeg
from backend.domain.groups.children import build_children
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.prices import PriceOf, PriceRatio
from backend.domain.quotes import Dex
from backend.domain.route_constraints import (
    HOPS_MAX,
    LEGS_MAX,
    POOLS_MAX,
    PROGRAMS,
    VENUE_NAMES,
    RouteConstraints,
    constraints_to_json,
    decode_constraints,
    encode_constraints,
    select_pool_constraints,
)
from backend.domain.tokens import SOL, USDC, TokenRegistry
from backend.venues import MAINNET_VENUES
from tests.bad_routes import BAD_ROUTES, POOL
from tests.conftest import ROOT

TOKENS = TokenRegistry()
SWAP: dict[str, Any] = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1.5"}
OTHER_POOL = "3nMFwZXwY1s1M5s8vYAHqd4wGs4iSxXE4LRoUMMYqEgF"
SNIPER_HASH = "8bc3b163e0bb827a7317e103a8de1f6d2e5b0230566a222e1abac0e8897f5b5b"
"""Of a request as versions without constraints have hashed it: a repeat stays a repeat."""
NAMES = st.lists(st.sampled_from(VENUE_NAMES), unique=True, max_size=3).map(tuple)
CONSTRAINTS = st.builds(
    RouteConstraints,
    dexes=NAMES,
    exclude_dexes=NAMES,
    pools=st.lists(st.sampled_from([POOL, OTHER_POOL]), unique=True).map(tuple),
    max_legs=st.none() | st.integers(1, LEGS_MAX),
    max_hops=st.none() | st.integers(1, HOPS_MAX),
)


@given(CONSTRAINTS, st.sampled_from([POOL, OTHER_POOL]))
def test_the_same_pools_have_the_same_constraints(asked: RouteConstraints, pool: str) -> None:
    allowed = select_pool_constraints(asked) or RouteConstraints()
    programs = [(dex.value, name) for dex, names in PROGRAMS.items() for name in names]
    assume(any(asked.allows_program(*each) for each in programs))
    assert [allowed.allows(*each, pool) for each in programs] == [
        asked.allows(*each, pool) for each in programs
    ]
    assert (allowed.max_legs, allowed.max_hops) == (None, None)
    assert select_pool_constraints(allowed) == select_pool_constraints(asked)


def test_every_notation_of_the_same_pools_is_one() -> None:
    notations = [
        RouteConstraints(dexes=("meteora",)),
        RouteConstraints(dexes=("meteora/dlmm", "meteora/damm_v2"), max_legs=1),
        RouteConstraints(exclude_dexes=("raydium",), max_hops=2),
        RouteConstraints(dexes=("meteora", "raydium"), exclude_dexes=("raydium",)),
    ]
    assert len(set(map(select_pool_constraints, notations))) == 1
    pools = [RouteConstraints(pools=each) for each in ((POOL, OTHER_POOL), (OTHER_POOL, POOL))]
    assert len(set(map(select_pool_constraints, pools))) == 1
    for everything in (None, RouteConstraints(max_legs=1), RouteConstraints(tuple(Dex))):
        assert select_pool_constraints(everything) is None


def read_fields(**members: object) -> OrderRequest:
    return read_order({**SWAP, **members}, TOKENS, 50)


def test_the_programs_are_those_that_there_are() -> None:
    modules = [type(venue).__module__.split(".") for venue in MAINNET_VENUES.hosted]
    programs = {(module[2], module[3]) for module in modules}
    assert programs == {(dex, name) for dex, names in PROGRAMS.items() for name in names}
    assert set(PROGRAMS) == set(Dex)


@given(CONSTRAINTS)
def test_constraints_survive_their_text(constraints: RouteConstraints) -> None:
    text = encode_constraints(constraints)
    assert decode_constraints(text) == constraints
    assert " " not in text


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "null", "5", '"dexes"', '{"dexes":5}', '{"dexes":"raydium"}'),
        *('{"dexes":["orca"]}', '{"dexes":[{}]}', '{"maxLegs":0}', '{"maxHops":"1"}', '{"more":1}'),
    ],
)
def test_what_is_no_constraints_is_refused(text: str) -> None:
    with pytest.raises((ValueError, AssertionError)):
        decode_constraints(text)


def test_a_pool_has_to_meet_all_that_is_asked() -> None:
    everything = RouteConstraints()
    assert everything.allows("raydium", "clmm", POOL)
    one = RouteConstraints(dexes=("raydium/clmm", "meteora"), exclude_dexes=("meteora/dlmm",))
    allowed = {
        f"{dex}/{name}"
        for dex, names in PROGRAMS.items()
        for name in names
        if one.allows_program(dex, name)
    }
    assert allowed == {"raydium/clmm", "meteora/damm_v2"}
    pooled = replace(one, pools=(POOL,))
    assert pooled.allows("raydium", "clmm", POOL)
    assert not pooled.allows("raydium", "clmm", OTHER_POOL)
    assert not pooled.allows("raydium", "cpmm", POOL)


KINDS: tuple[dict[str, Any], ...] = (
    {},
    {"type": "limit", "limitPrice": 1},
    {"type": "limit", "limitPrice": 1, "timeInForce": "ioc"},
    {"type": "stop", "triggerPrice": 1},
    {"type": "takeProfit", "triggerPrice": 1, "then": "market"},
    {"type": "stopLimit", "triggerPrice": 1, "limitPrice": 1},
    {"type": "trailingStop", "trailBps": 50},
    {"type": "twap", "slices": 2, "intervalS": 1},
    {"type": "twap", "slices": 2, "intervalS": 1, "limitPrice": 1},
)


def test_an_order_that_asks_nothing_has_no_constraints() -> None:
    plain = read_fields()
    for fields in ({}, {"dexes": None, "maxLegs": None}, {"onlyDirect": False}):
        order = read_fields(**fields)
        assert order.terms.constraints is None
        assert order.request_hash == plain.request_hash


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"dexes": ["Raydium/CLMM", "meteora"]}, {"dexes": ["raydium/clmm", "meteora"]}),
        ({"dexes": ["meteora", "meteora"]}, {"dexes": ["meteora"]}),
        ({"excludeDexes": ["raydium/amm_v4"]}, {"excludeDexes": ["raydium/amm_v4"]}),
        ({"pools": [POOL, OTHER_POOL, POOL]}, {"pools": [POOL, OTHER_POOL]}),
        ({"pools": [32 * "1"]}, {"pools": [32 * "1"]}),
        ({"maxLegs": 2, "maxHops": 3}, {"maxLegs": 2, "maxHops": 3}),
        ({"onlyDirect": True}, {"maxHops": 1}),
        ({"onlyDirect": True, "maxHops": 1}, {"maxHops": 1}),
        ({"onlyDirect": False, "maxHops": 2}, {"maxHops": 2}),
    ],
)
def test_what_is_asked_is_read_and_shown_as_it_was_asked(
    fields: dict[str, Any], asked: dict[str, Any]
) -> None:
    quote = read_quote({**SWAP, **fields}, TOKENS, 50)
    assert constraints_to_json(quote.constraints) == asked
    for kind in KINDS:
        terms = read_fields(**kind, **fields).terms
        assert constraints_to_json(terms.constraints) == asked


def test_a_request_is_the_same_in_every_notation_and_another_with_other_constraints() -> None:
    one = {"dexes": ["raydium", "meteora/dlmm"], "pools": [POOL, OTHER_POOL], "maxHops": 1}
    same = {"pools": [OTHER_POOL, POOL], "dexes": ["METEORA/dlmm", "raydium"], "onlyDirect": True}
    others = [
        {},
        {**one, "dexes": ["raydium"]},
        {**one, "maxLegs": 1},
        {**one, "maxHops": 2},
        {**one, "pools": [POOL]},
        {"excludeDexes": one["dexes"], "pools": one["pools"], "maxHops": 1},
    ]
    hashes = [read_fields(**fields).request_hash for fields in (one, *others)]
    assert len(set(hashes)) == len(hashes)
    assert read_fields(**same).request_hash == hashes[0]


def test_the_exchanges_of_a_sniper_are_a_guard_as_they_were() -> None:
    sniper = {"type": "sniper", "looks": 2}
    order = read_fields(**sniper, dexes=["meteora"])
    assert isinstance(order.terms.condition, Launch)
    assert order.terms.condition.guards.dexes == frozenset({Dex.METEORA})
    assert order.terms.constraints is None
    assert order.request_hash.hex() == SNIPER_HASH
    both = read_fields(**sniper, dexes=["meteora"], maxLegs=1).terms
    assert isinstance(both.condition, Launch)
    assert both.condition.guards.dexes == frozenset({Dex.METEORA})
    assert constraints_to_json(both.constraints) == {"maxLegs": 1}


@pytest.mark.parametrize(
    "fields", [{"dexes": ["meteora/dlmm"]}, {"excludeDexes": ["raydium"]}, {"pools": [POOL]}]
)
def test_a_sniper_names_exchanges_only(fields: dict[str, Any]) -> None:
    """A new pool is looked for in the default program of each exchange."""
    with pytest.raises(Problem) as caught:
        read_fields(type="sniper", **fields)
    [error] = caught.value.errors
    assert [error.field] == list(fields)
    assert "takes whole exchanges as dexes" in error.reason


def test_the_orders_of_a_bracket_ask_what_their_entry_asked() -> None:
    asked = RouteConstraints(dexes=("raydium",), max_legs=1)
    legs = [
        BracketLeg(TakeProfit(PriceRatio(12, 1)), PriceOf.TOKEN_IN, 50),
        BracketLeg(Stop(PriceRatio(9, 1)), PriceOf.TOKEN_IN, 300),
    ]
    entry = OrderTerms(OrderType.MARKET, SOL, USDC, 10**9, None, 50, constraints=asked)
    children = build_children(UUID(int=1), entry, Bracket(*legs), 10**8)
    assert [child.terms.constraints for child in children] == [asked, asked]


@pytest.mark.parametrize(
    "field", ["dexes", "excludeDexes", "pools", "maxLegs", "maxHops", "onlyDirect"]
)
def test_what_is_asked_of_a_route_cannot_be_amended(field: str) -> None:
    with pytest.raises(Problem) as refused:
        read_amendment({field: None, "limitPrice": 1})
    [error] = refused.value.errors
    assert error.field == field
    assert error.reason == "cannot be amended: cancel the order, and place another"


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return import_module("batch.checks.routes")


def test_the_batch_script_knows_what_the_server_knows(checks: ModuleType) -> None:
    assert checks.VENUE_NAMES == VENUE_NAMES
    limits = (checks.POOLS_MAX, checks.LEGS_MAX, checks.HOPS_MAX)
    assert limits == (POOLS_MAX, LEGS_MAX, HOPS_MAX)


def test_the_batch_script_finds_the_faults_of_the_server_in_its_words(checks: ModuleType) -> None:
    names: tuple[Any, ...] = (
        None,
        [],
        ["raydium"],
        ["Meteora", "raydium/clmm"],
        ["orca"],
        ["dlmm"],
        "raydium",
        [1],
    )
    excluded = (None, ["raydium"], ["meteora", "raydium"], ["raydium/ammv4"], 8 * ["meteora"])
    pools: tuple[Any, ...] = (None, [POOL], [POOL[:-1]], [44 * "z"], [None], 17 * [POOL], [])
    hops: tuple[dict[str, Any], ...] = ({}, {"maxHops": 1}, {"maxHops": 2}, {"maxLegs": 4})
    accepted = refused = 0
    for dexes, exclude, pool, more, direct in product(names, excluded, pools, hops, (True, False)):
        order = {"dexes": dexes, "excludeDexes": exclude, "pools": pool, **more}
        order = {name: value for name, value in order.items() if value is not None}
        order["onlyDirect"] = direct
        faults = set(checks.find_route_faults(order))
        found = read_faults({**SWAP, **order})
        assert faults == found, order
        accepted, refused = accepted + (not faults), refused + bool(faults)
    assert accepted > 30
    assert refused > 300


def test_every_bad_route_is_found_by_the_batch_script(checks: ModuleType) -> None:
    for name, bad in BAD_ROUTES.items():
        if bad.code == "unknown_field" or bad.field in {"maxLegs", "maxHops"}:
            continue
        order = json.loads(bad.text)
        if order.get("onlyDirect") == 1 and order["onlyDirect"] is not True:
            continue  # a flag, whose form is checked as that of every flag
        [fault] = checks.find_route_faults(order)
        assert fault.startswith(f"{bad.field}: "), name
        assert bad.words in fault, name


def read_faults(body: dict[str, Any]) -> set[str]:
    try:
        read_order(body, TOKENS, 50)
    except Problem as problem:
        return {f"{error.field}: {error.reason}" for error in problem.errors}
    return set()
