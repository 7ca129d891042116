"""The limit on orders that are started and not sent yet."""

from __future__ import annotations

from backend.execution.unsent_limiter import UnsentLimiter


def test_a_place_is_free_again_when_an_order_was_sent_or_has_ended() -> None:
    limiter = UnsentLimiter(2)
    freed: list[int] = []
    limiter.call_when_freed(lambda: freed.append(limiter.free))
    with limiter.count_order():
        with limiter.count_order() as place:
            assert limiter.free == 0
            place.give_back()
            place.give_back()
            assert freed == [1]
            place.take()
            assert limiter.free == 0
        assert limiter.free == 1
    assert freed == [1, 1, 2]


def test_an_order_that_waits_for_the_end_of_an_outage_has_no_place_meanwhile() -> None:
    limiter = UnsentLimiter(2)
    with limiter.count_order() as place, limiter.count_order() as other:
        place.pause()
        place.pause()
        assert (limiter.free, limiter.paused) == (1, 1)
        place.take()
        assert (limiter.free, limiter.paused) == (0, 0)
        place.give_back()
        other.pause()
        assert (limiter.free, limiter.paused) == (2, 1)
    assert (limiter.free, limiter.paused) == (2, 0)
