"""The schedule is derived from the seed, and covers every scenario and fault."""

from __future__ import annotations

from backend.execution.context import Checkpoint
from backend.trials.chaos.fault_kinds import FaultKind
from backend.trials.chaos.scenarios import SCENARIOS, SECOND_API
from backend.trials.chaos.schedule import plan_turns
from backend.trials.chaos.timing import LEASE_S, TRIGGER_LEASE_S, recovery_bound_s
from backend.triggers.attempts import WatchPoint

ALL = tuple(SCENARIOS)


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert plan_turns(7, ALL) == plan_turns(7, ALL)
    assert plan_turns(7, ALL, orders=20_000, minutes=20) == plan_turns(
        7, ALL, orders=20_000, minutes=20
    )


def test_another_seed_gives_another_schedule() -> None:
    assert plan_turns(7, ALL) != plan_turns(8, ALL)


def test_the_short_run_has_every_scenario_once() -> None:
    assert [turn.name for turn in plan_turns(1, ALL)] == list(ALL)


def test_a_long_run_has_every_scenario_equally_often_and_distributes_the_orders() -> None:
    turns = plan_turns(1, ALL, orders=20_000, minutes=20)
    counts = {name: sum(turn.name == name for turn in turns) for name in ALL}
    assert len(set(counts.values())) == 1
    assert counts["quiet"] > 1
    assert 20_000 - len(turns) <= sum(turn.orders for turn in turns) <= 30_000


def test_every_kind_of_fault_is_used() -> None:
    assert {fault.kind for turn in plan_turns(1, ALL) for fault in turn.faults} == set(FaultKind)


def test_a_worker_crashes_at_every_checkpoint() -> None:
    crashes = [
        crash
        for turn in plan_turns(1, ALL)
        for fault in turn.faults
        if fault.kind in {FaultKind.CRASH, FaultKind.CRASH_ALONE}
        for crash in fault.target.split()
    ]
    assert {each.partition(":")[0] for each in crashes} == {*Checkpoint, *WatchPoint}


def test_a_paused_worker_outlasts_its_lease() -> None:
    for seed in range(20):
        [turn] = plan_turns(seed, ["worker_paused"])
        assert all(fault.duration_s > LEASE_S for fault in turn.faults)


def test_a_paused_watcher_outlasts_the_lease_of_its_shards() -> None:
    for seed in range(20):
        [turn] = plan_turns(seed, ["watcher_paused"])
        pauses = [fault for fault in turn.faults if fault.kind is FaultKind.PAUSE]
        assert {fault.target for fault in pauses} == {"worker-1", "worker-2"}
        assert all(fault.duration_s > TRIGGER_LEASE_S for fault in pauses)


def test_a_handover_may_not_wait_for_the_lease() -> None:
    [turn] = plan_turns(1, ["worker_terminated"])
    assert float(turn.scenario.settings["lease_s"]) > 2 * recovery_bound_s(turn.orders)
    assert turn.orders >= 1_000


def test_the_second_api_is_killed_only_where_it_runs() -> None:
    """It runs while orders are cancelled, and workers, both APIs and PostgreSQL are killed then."""
    cancelling = [turn for turn in plan_turns(1, ALL) if turn.scenario.cancel_share]
    others = [turn for turn in plan_turns(1, ALL) if not turn.scenario.cancel_share]
    assert SECOND_API not in {fault.target for turn in others for fault in turn.faults}
    killed = {f.target for turn in cancelling for f in turn.faults if f.kind is FaultKind.KILL}
    assert killed == {"api", SECOND_API, "worker-1", "worker-2", "postgres"}
