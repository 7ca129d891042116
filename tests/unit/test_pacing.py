"""How many orders a worker has under way while owners share it."""

from __future__ import annotations

from backend.queue.pacing import PLACES_MIN, SHARED_S, StartPacing

MANY = 10_000
QUIET_S = 0.02


class Worker:
    """A worker whose orders take longer if more than ``orders_max`` are under way."""

    def __init__(self, places_max: int = MANY) -> None:
        self.pacing = StartPacing(places_max)
        self.now = 0.0

    def run_orders(self, owners: str, count: int, *, quiet_s: float, orders_max: int) -> int:
        """Run orders of the owners by turns; returns how many are under way in the end."""
        places = 0
        for number in range(count):
            self.pacing.note_start(owners[number % len(owners)], self.now)
            places = self.pacing.count_places(self.now)
            seconds = quiet_s * max(1.0, places / orders_max)
            self.now += seconds / places
            self.pacing.note_end(seconds, places, self.now)
        return places


def run_quiet_orders(worker: Worker, quiet_s: float = QUIET_S) -> None:
    for _ in range(20):
        worker.pacing.note_start("a", worker.now)
        worker.now += quiet_s
        worker.pacing.note_end(quiet_s, 0, worker.now)


def test_one_owner_has_all_places_however_long_its_orders_take() -> None:
    worker = Worker()
    run_quiet_orders(worker)
    assert worker.run_orders("a", 5_000, quiet_s=QUIET_S, orders_max=10) == MANY


def test_owners_that_share_a_busy_worker_have_few_orders_under_way() -> None:
    worker = Worker()
    run_quiet_orders(worker)
    places = worker.run_orders("ab", 20_000, quiet_s=QUIET_S, orders_max=50)
    assert PLACES_MIN <= places < 250
    worker.now += SHARED_S
    assert worker.run_orders("b", 1, quiet_s=QUIET_S, orders_max=50) == MANY


def test_owners_that_share_a_worker_with_room_have_as_many_as_it_takes() -> None:
    """As where the chain takes seconds, and the machine has time."""
    worker = Worker()
    run_quiet_orders(worker, 2.5)
    assert worker.run_orders("ab", 40_000, quiet_s=2.5, orders_max=5_000) > 4_000


def test_a_node_that_has_become_slower_is_the_new_measure() -> None:
    worker = Worker()
    run_quiet_orders(worker)
    assert worker.run_orders("ab", 40_000, quiet_s=0.5, orders_max=1_000) > 100


def test_a_worker_with_few_places_has_no_more_while_it_is_shared() -> None:
    worker = Worker(2)
    assert worker.run_orders("ab", 1_000, quiet_s=QUIET_S, orders_max=50) == 2
