"""The exchange programs as pure functions of account bytes: decode, quote, build swaps, classify
errors.

Each program has a folder under its exchange, and is registered here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.quotes import Dex
from backend.venues.hosting import HostedVenue
from backend.venues.meteora.damm_v2 import DammV2
from backend.venues.meteora.dlmm import Dlmm
from backend.venues.raydium.amm_v4 import AmmV4
from backend.venues.raydium.clmm import Clmm
from backend.venues.raydium.cpmm import Cpmm
from backend.venues.venue import Venue

AMM_V4: Final = AmmV4()
CLMM: Final = Clmm()
CPMM: Final = Cpmm()
DAMM_V2: Final = DammV2()
DLMM: Final = Dlmm()

VENUES: tuple[Venue, ...] = (CPMM, DAMM_V2, AMM_V4, CLMM, DLMM)
"""Every program that orders are routed to."""
DEFAULT_VENUES: tuple[Venue, ...] = (CPMM, DAMM_V2)
"""The programs whose pool of two tokens is quoted wherever it exists, without being looked for."""
HOSTED_VENUES: tuple[HostedVenue, ...] = (CPMM, DAMM_V2, AMM_V4, CLMM, DLMM)
"""The programs that the simulated chain can run."""

VENUES_BY_PROGRAM: Mapping[Pubkey, HostedVenue] = {venue.program: venue for venue in HOSTED_VENUES}


def find_venues(dex: Dex) -> tuple[Venue, ...]:
    """The programs of one exchange."""
    return tuple(venue for venue in VENUES if venue.dex is dex)
