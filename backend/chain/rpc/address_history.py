"""The history of an address: the transactions that name it, the newest first.

A node lists them page by page (``getSignaturesForAddress``). One that keeps only the last blocks
ends its list early and says nothing: who reads it has to know a signature that must be there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeVar

from solders.pubkey import Pubkey

from backend.chain.rpc.client import RpcClient
from backend.chain.rpc.errors import HISTORY_UNAVAILABLE, ReadFailure
from backend.chain.rpc.results import AddressSignature, Json, read_address_signatures
from backend.chain.wire import Commitment

Value = TypeVar("Value")

PAGE: Final = 1_000
"""Most signatures of a page, by the protocol."""
PAGES_MAX: Final = 500
OVERLAP_SLOTS: Final = 400
"""How far the reading goes on behind what is known: for longer than a signed transaction can land.
One that was stored last may have landed before another that was stored earlier."""


class HistoryNode(Protocol):
    """The part of a node, or of several, that lists the history of addresses."""

    async def walk_histories(self, walk: Callable[[RpcClient], Awaitable[Value]]) -> list[Value]:
        """What a walk through the history finds, once for each node that is asked."""
        ...


@dataclass(frozen=True, slots=True)
class HistoryBounds:
    """How far back a history is read.

    Up to ``known``, of which one has to be there, and a bit further. Without any, up to ``since``
    or to its start. The node must have reached ``min_slot``.
    """

    known: Collection[str]
    since: datetime
    min_slot: int = 0


async def walk_history(
    client: RpcClient, address: Pubkey, bounds: HistoryBounds
) -> list[AddressSignature]:
    """The signatures of an address in confirmed blocks, the newest first.

    Raises ``ReadFailure`` (``history_unavailable``) if the node does not go back so far, and as all
    reads do.
    """
    found: list[AddressSignature] = []
    before, until_slot = None, None
    for _ in range(PAGES_MAX):
        page = await _read_page(client, address, before, bounds.min_slot)
        found += page
        if until_slot is None:
            known = (each.slot for each in page if each.signature in bounds.known)
            until_slot = next((slot - OVERLAP_SLOTS for slot in known), None)
        if not page or _is_enough(page[-1], until_slot, bounds):
            break
        before = page[-1].signature
    if bounds.known and until_slot is None:
        reason = f"the node's history of {address} does not go back to what the journal knows"
        raise ReadFailure(HISTORY_UNAVAILABLE, reason)
    return found


def _is_enough(last: AddressSignature, until_slot: int | None, bounds: HistoryBounds) -> bool:
    if bounds.known:
        return until_slot is not None and last.slot < until_slot
    return last.block_time is not None and last.block_time < bounds.since.timestamp()


async def _read_page(
    client: RpcClient, address: Pubkey, before: str | None, min_slot: int
) -> Sequence[AddressSignature]:
    options: dict[str, Json] = {"limit": PAGE, "commitment": Commitment.CONFIRMED}
    if min_slot:
        options["minContextSlot"] = min_slot
    if before is not None:
        options["before"] = before
    params = [str(address), options]
    return await client.read("getSignaturesForAddress", params, read_address_signatures)
