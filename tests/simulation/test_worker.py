"""Rare moments of a worker, each arranged so that it does come."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backend.execution.context import Point
from tests.simulation.plan import Blow, Spell, Strike, Trouble
from tests.simulation.schedule import Outcome, simulate
from tests.simulation.test_every_step import PLAN

SLOW = Spell(0, Trouble.SLOW, lasts_s=60, strength=0.5)


def lines_with(outcome: Outcome, *words: str) -> list[str]:
    return [line for line in outcome.world.trace.lines() if all(word in line for word in words)]


def test_a_worker_that_takes_over_from_itself_goes_on_watching() -> None:
    """Its lease ran out while the database was away, and its own sweep finds the order."""
    took_over = 0
    for lasts_s in range(35, 50):
        away = Spell(0.5, Trouble.DATABASE_DOWN, lasts_s / 10, strength=1)
        outcome = simulate(1, replace(PLAN, faults=(SLOW, away), heal_at=6))
        assert outcome.problems == ()
        took_over += len(lines_with(outcome, "A1", "claims order 0 submitted epoch 2"))
    assert took_over > 3


def test_a_lost_lease_ends_the_drive_and_is_no_failure_of_its_job() -> None:
    pause = Strike(0, Blow.PAUSE, worker=0, lasts_s=5, point=Point.STORED, steps=0)
    outcome = simulate(1, replace(PLAN, workers=2, faults=(SLOW, pause), heal_at=10))
    assert outcome.problems == ()
    assert lines_with(outcome, "B1", "claims order 0 submitted epoch 2")
    assert lines_with(outcome, "A1", "goes on")
    assert not lines_with(outcome, "A1", "claims order 0 submitted")


@pytest.mark.parametrize("trouble", [Trouble.DATABASE_BUSY, Trouble.DATABASE_ROUGH])
def test_a_worker_that_stops_hands_back_what_it_holds_also_in_trouble(trouble: Trouble) -> None:
    stop = Strike(0, Blow.STOP, worker=0, lasts_s=1, point=Point.SENT, steps=3)
    for seed in range(10):
        spell = Spell(0.35, trouble, 8, strength=0.5)
        outcome = simulate(seed, replace(PLAN, faults=(SLOW, stop, spell), heal_at=9))
        assert outcome.problems == ()
        assert lines_with(outcome, "A1", "releases")


def test_a_worker_that_stops_while_the_database_is_away_gives_up_in_the_end() -> None:
    stop = Strike(0, Blow.STOP, worker=0, lasts_s=1, point=Point.SENT, steps=3)
    away = Spell(0.4, Trouble.DATABASE_DOWN, 30, strength=1)
    outcome = simulate(1, replace(PLAN, faults=(SLOW, stop, away), heal_at=31))
    assert outcome.problems == ()
    [ended] = lines_with(outcome, "A1", " ends")
    assert float(ended.split()[0]) < 12


def test_a_claim_under_way_is_handed_back_too() -> None:
    orders = tuple(0.05 + n / 1_000 for n in range(8))
    handed = set()
    for step in range(20, 60):
        stop = Strike(0, Blow.STOP, worker=0, lasts_s=1, point=None, steps=step)
        outcome = simulate(1, replace(PLAN, orders=orders, faults=(stop,), heal_at=3))
        assert outcome.problems == ()
        handed |= {line.count("order") for line in lines_with(outcome, "A1", "releases")}
    assert len(handed) > 3


def test_a_worker_that_can_send_no_jobs_lives_on() -> None:
    full = Spell(0.06, Trouble.QUEUE_FULL, 4, strength=1)
    reverted = Spell(0, Trouble.REVERTED, 2, strength=1)
    outcome = simulate(3, replace(PLAN, faults=(full, reverted), heal_at=5))
    assert outcome.problems == ()
    assert lines_with(outcome, "reverts")
    assert [process.name for process in outcome.world.processes] == ["A1"]
