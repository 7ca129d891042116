"""Settings of the cluster: which one is meant, and where its exchange programs are."""

from __future__ import annotations

from typing import Final

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from backend.config.comma_list import split_commas
from backend.domain.route_constraints import PROGRAM_NAMES
from backend.domain.tokens import is_public_key

_CLUSTERS: Final = ("mainnet-beta", "devnet", "testnet", "localnet", "simulated")
_OTHER_NAMES: Final = {"mainnet": "mainnet-beta"}


class ClusterSettings(BaseSettings):
    """Settings of the cluster: which one is meant, and where its exchange programs are."""

    cluster: str = Field(
        "",
        description="The cluster that is meant: `mainnet-beta`, `devnet`, `testnet`, `localnet` or"
        " `simulated`. A node of another one is refused. A local validator, whose genesis hash is"
        " its own, is refused unless this is `localnet`. Empty: that of the node.",
    )
    program_ids: str = Field(
        "",
        description="Addresses of exchange programs in place of those of the cluster:"
        " `name=address` pairs, separated by commas, such as `raydium-cpmm=…`. The names are those"
        " that orders use, with hyphens or as they are: `raydium/cpmm`, `raydium/amm_v4`,"
        " `raydium/clmm`, `meteora/damm_v2`, `meteora/dlmm`.",
    )

    @field_validator("cluster")
    @classmethod
    def _check_cluster(cls, name: str) -> str:
        name = _OTHER_NAMES.get(name, name)
        if name and name not in _CLUSTERS:
            raise ValueError(f"must be one of {', '.join(_CLUSTERS)}")
        return name

    @field_validator("program_ids")
    @classmethod
    def _check_program_ids(cls, text: str) -> str:
        _parse_program_ids(text)
        return text

    def parse_program_ids(self) -> dict[str, str]:
        """The addresses of ``program_ids`` by the names of ``PROGRAM_NAMES``."""
        return _parse_program_ids(self.program_ids)


def _parse_program_ids(text: str) -> dict[str, str]:
    names = {_hyphenate(name): name for name in PROGRAM_NAMES}
    ids: dict[str, str] = {}
    for pair in split_commas(text):
        given, _, address = (part.strip() for part in pair.partition("="))
        name = names.get(_hyphenate(given))
        if name is None:
            raise ValueError(f"{given!r} is no program: there are {', '.join(PROGRAM_NAMES)}")
        if not is_public_key(address):
            raise ValueError(f"the address of {name} is no address in base58: {address!r}")
        if name in ids:
            raise ValueError(f"{name} has two addresses")
        if address in ids.values():
            raise ValueError(f"two programs have the address {address}")
        ids[name] = address
    return ids


def _hyphenate(name: str) -> str:
    return name.lower().replace("/", "-").replace("_", "-")
