"""The exchange programs as pure functions of account bytes: decode, quote, build swaps, classify
errors.

Each program has a folder under its exchange, and is registered here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from solders.pubkey import Pubkey

from backend.venues.hosting import HostedVenue
from backend.venues.meteora.damm_v2 import DammV2
from backend.venues.meteora.dlmm import Dlmm
from backend.venues.program_ids import MAINNET_PROGRAM_IDS, ProgramIds
from backend.venues.raydium.amm_v4 import AmmV4
from backend.venues.raydium.clmm import Clmm
from backend.venues.raydium.cpmm import Cpmm
from backend.venues.venue import Venue


class Venues:
    """The exchange programs at their addresses on one cluster.

    ``hosted`` are all, as a simulated chain runs them; ``all`` are those that orders are routed to,
    and ``default`` those whose pool of two tokens is quoted wherever it exists, without being
    looked for.
    """

    def __init__(self, program_ids: ProgramIds) -> None:
        self.cpmm: Final = Cpmm(program_ids["raydium/cpmm"])
        self.amm_v4: Final = AmmV4(program_ids["raydium/amm_v4"])
        self.clmm: Final = Clmm(program_ids["raydium/clmm"])
        self.damm_v2: Final = DammV2(program_ids["meteora/damm_v2"])
        self.dlmm: Final = Dlmm(program_ids["meteora/dlmm"])
        self.hosted: Final[tuple[HostedVenue, ...]] = (
            self.cpmm,
            self.damm_v2,
            self.amm_v4,
            self.clmm,
            self.dlmm,
        )
        self.all: Final[tuple[Venue, ...]] = self.hosted
        self.default: Final[tuple[Venue, ...]] = (self.cpmm, self.damm_v2)
        self.by_program: Final[Mapping[Pubkey, HostedVenue]] = {
            venue.program: venue for venue in self.hosted
        }


MAINNET_VENUES: Final = Venues(MAINNET_PROGRAM_IDS)
"""The programs at their addresses on mainnet, which a simulated chain has unless it is another's.

The engine uses those of its cluster: see ``engine.nodes.cluster``.
"""
AMM_V4: Final = MAINNET_VENUES.amm_v4
CLMM: Final = MAINNET_VENUES.clmm
CPMM: Final = MAINNET_VENUES.cpmm
DAMM_V2: Final = MAINNET_VENUES.damm_v2
DLMM: Final = MAINNET_VENUES.dlmm
