"""How many orders a worker has under way while owners share it."""

from __future__ import annotations

from backend.queue.pacing import LOOP_TURN_MAX_S, PLACES_MIN, SHARED_S, StartPacing


def test_one_owner_has_all_places_and_several_share_few_on_a_busy_loop() -> None:
    pacing = StartPacing(1_000)
    for now in range(100):
        pacing.note_start("a", now)
        pacing.note_loop_turn(LOOP_TURN_MAX_S * 9, now)
    assert pacing.count_places(99) == 1_000
    pacing.note_start("b", 100)
    assert pacing.count_places(100) == PLACES_MIN
    pacing.note_start("a", 101)
    assert pacing.count_places(101 + SHARED_S) == 1_000


def test_places_grow_while_the_loop_has_time_and_shrink_while_it_has_none() -> None:
    pacing = StartPacing(1_000)
    pacing.note_start("a", 0)
    pacing.note_start("b", 0)
    for _ in range(1_000):
        pacing.note_loop_turn(LOOP_TURN_MAX_S / 2, 0)
    assert pacing.count_places(1) == 1_000
    pacing.note_loop_turn(LOOP_TURN_MAX_S * 2, 1)
    shrunk = pacing.count_places(1)
    assert shrunk < 1_000
    pacing.note_loop_turn(LOOP_TURN_MAX_S * 2, 1)
    assert pacing.count_places(1) == shrunk, "its effect is not seen yet"
    for now in range(2, 100):
        pacing.note_loop_turn(LOOP_TURN_MAX_S * 2, now)
    pacing.note_start("a", 100)
    pacing.note_start("b", 100)
    assert pacing.count_places(100) == PLACES_MIN


def test_a_worker_with_few_places_has_no_more_while_it_is_shared() -> None:
    pacing = StartPacing(2)
    pacing.note_start("a", 0)
    pacing.note_start("b", 0)
    pacing.note_loop_turn(1, 0)
    assert pacing.count_places(0) == 2
