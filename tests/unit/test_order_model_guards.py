"""The model of one order notices when something is missing that keeps its promises."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from backend.domain.lifecycle import Status
from tests.simulation.mutations import MUTATIONS
from tests.unit.test_order_model import SETTINGS, OrderLife


@pytest.mark.parametrize("without", ["seq check", "epoch check"])
def test_a_write_that_is_not_fenced_is_found(without: str) -> None:
    hurried = settings(SETTINGS, max_examples=1_000, derandomize=True, phases=[Phase.generate])
    with MUTATIONS[without](), pytest.raises(AssertionError):
        run_state_machine_as_test(OrderLife, settings=hurried)


def fork_when_it_is_believed_to_have_landed() -> None:
    order = OrderLife()
    order.accept(Random(1))
    order.a_job_is_delivered("A")
    while order.row.open:
        order.a_worker_goes_on("A", steps=1, venues_answer=True)
        order.time_passes(0.1)
    assert order.row.status is Status.CONFIRMED
    order.the_chain_forks(blocks=3)
    order.teardown()


def test_what_has_landed_stays_landed() -> None:
    fork_when_it_is_believed_to_have_landed()


def test_trust_in_a_block_that_may_vanish_is_found() -> None:
    with MUTATIONS["confirmation"](), pytest.raises(AssertionError):
        fork_when_it_is_believed_to_have_landed()
