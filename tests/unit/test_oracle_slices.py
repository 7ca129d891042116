"""The replay of TWAP orders finds slices that come early, late or never, and of wrong amounts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from backend.trials.oracle.slices import SECOND_US, Slice, SliceRule, SlicesSeen, find_slice_faults

EVEN = SliceRule(100, 4, 2 * SECOND_US)
JITTERED = SliceRule(1_000_000, 4, 2 * SECOND_US, 5_000)


@dataclass(frozen=True)
class Seen:
    """Slices as seconds and amounts, the third is when one ended; somebody watches all the time."""

    slices: tuple[tuple[float, int] | tuple[float, int, float], ...]
    until: float = 60
    watched: tuple[tuple[float, float], ...] = ((0, 60),)
    has_ended: bool = False
    rule: SliceRule = field(default=EVEN)

    def find_faults(self) -> list[str]:
        slices = [
            Slice(round(at * SECOND_US), amount, *(round(each * SECOND_US) for each in ended))
            for at, amount, *ended in self.slices
        ]
        watched = [(round(a * SECOND_US), round(b * SECOND_US)) for a, b in self.watched]
        until = round(self.until * SECOND_US)
        seen = SlicesSeen(slices, watched, until, self.has_ended)
        return list(find_slice_faults(self.rule, seen))


RIGHT = Seen(((0, 25), (2.01, 25), (4.02, 25), (6.5, 25)))
DOWN = Seen(((0, 25), (7, 25), (9, 25), (11, 25)), watched=((0, 1), (7, 60)))
CANCELLED = Seen(((0, 25), (2, 25, 3), (4, 37), (6, 38)))
LEFT = Seen(((0, 25, 1), (2, 33, 3), (4, 50, 5), (6, 100, 7), (8, 100)))
UNFILLED = replace(LEFT, slices=(*LEFT.slices[:4], (8, 100, 9)), has_ended=True)


@pytest.mark.parametrize(
    "seen",
    [
        RIGHT,
        DOWN,
        CANCELLED,
        LEFT,
        UNFILLED,
        Seen(((0, 25), (2, 25)), until=5.9),
        Seen(((1, 250_000), (2, 125_000), (4.9, 400_000), (7, 225_000)), rule=JITTERED),
        Seen(((0, 3), (2, 3), (4, 3), (6, 4)), rule=SliceRule(13, 4, 2 * SECOND_US)),
        Seen(((0, 25), (2, 25, 3.5), (4, 25), (6, 50))),
    ],
)
def test_slices_as_they_should_be(seen: Seen) -> None:
    assert seen.find_faults() == []


@pytest.mark.parametrize(
    ("seen", "fault"),
    [
        (replace(RIGHT, slices=((0, 25), (1.99, 25))), "slice 2 came 0.010 s early"),
        (replace(RIGHT, slices=((0, 25), (4.5, 25))), "slice 2 came 2.500 s late"),
        (replace(RIGHT, slices=RIGHT.slices[:3]), "slice 4 never came"),
        (replace(RIGHT, slices=()), "slice 1 never came"),
        (replace(RIGHT, slices=(*RIGHT.slices[:3], (6.5, 24))), "slice 4 is of 24, and not of 25"),
        (replace(RIGHT, slices=(*RIGHT.slices[:3], (6.5, 26))), "slice 4 of 26 is more than what"),
        (replace(RIGHT, slices=((0, 50), (2, 50))), "slice 1 is of 50, and not of 23 to 27"),
        (replace(RIGHT, slices=(*RIGHT.slices, (8, 1))), "slice 5 of 1 is more than what is left"),
        (replace(RIGHT, has_ended=True), "it has ended after 4 slices"),
        # Those after a slice that was late catch up, or wait for one interval more.
        (replace(DOWN, slices=((0, 25), (7, 25), (7, 25), (7, 25))), "slice 3 came 2.000 s early"),
        (replace(DOWN, slices=((0, 25), (7, 25), (11.1, 25))), "slice 3 came 2.100 s late"),
        (replace(DOWN, slices=((0, 25), (9.1, 25))), "slice 2 came 7.100 s late"),
        # What a cancelled slice leaves is lost, or given away while it is open.
        (
            replace(CANCELLED, slices=(*CANCELLED.slices[:2], (4, 25), (6, 50))),
            "slice 3 is of 25, and not of 35 to 39",
        ),
        (replace(CANCELLED, slices=((0, 25), (2, 25), (4, 37))), "slice 3 is of 37, and not of 23"),
        (replace(LEFT, slices=LEFT.slices[:4]), "slice 5 never came"),
        (replace(LEFT, slices=(*LEFT.slices[:4], (6.5, 100))), "slice 5 of 100 is more than what"),
        (
            replace(LEFT, slices=(*LEFT.slices[:3], (6, 100, 6.2), (7, 100))),
            "slice 5 came 1.000 s early",
        ),
        (replace(UNFILLED, has_ended=False), "it has not ended, and all of its slices have"),
        (replace(UNFILLED, slices=(*UNFILLED.slices, (10, 100))), "slice 6 is one more than the 4"),
        # Beyond the jitter.
        (Seen(((3.1, 250_000),), rule=JITTERED), "slice 1 came 2.100 s late"),
        (Seen(((0, 250_000), (1.9, 250_000)), rule=JITTERED), "slice 2 came 0.100 s early"),
        (Seen(((0, 510_000),), rule=JITTERED), "slice 1 is of 510000, and not of 99998 to 500002"),
    ],
)
def test_a_wrong_engine_is_found(seen: Seen, fault: str) -> None:
    found = seen.find_faults()
    assert found
    assert found[0].startswith(fault), found
