"""Where swaps are executed: an exchange, one of its programs, and a pool."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

_PROGRAM_NAMES: Final = {
    "cpmm": "CPMM",
    "amm_v4": "AMM v4",
    "clmm": "CLMM",
    "damm_v2": "DAMM v2",
    "dlmm": "DLMM",
}
_SHARED_MAX: Final = 4_096


class Venue(NamedTuple):
    """An exchange, its program and the address of a pool.

    ``program`` and ``pool`` are empty where the record names only the exchange.
    """

    dex: str
    program: str = ""
    pool: str = ""

    @property
    def name(self) -> str:
        """``Raydium CLMM``; the exchange as it is written where the program is not named."""
        if not self.program:
            return self.dex
        return f"{self.dex.capitalize()} {_PROGRAM_NAMES.get(self.program, self.program)}"

    @property
    def key(self) -> str:
        """``raydium/clmm``, as a request names it; only the exchange without a program."""
        return f"{self.dex}/{self.program}" if self.program else self.dex


def read_venue(record: Mapping[str, Any]) -> Venue:
    """Read the venue of a route, leg or quote; equal ones are the same object."""
    return _share_venue(
        record.get("dex") or "", record.get("program") or "", record.get("pool") or ""
    )


@lru_cache(_SHARED_MAX)
def _share_venue(dex: str, program: str, pool: str) -> Venue:
    return Venue(dex, program, pool)


@lru_cache(_SHARED_MAX)
def share_venues(venues: tuple[Venue, ...]) -> tuple[Venue, ...]:
    """Return the same object for equal venues: those of a pair's pools are the same each time."""
    return venues


@lru_cache(_SHARED_MAX)
def join_keys(venues: tuple[Venue, ...]) -> str:
    """Join the keys of venues: ``raydium/clmm meteora/dlmm``."""
    return " ".join(venue.key for venue in venues)
