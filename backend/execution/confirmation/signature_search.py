"""The outcome of a signature, as the statuses and transactions that a node returns show it.

A signature has expired when its last valid block height is final, and a search of the history does
not find it on a node that has reached that height: one address may lead to several nodes, some of
them behind. No number of polls and no timeout suffices. A node that keeps no history still knows
the signatures of its last blocks, so there the search counts only soon after that height.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from backend.chain.nodes.node_client import NodeClient
from backend.chain.rpc.history import lacks_history
from backend.chain.rpc.results import (
    ChainTip,
    LandedTransaction,
    SignatureStatus,
    SignatureStatuses,
)
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError
from backend.domain.lifecycle import SignatureOutcome
from backend.domain.orders import SignedTransaction
from backend.runtime import observe

CACHED_BLOCKS: Final = 100
"""How many blocks after its last valid height every block that could contain a signature is in the
recent status cache of a node: that has 300 blocks, of which a blockhash is valid for 150."""


@dataclass(frozen=True, slots=True)
class SignatureResult:
    """The outcome of a signature, with its status if a confirmed block contains it.

    ``landed`` is its transaction, if that is how the outcome became known.
    """

    outcome: SignatureOutcome
    status: SignatureStatus | None = None
    landed: LandedTransaction | None = None


_UNRESOLVED: Final = SignatureResult(SignatureOutcome.UNRESOLVED)
_EXPIRED: Final = SignatureResult(SignatureOutcome.EXPIRED)


def read_result(status: SignatureStatus | None, *, is_expired: bool = False) -> SignatureResult:
    """The outcome that a status shows; none shows that a signature can never land any more."""
    if status is None:
        return _EXPIRED if is_expired else _UNRESOLVED
    if status.commitment is Commitment.PROCESSED:
        return _UNRESOLVED  # its block may still be dropped
    outcome = SignatureOutcome.LANDED if status.err is None else SignatureOutcome.REVERTED
    return SignatureResult(outcome, status)


def read_landed(landed: LandedTransaction) -> SignatureResult:
    """The outcome that a transaction in a confirmed block shows."""
    status = SignatureStatus(landed.slot, landed.err, Commitment.CONFIRMED)
    return SignatureResult(read_result(status).outcome, status, landed)


async def find_results(
    node: NodeClient, signed: Sequence[SignedTransaction], tip: ChainTip
) -> list[SignatureResult]:
    """Results from a search of the history that starts after ``tip`` was final.

    Raises as the reads of ``RpcClient`` do.
    """
    statuses, height_max = await _search(node, signed, tip)
    is_behind = statuses.slot < tip.slot
    return [
        read_result(
            status,
            is_expired=tip.height > each.last_valid_height
            and not is_behind
            and (height_max is None or height_max <= each.last_valid_height + CACHED_BLOCKS),
        )
        for each, status in zip(signed, statuses.entries, strict=True)
    ]


async def _search(
    node: NodeClient, signed: Sequence[SignedTransaction], tip: ChainTip
) -> tuple[SignatureStatuses, int | None]:
    """The statuses from the history, or from the recent cache of a node without one.

    With the latter comes the greatest height that the node may have reached: blocks are no more
    than slots. A signature that it does not know landed in none of its last blocks.
    """
    signatures = [each.signature for each in signed]
    try:
        return await node.get_signature_statuses(signatures, search_history=True), None
    except EngineError as error:
        if not lacks_history(error):
            raise
    statuses = await node.get_signature_statuses(signatures)
    height_max = tip.height + statuses.slot - tip.slot
    if any(
        status is None and height_max > each.last_valid_height + CACHED_BLOCKS
        for each, status in zip(signed, statuses.entries, strict=True)
    ):
        observe.history_needed()
    return statuses, height_max
