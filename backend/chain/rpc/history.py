"""Whether a node keeps the history of transactions: some do not, or not for every caller.

Such a node tells the status of a recent signature, but not what a landed transaction moved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from solders.signature import Signature

from backend.chain.rpc.errors import HISTORY_UNAVAILABLE
from backend.chain.rpc.results import LandedTransaction
from backend.domain.errors import EngineError, Rejected

_UNKNOWN_SIGNATURE: Final = str(Signature(bytes([1]) * 64))
"""Well-formed, and of no transaction."""

PROBE_AGE_S: Final = 60.0


class HistoryReader(Protocol):
    """The part of a node's JSON-RPC client that reads the history."""

    async def get_transactions(
        self, signatures: Sequence[str]
    ) -> list[LandedTransaction | EngineError | None]:
        """Each landed transaction, ``None`` where no block contains it, or the error for it."""
        ...


def lacks_history(error: EngineError) -> bool:
    """Whether an error of a read of the history says that the node keeps none.

    A node or proxy that refuses the method says the same.
    """
    return error.code == HISTORY_UNAVAILABLE or isinstance(error, Rejected)


async def has_history(node: HistoryReader) -> bool:
    """Ask a node whether it keeps a history. Raises ``Unavailable`` if it does not say."""
    [answer] = await node.get_transactions([_UNKNOWN_SIGNATURE])
    if not isinstance(answer, EngineError):
        return True
    if lacks_history(answer):
        return False
    raise answer


class HistoryProbe:
    """Asks a node whether it keeps a history, at most once in ``PROBE_AGE_S``."""

    def __init__(self, node: HistoryReader) -> None:
        self._node = node
        self._probed: tuple[float, bool] | None = None

    async def check(self) -> bool:
        """Whether the node keeps a history. Raises ``Unavailable`` if it does not say."""
        now = asyncio.get_running_loop().time()
        if self._probed is None or now - self._probed[0] > PROBE_AGE_S:
            self._probed = now, await has_history(self._node)
        return self._probed[1]
