"""The batch script finds, without a server, the same faults of an order's type as the server."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from itertools import combinations
from types import ModuleType
from typing import Any, Final

import pytest

from backend.api.wire.groups.bracket_bodies import BRACKETED_TYPES
from backend.api.wire.problems import Problem
from backend.api.wire.request_schemas import read_order
from backend.domain.condition_fields import FIELDS_BY_TYPE
from backend.domain.orders import PRICED_TYPES, OrderType
from backend.domain.tokens import TokenRegistry
from backend.domain.waiting.guards import GUARD_NAMES
from tests.conftest import ROOT

TOKENS: Final = TokenRegistry()
SWAP: Final[dict[str, Any]] = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": 1}
VALUES: Final[dict[str, Any]] = {
    "limitPrice": 90,
    "triggerPrice": 90,
    "activationPrice": 90,
    "trailBps": 100,
    "confirmations": 2,
    "then": "limit",
    "slices": 2,
    "intervalS": 5,
    "jitterBps": 10,
    "priceOf": "tokenIn",
    "minAmountOut": 90,
    "minLiquidity": 5,
    "mintAuthorityRevoked": True,
    "freezeAuthorityNone": True,
    "maxTransferFeeBps": 10,
    "maxFeeBps": 10,
    "lpLockedMinBps": 10,
    "maxPoolAgeS": 10,
    "dexes": ["raydium"],
    "looks": 2,
    "bracketTakeProfit": 130,
    "bracketStop": 90,
    "bracketTrailBps": 100,
    "ocoGroup": "a",
    "expiresAt": "2027-01-31T12:00:00Z",
}
TIMES_IN_FORCE: Final = (None, "gtc", "gtd", "ioc", "fok")


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return import_module("batch.checks.order_types")


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return import_module("batch.groups")


def test_the_tables_of_types_are_those_of_the_server(checks: ModuleType) -> None:
    table = checks.CONDITION_FIELDS_BY_TYPE
    assert {kind: set(fields) for kind, fields in table.items() if fields} == FIELDS_BY_TYPE
    assert set(table) == set(OrderType)
    assert set(checks.GUARD_FIELDS) == set(GUARD_NAMES) - {"dexes"}  # which all types have
    assert set(checks.GROUPED_TYPES) == PRICED_TYPES
    assert set(checks.BRACKETED_TYPES) == BRACKETED_TYPES


def list_orders(kind: str, required: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Orders of a type with what it needs, with and without up to two fields of any type."""
    whole = {name: VALUES[name] for name in required}
    for count in range(3):
        for names in combinations(VALUES, count):
            yield {**SWAP, "type": kind, **{name: VALUES[name] for name in names}}
            yield {**SWAP, "type": kind, **whole, **{name: VALUES[name] for name in names}}


def test_the_faults_of_a_type_are_those_of_the_server_in_its_words(
    checks: ModuleType, groups: ModuleType
) -> None:
    accepted = refused = 0
    for kind in OrderType:
        for order in list_orders(kind, checks.REQUIRED_FIELDS_BY_TYPE.get(kind, ())):
            faults = name_as_the_server(checks.find_type_faults(order))
            assert faults == read_faults(groups.build_body(order)), order
            accepted += not faults
            refused += bool(faults)
    assert accepted > 200
    assert refused > 1_000


def test_the_faults_of_a_time_in_force_are_those_of_the_server_in_its_words(
    checks: ModuleType, groups: ModuleType
) -> None:
    for kind in OrderType:
        required = checks.REQUIRED_FIELDS_BY_TYPE.get(kind, ())
        for time_in_force in TIMES_IN_FORCE:
            for names in ((), ("expiresAt",), ("ocoGroup",), ("limitPrice",)):
                whole = {name: VALUES[name] for name in (*required, *names)}
                order = {**SWAP, "type": kind, **whole, "timeInForce": time_in_force}
                faults = name_as_the_server(checks.find_type_faults(order))
                assert faults == read_faults(groups.build_body(order)), order


def test_a_cap_that_no_sale_keeps_is_refused_in_the_words_of_the_server(
    checks: ModuleType,
) -> None:
    required = {"limit": ("limitPrice",), "stopLimit": ("triggerPrice", "limitPrice")}
    for kind in OrderType:
        names = required.get(kind, checks.REQUIRED_FIELDS_BY_TYPE.get(kind, ()))
        whole = {name: VALUES[name] for name in names}
        for then in (None, "LIMIT", "Market") if kind is OrderType.TAKE_PROFIT else (None,):
            order = {**SWAP, "type": kind, **whole, "then": then, "maxPriceImpactBps": 0}
            assert set(checks.find_type_faults(order)) == read_faults(order), order


@pytest.mark.parametrize("amount", ["all", "50%", "0.01%", "ALL", "0%", "100.001%", "-5%", "1e1%"])
def test_the_faults_of_a_share_are_those_of_the_server_in_its_words(
    checks: ModuleType, amount: str
) -> None:
    required = {"limit": ("limitPrice",), "stopLimit": ("triggerPrice", "limitPrice")}
    for kind in OrderType:
        names = required.get(kind, checks.REQUIRED_FIELDS_BY_TYPE.get(kind, ()))
        for name in ("amount", "amountIn"):
            whole = {each: VALUES[each] for each in names}
            order = {**SWAP, "type": kind, **whole, name: amount}
            if name == "amountIn":
                del order["amount"]
            assert set(checks.find_type_faults(order)) == read_faults(order), order


@pytest.mark.parametrize(("amount", "is_taken"), [("all", True), ("12.5%", True), ("0%", False)])
def test_a_share_needs_to_be_no_number(checks: ModuleType, amount: str, *, is_taken: bool) -> None:
    values = import_module("batch.checks.values")
    order = {**SWAP, "type": "stop", "triggerPrice": "1", "amount": amount}
    assert (values.find_value_faults(order) == []) is is_taken


def test_a_minimum_of_a_share_is_refused_in_the_words_of_the_server(checks: ModuleType) -> None:
    order = {**SWAP, "type": "stopLimit", "triggerPrice": 1, "amount": "all", "minAmountOut": 1}
    faults = {each for each in checks.find_type_faults(order) if "limitPrice" in each}
    assert faults == {each for each in read_faults(order) if "limitPrice" in each} != set()


def name_as_the_server(faults: Iterator[str]) -> set[str]:
    """The columns of a bracket are one field of the body, which is read once the rest is valid."""
    own, of_legs = set(), set()
    for fault in faults:
        name, _, reason = fault.partition(": ")
        if reason.startswith("cannot go"):
            words = reason.replace("bracketStop", "triggerPrice")
            of_legs.add(f"bracket.stop.trailBps: {words}")
        else:
            own.add(f"{'bracket' if name.startswith('bracket') else name}: {reason}")
    return own or of_legs


def read_faults(body: dict[str, Any]) -> set[str]:
    try:
        read_order(body, TOKENS, 50, is_of_batch=True)
    except Problem as problem:
        return {f"{error.field}: {error.reason}" for error in problem.errors}
    return set()
