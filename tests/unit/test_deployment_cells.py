"""The matrix of deployments: its cells, what its nodes do, and the page that shows its servers."""

from __future__ import annotations

from enum import StrEnum
from random import Random
from typing import Any

import pytest

from backend.trials.deployments.cells import (
    NodeKind,
    PostgresKind,
    RedisKind,
    list_cells,
    list_quick_cells,
    parse_choice,
    select_cells,
)
from backend.trials.deployments.node_models import (
    BEHIND_SLOTS,
    METHOD_CALLS_MAX,
    WINDOW_S,
    BehindModel,
    NodeModel,
    build_model,
)
from backend.trials.deployments.templates import EXAMPLES, render_example
from tests.conftest import ROOT

Json = dict[str, Any]
TIP = 100


def call(method: str, *params: object) -> Json:
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}


def test_the_matrix_has_every_combination_once() -> None:
    cells = list_cells()
    assert len(set(cells)) == len(cells) == len(PostgresKind) * len(RedisKind) * len(NodeKind)


@pytest.mark.parametrize("dimension", [PostgresKind, RedisKind, NodeKind])
def test_the_quick_form_has_every_kind(dimension: type[StrEnum]) -> None:
    kinds = {kind for cell in list_quick_cells() for kind in cell if isinstance(kind, dimension)}
    assert kinds == set(dimension)


def test_a_cell_is_chosen_by_its_own_name() -> None:
    for cell in list_cells():
        assert select_cells(list_cells(), parse_choice(str(cell))) == [cell]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("mysql=direct", "'mysql' is not one of postgres, redis, node"),
        ("node=slow", "node='slow' is not one of healthy, no-arrays"),
        ("node", "node='' is not one of"),
    ],
)
def test_a_choice_that_does_not_exist_is_named(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_choice(text)


def test_a_healthy_node_changes_nothing() -> None:
    model, response = NodeModel(), {"id": 7, "result": 1}
    assert model.refuse([call("getSlot")], 0, is_array=True) is None
    assert model.answer(call("getSlot")) is None
    assert model.revise(call("getSlot"), response) == response


def test_a_node_without_arrays_refuses_even_one_of_one_call() -> None:
    model = build_model(NodeKind.NO_ARRAYS, 1)
    refusal = model.refuse([call("getSlot")], 0, is_array=True)
    assert refusal is not None
    assert refusal.status == 403
    assert model.refuse([call("getSlot")], 0, is_array=False) is None


def test_a_limited_node_counts_the_calls_of_an_array_and_says_when_to_come_again() -> None:
    model = build_model(NodeKind.RATE_LIMITED, 1)
    calls = [call("sendTransaction")] * METHOD_CALLS_MAX
    assert model.refuse(calls, 0, is_array=True) is None
    refusal = model.refuse([call("sendTransaction")], 0.1, is_array=False)
    assert refusal is not None
    assert (refusal.status, refusal.retry_after_s) == (429, 2)
    assert model.refuse([call("getSlot")], 0.1, is_array=False) is None
    assert model.refuse([call("sendTransaction")], WINDOW_S, is_array=False) is None


@pytest.mark.parametrize(
    ("kind", "answer"),
    [(NodeKind.NO_HISTORY, "error"), (NodeKind.EMPTY_HISTORY, "result")],
)
def test_a_node_without_history_says_so_or_has_none(kind: NodeKind, answer: str) -> None:
    told = build_model(kind, 1).answer(call("getTransaction", "signature", {}))
    assert told is not None
    assert list(told) == [answer]


def build_behind_model() -> BehindModel:
    """One of which every request reaches the backend that is behind."""

    class Always(Random):
        def random(self) -> float:
            return 0.0

    model = BehindModel(Always())
    model.observe_tip(TIP)
    return model


def test_a_node_that_is_behind_refuses_a_context_that_it_has_not_reached() -> None:
    model, response = (
        build_behind_model(),
        {"id": 7, "result": {"context": {"slot": TIP}, "value": 1}},
    )
    refused = model.revise(call("getBalance", "a", {"minContextSlot": TIP}), response)
    assert refused["error"]["code"] == -32016
    reached = TIP - BEHIND_SLOTS
    answered = model.revise(call("getBalance", "a", {"minContextSlot": reached}), response)
    assert answered["result"] == {"context": {"slot": reached}, "value": 1}


def test_a_node_that_is_behind_does_not_know_what_is_newer_than_it() -> None:
    model = build_behind_model()
    statuses = [{"slot": TIP}, {"slot": TIP - BEHIND_SLOTS}, None]
    response = {"id": 7, "result": {"context": {"slot": TIP}, "value": statuses}}
    told = model.revise(call("getSignatureStatuses", ["a", "b", "c"]), response)
    assert told["result"]["value"] == [None, {"slot": TIP - BEHIND_SLOTS}, None]
    landed = {"id": 7, "result": {"slot": TIP}}
    assert model.revise(call("getTransaction", "a"), landed)["result"] is None


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_shows_the_configuration_that_the_matrix_runs(name: str) -> None:
    page = (ROOT / "backend" / "DEPLOYMENT.md").read_text(encoding="utf-8")
    assert f"\n{render_example(name)}```\n" in page
