"""The audit finds every kind of violation: one is planted at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from backend.domain.lifecycle import Status
from backend.domain.orders import TimeInForce
from tests.simulation.audit import audit
from tests.simulation.model.chain import ChainModel, Landing
from tests.simulation.model.rows import OrderRow
from tests.simulation.schedule import simulate
from tests.simulation.test_every_step import PLAN


def reopen_order(row: OrderRow, chain: ChainModel) -> None:
    row.status = Status.SUBMITTED


def keep_lease(row: OrderRow, chain: ChainModel) -> None:
    row.lease_until = 1.0


def execute_twice(row: OrderRow, chain: ChainModel) -> None:
    landing = find_landing(chain)
    second = replace(landing.transaction, signature=row.events[-1].data)
    chain.landings["again"] = replace(landing, transaction=second)


def mark_as_failed(row: OrderRow, chain: ChainModel) -> None:
    row.status = Status.FAILED


def drop_landing(row: OrderRow, chain: ChainModel) -> None:
    chain.landings.clear()


def change_amount(row: OrderRow, chain: ChainModel) -> None:
    assert row.amount_out is not None
    row.amount_out += 1


def drop_amount(row: OrderRow, chain: ChainModel) -> None:
    row.amount_out = None


def drop_event(row: OrderRow, chain: ChainModel) -> None:
    del row.events[2]


def skip_step(row: OrderRow, chain: ChainModel) -> None:
    row.events[2] = replace(row.events[2], status=Status.ROUTING)


def write_with_old_epoch(row: OrderRow, chain: ChainModel) -> None:
    row.events[3] = replace(row.events[3], epoch=0)


def drop_signature(row: OrderRow, chain: ChainModel) -> None:
    row.events[3] = replace(row.events[3], data="{}")
    row.events[4] = replace(row.events[4], data="{}")


def delay_end(row: OrderRow, chain: ChainModel) -> None:
    row.events[4] = replace(row.events[4], at=100.0)


def expire_before_the_claim(row: OrderRow, chain: ChainModel) -> None:
    row.expires_at = row.events[1].at


def expire_before_the_end(row: OrderRow, chain: ChainModel) -> None:
    row.expires_at = row.events[3].at


def end_before_the_expiry(row: OrderRow, chain: ChainModel) -> None:
    row.status, row.expires_at = Status.EXPIRED, row.events[4].at + 1


def try_again_after_the_only_attempt(row: OrderRow, chain: ChainModel) -> None:
    row.time_in_force, row.attempts = TimeInForce.IOC, 2


def find_landing(chain: ChainModel) -> Landing:
    [landing] = chain.landings.values()
    return landing


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (reopen_order, "stuck"),
        (keep_lease, "unreleased lease"),
        (execute_twice, "doubled"),
        (mark_as_failed, "wrong status (failed, but executed)"),
        (drop_landing, "wrong status (confirmed, but not executed)"),
        (change_amount, "wrong amount"),
        (drop_amount, "wrong mark of an unknown amount"),
        (drop_event, "gap in its events"),
        (skip_step, "invalid step"),
        (write_with_old_epoch, "written with a stale epoch"),
        (drop_signature, "landed without an event"),
        (delay_end, "slow"),
        (expire_before_the_claim, "claimed after its expiry"),
        (expire_before_the_end, "submitted after its expiry"),
        (end_before_the_expiry, "expired before its expiry"),
        (try_again_after_the_only_attempt, "a second attempt of an order that has one"),
    ],
)
def test_a_planted_violation_is_found(
    plant: Callable[[OrderRow, ChainModel], None], expected: str
) -> None:
    result = simulate(1, PLAN)
    cluster = result.cluster
    [row] = cluster.database.rows.values()
    assert row.status is Status.CONFIRMED
    assert list(audit(PLAN, cluster.database, cluster.chain, result.healed_at)) == []
    plant(row, cluster.chain)
    violations = list(audit(PLAN, cluster.database, cluster.chain, result.healed_at))
    assert any(violation.startswith(expected) for violation in violations)
