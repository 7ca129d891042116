"""Limits that hover at the price are held longer each time, and tried at once when it is better."""

from __future__ import annotations

from uuid import UUID

from backend.domain.waiting.hovering import HOLD_S_MAX, MARGIN_BPS_MAX, REMEMBERED_S, HoveringLimits

ONE, OTHER = UUID(int=1), UUID(int=2)


def test_the_first_return_holds_nothing() -> None:
    hovering = HoveringLimits()
    assert hovering.find_hold(ONE, 4, 0.0) is None
    hovering.note_return(ONE, 4, 1.0, 0.0)
    assert hovering.find_hold(ONE, 4, 0.5) is None


def test_holds_and_margins_double_up_to_their_bounds() -> None:
    hovering, now = HoveringLimits(), 0.0
    lengths, margins = [], []
    for seq in range(4, 44, 2):
        hovering.note_return(ONE, seq, 1.0, now)
        hovering.note_return(ONE, seq, 1.0, now + 0.1)  # the same one, loaded again
        hold = hovering.find_hold(ONE, seq, now)
        if hold is not None:
            lengths.append(hold.until - now)
            margins.append(hold.margin_bps)
            now = hold.until
            assert hovering.find_hold(ONE, seq, now) is None
        hovering.note_release(ONE, now)
        now += 3  # its transaction was reverted
    assert lengths[:6] == [2, 4, 8, 16, HOLD_S_MAX, HOLD_S_MAX]
    assert set(lengths[6:]) == {HOLD_S_MAX}
    assert margins[:5] == [10, 20, 40, 80, 160]
    assert margins[-1] == MARGIN_BPS_MAX


def test_what_the_price_has_left_or_its_owner_has_amended_starts_anew() -> None:
    hovering = HoveringLimits()
    for seq, now in ((4, 0.0), (6, 1.0)):
        hovering.note_return(ONE, seq, 1.0, now)
        hovering.note_return(OTHER, seq, 1.0, now)
    hold = hovering.find_hold(ONE, 6, 1.0)
    assert hold is not None
    hovering.note_release(ONE, hold.until + 2)  # unmet for as long as it was held
    assert hovering.find_hold(ONE, 6, 1.0) is None
    assert hovering.find_hold(OTHER, 7, 1.0) is None
    assert len(hovering) == 0


def test_a_better_price_within_a_hold_takes_none_of_it_back() -> None:
    hovering = HoveringLimits()
    for seq in (4, 6):
        hovering.note_return(ONE, seq, 1.0, 0.0)
    hovering.note_release(ONE, 0.5)
    hovering.note_return(ONE, 8, 1.0, 1.0)
    assert hovering.find_hold(ONE, 8, 1.0) == (5.0, 20)


def test_what_came_back_long_ago_is_forgotten() -> None:
    hovering = HoveringLimits()
    hovering.note_return(ONE, 4, 1.0, 0.0)
    hovering.note_return(OTHER, 4, 1.0, REMEMBERED_S + 2)
    assert len(hovering) == 1
