"""The addresses of the exchange programs, by which cluster they are on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from solders.pubkey import Pubkey

ProgramIds = Mapping[str, Pubkey]
"""The address of each program, by the names of ``route_constraints.PROGRAM_NAMES``."""


def _parse(ids: Mapping[str, str]) -> ProgramIds:
    return MappingProxyType({name: Pubkey.from_string(text) for name, text in ids.items()})


MAINNET_PROGRAM_IDS: Final = _parse(
    {
        "raydium/cpmm": "CPMMoo8L3F4NbTegBCKVNunggL7H1ZpdTHKxQB5qKP1C",
        "raydium/amm_v4": "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8",
        "raydium/clmm": "CAMMCzo5YL8w4VFF8KVHrK22GGUsp5VTaW7grrKgrWqK",
        "meteora/damm_v2": "cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG",
        "meteora/dlmm": "LBUZKhRxPF3XUpBCjp4YzTKgLccjZhTSDM9YuVaPwxo",
    }
)
DEVNET_PROGRAM_IDS: Final = MappingProxyType(
    {
        **MAINNET_PROGRAM_IDS,  # Meteora's are the same
        **_parse(
            {
                "raydium/cpmm": "DRaycpLY18LhpbydsBWbVJtxpNv9oXPgjRSfpF2bWpYb",
                "raydium/amm_v4": "DRaya7Kj3aMWQSy19kSjvmuwq9docCHofyP9kanQGaav",
                "raydium/clmm": "DRayAUgENGQBKVaX8owNhgzkEDyoHTGVEGHVJT1E9pfH",
            }
        ),
    }
)
