"""The schedule follows from the seed, and leaves nothing out."""

from __future__ import annotations

from backend.execution.context import Point
from backend.trials.chaos.faults import Kind
from backend.trials.chaos.scenarios import SCENARIOS
from backend.trials.chaos.schedule import plan
from backend.trials.chaos.timing import LEASE_S, bound_s

ALL = tuple(SCENARIOS)


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert plan(7, ALL) == plan(7, ALL)
    assert plan(7, ALL, orders=20_000, minutes=20) == plan(7, ALL, orders=20_000, minutes=20)


def test_another_seed_gives_another_schedule() -> None:
    assert plan(7, ALL) != plan(8, ALL)


def test_the_short_run_plays_every_scenario_once() -> None:
    assert [turn.scenario for turn in plan(1, ALL)] == list(ALL)


def test_a_long_run_plays_every_scenario_equally_often_and_shares_the_orders_out() -> None:
    turns = plan(1, ALL, orders=20_000, minutes=20)
    counts = {name: sum(turn.scenario == name for turn in turns) for name in ALL}
    assert len(set(counts.values())) == 1
    assert counts["quiet"] > 1
    assert 20_000 - len(turns) <= sum(turn.orders for turn in turns) <= 30_000


def test_every_kind_of_fault_is_used() -> None:
    assert {stroke.kind for turn in plan(1, ALL) for stroke in turn.strokes} == set(Kind)


def test_a_worker_dies_at_every_named_point() -> None:
    crashes = [s.target for turn in plan(1, ALL) for s in turn.strokes if s.kind is Kind.CRASH]
    assert {crash.partition(":")[0] for crash in crashes} == set(Point)


def test_a_paused_worker_sleeps_past_its_lease() -> None:
    for seed in range(20):
        [turn] = plan(seed, ["worker_paused"])
        assert all(stroke.for_s > LEASE_S for stroke in turn.strokes)


def test_handing_over_may_not_wait_for_the_lease() -> None:
    [turn] = plan(1, ["worker_terminated"])
    assert float(turn.settings["lease_s"]) > 2 * bound_s(turn.orders)
    assert turn.orders >= 1_000
