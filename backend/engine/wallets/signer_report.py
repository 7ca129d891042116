"""What ``order-engine doctor`` shows of the signer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.chain.signing.signer_client import SignerClient
from backend.config import Settings
from backend.domain.errors import Unavailable
from backend.signer.amounts import find_unit

SIGNER_AWAY = "the signer is not available"
"""How the finding begins of a signer that does not answer."""


async def describe_signer(settings: Settings) -> list[tuple[str, str]]:
    """Rows of name and finding: what the signer has signed, and may sign today, if there is one."""
    if settings.signer_socket is None:
        return []
    client = SignerClient(settings.signer_socket)
    try:
        description = await client.describe()
    except Unavailable as error:
        return [("signer", error.reason)]
    finally:
        client.close()
    counts = f"signed {description.get('signed')}, refused {description.get('refused')}"
    rows = [("signer", f"{settings.signer_socket}, {counts} since its start")]
    for wallet in description["wallets"]:
        rows.append(("signer wallet", str(wallet["address"])))
        rows += [("  today", _describe_item(*each)) for each in wallet["today"].items()]
    return rows


def _describe_item(item: str, counted: Mapping[str, Any]) -> str:
    unit = find_unit(item)
    return (
        f"{unit.format(int(counted['spent']))} of {unit.format(int(counted['limit']))} {unit.name}"
    )
