"""What ``order-engine doctor`` shows of the signer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.chain.signing.signer_client import SignerClient
from backend.config import Settings
from backend.domain.amounts import format_amount
from backend.domain.errors import InvalidInput, Unavailable
from backend.domain.tokens import SOL, TokenRegistry
from backend.signer.day_count import LAMPORTS

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
    spent, limit = int(counted["spent"]), int(counted["limit"])
    if item == LAMPORTS:
        name, decimals = "SOL for fees, tips and rent", SOL.decimals
    else:
        name, decimals = _find_name(item)
    return f"{format_amount(spent, decimals)} of {format_amount(limit, decimals)} {name}"


def _find_name(mint: str) -> tuple[str, int]:
    try:
        token = TokenRegistry().find(mint, "mint")
    except InvalidInput:
        return mint, 0
    return token.symbol, token.decimals
