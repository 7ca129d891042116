"""Faults of the network between hosts, as data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

HEALTHY: Final = 0.0


@dataclass(frozen=True, slots=True)
class LinkFault:
    """What happens to packets in one direction: shares from 0 to 1, and seconds.

    Of delayed packets, ``reordered`` are those that overtake the others.
    """

    lost: float = HEALTHY
    delay_s: float = HEALTHY
    jitter_s: float = HEALTHY
    reordered: float = HEALTHY


CUT: Final = LinkFault(lost=1)
SLOW: Final = LinkFault(delay_s=0.15, jitter_s=0.05)
LOSSY: Final = LinkFault(lost=0.2)
SOMEWHAT_LOSSY: Final = LinkFault(lost=0.03)
REORDERED: Final = LinkFault(delay_s=0.03, reordered=0.25)


class Link(NamedTuple):
    """One direction between two hosts, by their numbers."""

    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Turn:
    """A fault of some links, or hosts that lose their power, for a time.

    ``steps`` are the links that are broken one after the other, and healed in the order of
    ``healed``.
    """

    name: str
    fault: LinkFault = CUT
    steps: tuple[tuple[Link, ...], ...] = ()
    healed: tuple[int, ...] = ()
    lost_host: int | None = None


def plan_turns(
    names: Sequence[str], hosts: Sequence[int], others: Sequence[int], random: Random
) -> Iterator[Turn]:
    """Plan turns of these names without an end; each comes once before the first comes again.

    Faults are between any two of ``hosts`` and ``others``; only ``hosts`` lose their power.
    """
    while True:
        turns = [_plan_turn(name, hosts, others, random) for name in names]
        random.shuffle(turns)
        yield from turns


TURN_NAMES: Final = (
    "cut",
    "cut one way",
    "slow",
    "lossy",
    "reordered",
    "all lossy",
    "host lost",
    "swizzled",
)


def _plan_turn(name: str, hosts: Sequence[int], others: Sequence[int], random: Random) -> Turn:
    everyone = [*hosts, *others]
    source, target = random.sample(everyone, 2)
    both = (Link(source, target), Link(target, source))
    every = tuple(Link(a, b) for a in everyone for b in everyone if a != b)
    if name == "host lost":
        return Turn(name, lost_host=random.choice(hosts))
    if name == "swizzled":
        broken = random.sample(hosts, len(hosts))
        steps = tuple(tuple(link for link in every if host in link) for host in broken)
        return Turn(name, CUT, steps, tuple(random.sample(range(len(steps)), len(steps))))
    links, fault = {
        "cut": (both, CUT),
        "cut one way": (both[:1], CUT),
        "slow": (both, SLOW),
        "lossy": (both, LOSSY),
        "reordered": (every, REORDERED),
        "all lossy": (every, SOMEWHAT_LOSSY),
    }[name]
    return Turn(name, fault, (links,), (0,))
