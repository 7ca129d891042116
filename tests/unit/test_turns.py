"""Turns of owners: what each gets to start, whatever it has waiting."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from backend.queue.turns import OwnerTurns

EVERYTHING = 10**6


def take(turns: OwnerTurns[int], places: int, *, claims_max: int = EVERYTHING) -> list[str]:
    """The owners that get the places; what is to be claimed is in capitals."""
    jobs, claims = turns.allot(places, claims_max=claims_max)
    return [owner for owner, _ in jobs] + [o.upper() for o, n in claims.items() for _ in range(n)]


async def test_an_order_does_not_wait_behind_those_of_another_owner() -> None:
    turns: OwnerTurns[int] = OwnerTurns({}, owner_jobs_max=1_000)
    for number in range(100_000):
        turns.add("a", number)
    turns.add("b", 0)
    assert take(turns, 2) == ["a", "b"]


async def test_weights_say_how_many_orders_of_an_owner_start_in_a_round() -> None:
    turns: OwnerTurns[int] = OwnerTurns({"a": 3}, owner_jobs_max=100)
    for owner in "abc":
        for number in range(100):
            turns.add(owner, number)
    assert take(turns, 10) == ["a", "a", "a", "b", "c", "a", "a", "a", "b", "c"]
    # A turn goes on where the places ended.
    assert take(turns, 2) == ["a", "a"]
    assert take(turns, 3) == ["a", "b", "c"]


async def test_what_an_owner_has_beyond_its_bound_is_claimed_after_its_jobs_oldest_first() -> None:
    turns: OwnerTurns[int] = OwnerTurns({}, owner_jobs_max=2)
    assert [turns.add("a", number) for number in range(4)] == [True, True, False, False]
    assert take(turns, 1) == ["a"]
    # There is room again; but it would pass those that were dropped.
    assert not turns.add("a", 4)
    assert take(turns, 5) == ["a", "A", "A", "A", "A"]
    turns.settle_claims({"a": 4}, {"a": 4})
    assert take(turns, 5, claims_max=3) == ["A"] * 3
    turns.settle_claims({"a": 3}, {"a": 0})
    assert turns.are_empty
    assert turns.add("a", 5)
    assert take(turns, 5) == ["a"]


async def test_a_job_that_is_dropped_while_a_claim_runs_is_not_forgotten() -> None:
    turns: OwnerTurns[int] = OwnerTurns({}, owner_jobs_max=1)
    turns.mark_backlog("a")
    assert take(turns, 2) == ["A", "A"]
    assert not turns.add("a", 1)
    turns.settle_claims({"a": 2}, {"a": 1})
    assert take(turns, 1) == ["A"]


async def test_backlogs_and_jobs_of_many_owners_take_turns() -> None:
    turns: OwnerTurns[int] = OwnerTurns({"b": 2})
    for owner in "abc":
        turns.mark_backlog(owner)
    for number in range(50):
        turns.add("d", number)
    assert Counter(take(turns, 50)) == {"A": 10, "B": 20, "C": 10, "d": 10}


async def test_the_jobs_of_all_owners_together_have_a_bound() -> None:
    turns: OwnerTurns[int] = OwnerTurns({}, owner_jobs_max=10, jobs_max=25)
    kept = [turns.add(f"owner {n % 5}", n) for n in range(50)]
    assert sum(kept) == 25
    assert Counter(take(turns, 50)).total() == 50


@given(
    jobs=st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 30), min_size=1),
    weights=st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 4)),
    places=st.lists(st.integers(1, 9), min_size=100, max_size=100),
)
async def test_every_job_is_started_once_and_no_owner_waits_more_than_a_round(
    jobs: dict[str, int], weights: dict[str, int], places: list[int]
) -> None:
    turns: OwnerTurns[int] = OwnerTurns(weights)
    for owner, count in jobs.items():
        for number in range(count):
            turns.add(owner, number)
    order = [owner for number in places for owner in take(turns, number)]
    assert Counter(order) == jobs
    round_size = sum(weights.get(owner, 1) for owner in jobs)
    for owner, count in jobs.items():
        positions = [index for index, each in enumerate(order) if each == owner]
        assert len(positions) == count
        assert all(b - a <= round_size for a, b in zip([-1, *positions], positions, strict=False))
