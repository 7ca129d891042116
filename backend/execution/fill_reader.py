"""Reads what a landed transaction moved, or why it failed, from the node's history.

Only the history has the exact fill. A node may lack it: then the caller has to do with what the
status of the signature tells, after a bounded wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from solders.pubkey import Pubkey

from backend.chain.nodes.node_client import NodeClient
from backend.chain.outcomes import Fill, classify_onchain_error, read_fill
from backend.chain.rpc.client import FETCH_BATCH_MAX
from backend.chain.rpc.history import lacks_history
from backend.chain.rpc.results import LandedTransaction
from backend.chain.transaction_costs import read_fees
from backend.domain.amounts import TransactionCosts
from backend.domain.errors import EngineError, Unavailable
from backend.domain.orders import OrderTerms
from backend.runtime import observe
from backend.runtime.coalescer import Coalescer
from backend.venues.venue import Venue

CALLS_MAX = 8
MAX_DELAY_S = 0.003
FETCH_WAIT_S_MAX = 5.0
"""Longest wait between fetches of a landed transaction that the node does not return."""
REFUSALS_MAX = 3
"""So many times a node may say that it has no history: behind its address may be one that has."""

Value = TypeVar("Value")


class Revert(NamedTuple):
    """Why a transaction that landed moved nothing, and what it has cost all the same.

    The error is ``Transient`` if a retry may succeed. The costs are ``None`` if no node tells them.
    """

    error: EngineError
    costs: TransactionCosts | None
    compute_units: int | None = None


class FillReader:
    """Reads landed transactions for concurrent callers; ``run`` must be running.

    ``wait_s`` is how long a transaction that has landed may be missing from the history, ``venues``
    explain why one was reverted.
    """

    def __init__(
        self, node: NodeClient, *, poll_s: float, wait_s: float, venues: Sequence[Venue]
    ) -> None:
        self._venues = venues
        self._poll_s = poll_s
        self._wait_s = wait_s
        self._fetches: Coalescer[str, LandedTransaction | None] = Coalescer(
            node.get_transactions,
            name="fetch transactions",
            items_max=FETCH_BATCH_MAX,
            calls_max=CALLS_MAX,
            batch_target=FETCH_BATCH_MAX,
            max_delay_s=MAX_DELAY_S,
        )
        self.run = self._fetches.run

    def request(self, signature: str) -> asyncio.Future[LandedTransaction | None]:
        """Request a transaction once: ``None`` unless the node has it in a confirmed block."""
        return self._fetches.submit_nowait(signature)

    async def fetch_fill(
        self,
        signature: str,
        terms: OrderTerms,
        owner: Pubkey,
        landed: LandedTransaction | None = None,
    ) -> Fill | None:
        """The fill of a transaction that landed, as its wallet ``owner`` has received it.

        It is read from ``landed`` if that is known already. ``None`` if the node does not tell it
        in time.
        """
        fill = None if landed is None else _read_fill(terms, owner, landed)
        return fill or await self._fetch(signature, partial(_read_fill, terms, owner))

    async def fetch_revert(
        self, signature: str, landed: LandedTransaction | None = None
    ) -> Revert | None:
        """Why a transaction was reverted; ``None`` if the node does not tell it in time.

        It is read from ``landed`` if that is known already.
        """
        revert = None if landed is None else self._read_revert(landed)
        return revert or await self._fetch(signature, self._read_revert)

    async def try_fetch_fill(self, signature: str, terms: OrderTerms, owner: Pubkey) -> Fill | None:
        """Ask once for the fill of a landed transaction."""
        try:
            landed = await self._fetches.submit(signature)
        except EngineError:
            return None
        return None if landed is None else _read_fill(terms, owner, landed)

    def _read_revert(self, landed: LandedTransaction) -> Revert | None:
        if landed.err is None:
            return None
        error = classify_onchain_error(landed.err, landed.logs, self._venues)
        return Revert(error, read_fees(landed), landed.units)

    async def _fetch(
        self, signature: str, read: Callable[[LandedTransaction], Value | None]
    ) -> Value | None:
        loop = asyncio.get_running_loop()
        deadline, refusals, pause_s = None, 0, self._poll_s
        while True:
            asked_s = 0.0
            try:
                landed = await self._fetches.submit(signature)
                value = None if landed is None else read(landed)
                if value is not None:
                    return value
            except EngineError as error:
                observe.chain_query_failed("fetch transaction", error)
                refusals += lacks_history(error)
                asked_s = error.retry_after_s or 0 if isinstance(error, Unavailable) else 0
            if deadline is None:
                deadline = loop.time() + self._wait_s
            left_s = deadline - loop.time()
            if left_s <= 0 or refusals >= REFUSALS_MAX:
                observe.landed_transaction_not_found(signature)
                return None
            await asyncio.sleep(min(max(pause_s, asked_s), left_s))
            pause_s = min(2 * pause_s, FETCH_WAIT_S_MAX)


def _read_fill(terms: OrderTerms, owner: Pubkey, landed: LandedTransaction) -> Fill | None:
    """``None`` if the node kept the transaction without its balances, or another one."""
    try:
        mints = (Pubkey.from_string(t.mint) for t in (terms.token_in, terms.token_out))
        fill = read_fill(landed, owner, *mints)
    except (ValueError, IndexError):
        return None
    return fill if fill.amount_out > 0 else None
