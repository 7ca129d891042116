"""Draws which pools of its pair an order may use: the fields of its request, and the addresses."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

_EXTRA_SHARE: Final = 0.3
"""The share of restrictions that say something more, which allows no other pool."""


class PairPool(NamedTuple):
    """A pool of a pair, as a client names it."""

    dex: str
    program: str
    address: str


class Restriction(NamedTuple):
    """The fields of a request, and the pools that they allow; ``None`` for all."""

    fields: Json
    pools: frozenset[str] | None


UNRESTRICTED: Final = Restriction({}, None)


def draw_restriction(
    random: Random, pools: Sequence[PairPool], others: Sequence[str]
) -> Restriction:
    """Draw a restriction to some of a pair's pools, each of another program.

    ``others`` are addresses of pools that the pair does not have.
    """
    allowed = random.sample(pools, random.randint(1, len(pools)))
    left_out = [pool for pool in pools if pool not in allowed]
    name = random.choice(("dexes", "excludeDexes", "pools"))
    if name == "excludeDexes" and left_out:
        fields = {name: [_name_program(random, pool) for pool in left_out]}
    elif name == "dexes":
        fields = {name: [_name_program(random, pool) for pool in allowed]}
    else:
        fields = {"pools": [pool.address for pool in allowed]}
    if random.random() < _EXTRA_SHARE:
        if "pools" in fields:
            fields["pools"].append(random.choice(others))
        else:
            fields["pools"] = [pool.address for pool in pools]
    return Restriction(fields, frozenset(pool.address for pool in allowed))


def _name_program(random: Random, pool: PairPool) -> str:
    """A pool's exchange, or its program; those of a run have one program of each exchange."""
    return random.choice((pool.dex, f"{pool.dex}/{pool.program}"))
