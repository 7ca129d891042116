"""The comparison of the journal with the chain, before anything is signed on another server.

A commit that PostgreSQL has answered may be gone: a standby that was promoted lacked it, or a
backup was restored. What it told may have been sent. So while the journal's origin is not the
server that this is (``store.origin``), the database lets no order be signed, and a worker finds
out:

- On the same server and timeline, no further back than it was, after an ordinary restart: the
  wallets' history has nothing that the journal lacks, so it is complete, at once.
- Else, or if it has: something of what was lost may still land. It waits for the block after which
  nothing that was signed before can, and reads the history again. What it finds is stored; orders
  adopt what is theirs, and are executed to their end.

The position of the server is kept in this process and in Redis, both of which may lose it: then the
history alone tells of a restored server that says it is on the same timeline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from backend.chain.rpc.history import lacks_history
from backend.chain.rpc.results import ChainTip
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError, Transient
from backend.execution.history import observe_history
from backend.execution.history.wallet_history import HistoryReader, WalletHistory, find_dex
from backend.runtime.commit_notifications import CommitObserver
from backend.runtime.redis.mark import RedisMark
from backend.store.database import DatabasePool
from backend.store.errors import DATABASE_ERRORS
from backend.store.origin.adoption import Adoption, adopt
from backend.store.origin.found_transactions import FoundTransaction, read_open, store_found
from backend.store.origin.journal_origin import JournalOrigin, JournalState, ServerPosition
from backend.venues.venue import Venue

INTERVAL_S: Final = 1.0
RETRY_S: Final = 0.25
TIP_INTERVAL_S: Final = 0.5
NODE_LAG_BLOCKS: Final = 20
"""How far behind the newest block the node may be that tells the last height of what is signed."""


class JournalReconciler:
    """Compares the journal with the wallets' history where that is needed; ``run`` must be running.

    Unless it ``is_on``, the journal of any server is taken for complete.
    """

    def __init__(
        self,
        pool: DatabasePool,
        node: HistoryReader,
        history: WalletHistory,
        origin: JournalOrigin,
        mark: RedisMark,
        *,
        venues: Sequence[Venue],
        on_commit: CommitObserver,
        is_on: bool,
    ) -> None:
        self._pool = pool
        self._node = node
        self._history = history
        self._origin = origin
        self._mark = mark
        self._venues = venues
        self._on_commit = on_commit
        self._is_on = is_on
        self._position: ServerPosition | None = None
        self._waits: tuple[datetime, int] | None = None
        """Since the start of which run it waits, and for which block."""

    async def start(self) -> None:
        """Look at the journal before the first order is claimed: it is complete, or is held.

        What takes blocks is left to ``run``, so that a worker is ready meanwhile for what is not
        held.
        """
        try:
            await self._look(may_wait=False)
        except (EngineError, *DATABASE_ERRORS) as error:
            observe_history.comparison_failed(error)
        await self._origin.hold()  # unless a worker has started on it before

    async def run(self) -> None:
        """Look at an interval until cancelled."""
        pause_s = 0.0
        while True:
            await asyncio.sleep(pause_s)
            try:
                pause_s = INTERVAL_S if await self._look() else RETRY_S
            except (EngineError, *DATABASE_ERRORS) as error:
                pause_s = INTERVAL_S
                if not isinstance(error, Transient) or error.code != "database_unavailable":
                    observe_history.comparison_failed(error)

    async def _look(self, *, may_wait: bool = True) -> bool:
        """Whether the journal was found complete; else it is compared."""
        state = await self._origin.read_state()
        observe_history.journal_read(is_complete=state.is_complete)
        if not state.is_complete or not state.is_bound:
            async with self._origin.compare_alone() as is_alone:
                if is_alone:
                    await self._compare(state, may_wait=may_wait)
            return False
        if state.has_found:
            await self._adopt_all()
        if state.now is not None and state.now != self._position:
            self._position = state.now
            await self._mark.write(_format_position(state.now))
        return True

    async def _compare(self, state: JournalState, *, may_wait: bool) -> None:
        server = _describe_server(state)
        if not self._is_on:
            await self._origin.set_complete(state)
            observe_history.journal_not_compared(server, "ORDER_ENGINE_JOURNAL_RECONCILIATION=off")
            return
        doubt = self._find_doubt(state, _parse_position(await self._mark.read()))
        if doubt is None:
            try:
                lost = await self._history.find_lost()
            except EngineError as error:
                if not lacks_history(error):
                    raise
                # Nothing says that anything was lost, and nodes without a history do for trading.
                await self._origin.set_complete(state)
                observe_history.journal_not_compared(server, error.reason)
                return
            if lost:
                doubt = f"the journal lacks {lost[0].signature}, which the chain has"
        if doubt is not None:
            if not may_wait:
                return
            await self._compare_fully(doubt, state.started_at)
        await self._origin.set_complete(state)
        observe_history.journal_checked(server)

    def _find_doubt(self, state: JournalState, mark: ServerPosition | None) -> str | None:
        """Why the server may have lost commits; ``None`` if nothing says so."""
        now = state.now
        if now is None:
            return None
        if state.server_id is not None and (state.server_id, state.timeline) != now[:2]:
            return (
                f"PostgreSQL is server {now.server_id} on timeline {now.timeline},"
                f" and was {state.server_id} on timeline {state.timeline}"
            )
        for earlier in (self._position, mark):
            if earlier is not None and earlier[:2] == now[:2] and earlier.position > now.position:
                lacking = earlier.position - now.position
                return f"PostgreSQL lacks {lacking} bytes that it had: an older state was restored"
        return None

    async def _compare_fully(self, doubt: str, run: datetime) -> None:
        """Wait until nothing that was signed before can land, and adopt what has."""
        await self._origin.hold()
        try:
            until_height = await self._choose_height(doubt, run)
            await self._origin.note(
                f"{doubt}: the wallets' history is read once block {until_height} is final"
            )
            tip = await self._await_final(until_height)
            lost = await self._history.find_lost(tip.slot)
        except EngineError as error:
            reason = f"the wallets' history is not told: {error.reason}"
            await self._origin.note(f"{doubt}, and {reason}")
            raise
        for each in lost:
            if await store_found(self._pool, each):
                observe_history.transaction_found(each)
        adopted = await self._adopt_all()
        for each in lost:
            if each.signature not in adopted:
                observe_history.order_unknown(each)

    async def _choose_height(self, doubt: str, run: datetime) -> int:
        """The block after which nothing that was signed before this run can land."""
        if self._waits is None or self._waits[0] != run:
            blockhash = await self._node.get_latest_blockhash()
            self._waits = run, blockhash.last_valid_height + NODE_LAG_BLOCKS
            observe_history.journal_doubted(doubt, self._waits[1])
        return self._waits[1]

    async def _await_final(self, height: int) -> ChainTip:
        """The newest final block, once that is above a height."""
        while True:
            tip = await self._node.get_epoch_info(Commitment.FINALIZED)
            if tip.height > height:
                return tip
            await asyncio.sleep(TIP_INTERVAL_S)

    async def _adopt_all(self) -> set[str]:
        """Let orders that are there adopt what was found of them; returns their signatures."""
        found = await read_open(self._pool)
        for each in found:
            await self._adopt(each)
        return {each.signature for each in found}

    async def _adopt(self, found: FoundTransaction) -> None:
        dex = find_dex(found.wire, self._venues)
        adoption = await adopt(self._pool, found, dex, self._on_commit)
        if adoption is not Adoption.LATER:
            observe_history.transaction_adopted(found, adoption)


def _describe_server(state: JournalState) -> str:
    since = f"since {state.started_at:%Y-%m-%d %H:%M:%S}"
    return since if state.now is None else f"{state.now.server_id}/{state.now.timeline} {since}"


def _format_position(position: ServerPosition) -> str:
    return " ".join(map(str, position))


def _parse_position(text: str | None) -> ServerPosition | None:
    """The position that a process has kept; ``None`` if it is none."""
    parts = (text or "").split(" ")
    if len(parts) != len(ServerPosition._fields) or not all(each.isdecimal() for each in parts):
        return None
    return ServerPosition(*map(int, parts))
