"""The audit finds what it is there to find: one violation is planted at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from backend.domain.lifecycle import Status
from tests.simulation.audit import audit
from tests.simulation.chain import Chain, Landing
from tests.simulation.database import Row
from tests.simulation.schedule import simulate
from tests.simulation.test_every_step import PLAN


def opened_again(row: Row, chain: Chain) -> None:
    row.status = Status.SUBMITTED


def still_leased(row: Row, chain: Chain) -> None:
    row.lease_until = 1.0


def executed_twice(row: Row, chain: Chain) -> None:
    landing = the_landing(chain)
    again = replace(landing.transaction, signature=row.events[-1].data)
    chain.landed["again"] = replace(landing, transaction=again)


def said_to_have_failed(row: Row, chain: Chain) -> None:
    row.status = Status.FAILED


def taken_back(row: Row, chain: Chain) -> None:
    chain.landed.clear()


def told_another_amount(row: Row, chain: Chain) -> None:
    assert row.amount_out is not None
    row.amount_out += 1


def an_event_lost(row: Row, chain: Chain) -> None:
    del row.events[2]


def a_step_skipped(row: Row, chain: Chain) -> None:
    row.events[2] = replace(row.events[2], status=Status.ROUTING)


def written_with_an_old_epoch(row: Row, chain: Chain) -> None:
    row.events[3] = replace(row.events[3], epoch=0)


def never_stored(row: Row, chain: Chain) -> None:
    row.events[3] = replace(row.events[3], data="{}")
    row.events[4] = replace(row.events[4], data="{}")


def took_for_ever(row: Row, chain: Chain) -> None:
    row.events[4] = replace(row.events[4], at=100.0)


def the_landing(chain: Chain) -> Landing:
    [landing] = chain.landed.values()
    return landing


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (opened_again, "stuck"),
        (still_leased, "a lease is left"),
        (executed_twice, "doubled"),
        (said_to_have_failed, "untrue (it was executed)"),
        (taken_back, "untrue (that was not executed)"),
        (told_another_amount, "untrue (that was not executed)"),
        (an_event_lost, "a gap in its events"),
        (a_step_skipped, "no step"),
        (written_with_an_old_epoch, "written by somebody who had lost the lease"),
        (never_stored, "landed and not in its events"),
        (took_for_ever, "slow"),
    ],
)
def test_a_planted_violation_is_found(plant: Callable[[Row, Chain], None], found: str) -> None:
    outcome = simulate(1, PLAN)
    world = outcome.world
    [row] = world.database.rows.values()
    assert row.status is Status.CONFIRMED
    assert list(audit(PLAN, world.database, world.chain, outcome.healed_at)) == []
    plant(row, world.chain)
    problems = list(audit(PLAN, world.database, world.chain, outcome.healed_at))
    assert any(problem.startswith(found) for problem in problems)
