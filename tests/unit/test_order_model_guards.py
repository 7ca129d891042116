"""The model test of one order detects when one of its safety mechanisms is missing."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from backend.domain.lifecycle import Status
from tests.simulation.mutations import MUTATIONS
from tests.unit.test_order_model import SETTINGS, OrderMachine


@pytest.mark.parametrize("removed", ["seq check", "epoch check"])
def test_a_write_that_is_not_fenced_is_found(removed: str) -> None:
    search_settings = settings(
        SETTINGS, max_examples=1_000, derandomize=True, phases=[Phase.generate]
    )
    with MUTATIONS[removed](), pytest.raises(AssertionError):
        run_state_machine_as_test(OrderMachine, settings=search_settings)


def fork_after_confirmation() -> None:
    order = OrderMachine()
    order.accept(Random(1))
    order.a_job_is_delivered("A")
    while order.row.open:
        order.a_worker_continues("A", steps=1, venues_respond=True)
        order.time_passes(0.1)
    assert order.row.status is Status.CONFIRMED
    order.the_chain_forks(blocks=3)
    order.teardown()


def test_what_has_landed_stays_landed() -> None:
    fork_after_confirmation()


def test_trust_in_a_block_that_may_be_dropped_is_found() -> None:
    with MUTATIONS["confirmation"](), pytest.raises(AssertionError):
        fork_after_confirmation()
