"""What a client asks of an order's route, in the terms of the aggregators that it knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import orjson

from backend.domain.errors import InvalidInput
from backend.domain.quotes import Dex

LEGS_MAX: Final = 4
"""Most pools that a route swaps in: more do not fit a transaction."""
HOPS_MAX: Final = 3
"""Most swaps that follow each other in a route."""
POOLS_MAX: Final = 16
"""Most pools that an order may name."""

PROGRAMS: Final[Mapping[Dex, tuple[str, ...]]] = MappingProxyType(
    {Dex.RAYDIUM: ("cpmm", "amm_v4", "clmm"), Dex.METEORA: ("damm_v2", "dlmm")}
)
"""The pool programs of each exchange."""
NAMES_BY_PROGRAM: Final[Mapping[str, str]] = MappingProxyType(
    {each: f"{dex}/{each}" for dex, names in PROGRAMS.items() for each in names}
)
"""The programs with their exchange, such as ``raydium/clmm``, by their names alone."""
PROGRAM_NAMES: Final = tuple(NAMES_BY_PROGRAM.values())
VENUE_NAMES: Final = (*(dex.value for dex in PROGRAMS), *PROGRAM_NAMES)
"""What ``dexes`` and ``exclude_dexes`` may have: exchanges, and programs."""


@dataclass(frozen=True, slots=True)
class RouteConstraints:
    """The pools that an order's route may use, and how many; ``None`` or empty leaves that open.

    ``dexes`` and ``exclude_dexes`` have names of exchanges and of their programs, such as
    ``raydium`` and ``raydium/clmm``; ``pools`` are addresses. ``max_hops`` is the number of swaps
    that follow each other at most: 1 for a direct route.
    """

    dexes: tuple[str, ...] = ()
    exclude_dexes: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    max_legs: int | None = None
    max_hops: int | None = None

    def __post_init__(self) -> None:
        assert set(VENUE_NAMES).issuperset((*self.dexes, *self.exclude_dexes))
        assert len(self.pools) <= POOLS_MAX
        assert self.max_legs is None or 1 <= self.max_legs <= LEGS_MAX
        assert self.max_hops is None or 1 <= self.max_hops <= HOPS_MAX

    def allows(self, dex: str, program: str, pool: str) -> bool:
        """Whether the route may use a pool of a program."""
        return self.allows_program(dex, program) and (not self.pools or pool in self.pools)

    def allows_program(self, dex: str, program: str) -> bool:
        """Whether the route may use some pool of a program."""
        names = {dex, f"{dex}/{program}"}
        return (not self.dexes or not names.isdisjoint(self.dexes)) and names.isdisjoint(
            self.exclude_dexes
        )


NO_CONSTRAINTS: Final = RouteConstraints()


def find_constraint_errors(constraints: RouteConstraints) -> Iterator[InvalidInput]:
    """The error of constraints that no route can meet, whatever pools there are."""
    if not any(
        constraints.allows_program(dex, each) for dex, names in PROGRAMS.items() for each in names
    ):
        allowed = "all that dexes allows" if constraints.dexes else "every exchange"
        yield InvalidInput("excludeDexes", f"excludes {allowed}: no program is left to swap in")


def split_exchanges(
    constraints: RouteConstraints | None,
) -> tuple[tuple[str, ...], RouteConstraints | None]:
    """The ``dexes`` of constraints if they are whole exchanges, and the other constraints.

    Which exchanges a new pool may be on is a guard of its order, not a constraint of its route.
    """
    if constraints is None or not set(Dex).issuperset(constraints.dexes):
        return (), constraints
    rest = replace(constraints, dexes=())
    return constraints.dexes, None if rest == NO_CONSTRAINTS else rest


def select_pool_constraints(constraints: RouteConstraints | None) -> RouteConstraints | None:
    """The constraints of which pools a route may use; ``None`` if it may use all.

    It is the same for all notations that allow the same pools: ``dexes`` are the programs that are
    left, in one order.
    """
    if constraints is None:
        return None
    programs = tuple(
        f"{dex}/{each}"
        for dex, names in PROGRAMS.items()
        for each in names
        if constraints.allows_program(dex, each)
    )
    allowed = RouteConstraints(
        dexes=() if programs == PROGRAM_NAMES else programs,
        pools=tuple(sorted(set(constraints.pools))),
    )
    return None if allowed == NO_CONSTRAINTS else allowed


def constraints_to_json(constraints: RouteConstraints | None) -> dict[str, object]:
    """Convert to JSON for clients, as they were asked; what is left open is left out."""
    if constraints is None:
        return {}
    fields: dict[str, object] = {
        "dexes": list(constraints.dexes),
        "excludeDexes": list(constraints.exclude_dexes),
        "pools": list(constraints.pools),
        "maxLegs": constraints.max_legs,
        "maxHops": constraints.max_hops,
    }
    return {name: value for name, value in fields.items() if value}


def encode_constraints(constraints: RouteConstraints) -> str:
    """Constraints as JSON text without blanks: rows and the jobs of orders have them so."""
    return orjson.dumps(constraints_to_json(constraints)).decode()


def decode_constraints(text: str) -> RouteConstraints:
    """The constraints of a text that ``encode_constraints`` made.

    Raises ``ValueError`` or ``AssertionError`` if it is another text.
    """
    try:
        fields = dict(orjson.loads(text))
        constraints = RouteConstraints(
            dexes=tuple(fields.pop("dexes", ())),
            exclude_dexes=tuple(fields.pop("excludeDexes", ())),
            pools=tuple(fields.pop("pools", ())),
            max_legs=fields.pop("maxLegs", None),
            max_hops=fields.pop("maxHops", None),
        )
    except TypeError as error:
        raise ValueError(f"is not what a route may be: {error}") from None
    if fields:
        raise ValueError(f"has unknown constraints: {', '.join(fields)}")
    return constraints


def format_canonical(constraints: RouteConstraints) -> str:
    """A text that is the same for every notation of the same constraints."""
    return encode_constraints(
        replace(
            constraints,
            dexes=tuple(sorted(set(constraints.dexes))),
            exclude_dexes=tuple(sorted(set(constraints.exclude_dexes))),
            pools=tuple(sorted(set(constraints.pools))),
        )
    )
