"""Submission: a transaction from signing to the chain's last word on it.

Sends, status polls and fetches of many orders go out together. What is sent is always the stored
bytes, again and again until they land or never can: an error after a send proves nothing, so the
only answers are those of the chain. A signature is dead when its last valid block height is final
and a search of the history does not find it, on a node that has come as far: behind one address
there may be several nodes, some of them late. No count of polls and no time-out is enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from solders.pubkey import Pubkey

from backend.chain.outcomes import fill, onchain_error
from backend.chain.rpc_client import BATCH_MAX, FETCHED_MAX, SIGNATURES_MAX
from backend.chain.rpc_results import Blockhash, Landed, SignatureStatus, Simulation, Statuses, Tip
from backend.chain.transactions import Budget, Swap, build, wrap_seed
from backend.chain.wallet import Wallet
from backend.chain.wire import Commitment
from backend.domain.errors import EngineError
from backend.domain.lifecycle import Fate
from backend.domain.orders import Fill, Signed, Terms
from backend.execution.blockhash import RecentBlockhash
from backend.routing.route import Route
from backend.runtime import observe
from backend.runtime.coalescer import Coalescer

TIP_S = 0.5
CALLS_MAX = 8
LINGER_S = 0.003
RETRY_S = 0.25
"""How long a node that did not answer is left alone."""
FETCH_S_MAX = 5.0
"""How long a node that does not show a landed transaction is left alone, at most."""


class Node(Protocol):
    """The part of a node's JSON-RPC that a submission needs; each call is as ``Rpc`` has it."""

    async def get_latest_blockhash(self) -> Blockhash:
        """The blockhash to sign with."""
        ...

    async def get_epoch_info(self, commitment: Commitment) -> Tip:
        """Where the chain is."""
        ...

    async def simulate_transaction(self, wire: bytes) -> Simulation:
        """What a signed transaction would do now."""
        ...

    async def get_signature_statuses(
        self, signatures: Sequence[str], *, search_history: bool = False
    ) -> Statuses:
        """What became of each signature."""
        ...

    async def get_transactions(
        self, signatures: Sequence[str]
    ) -> list[Landed | EngineError | None]:
        """Each transaction as its block contains it."""
        ...

    async def send_transactions(self, wires: Sequence[bytes]) -> list[str | EngineError]:
        """Send signed transactions."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the chain is asked, and how often what it has not shown is sent again."""

    poll_s: float
    resend_s: float


@dataclass(slots=True, eq=False)
class _Watch:
    signed: Signed
    sent_at: float
    fate: asyncio.Future[Fate]


class Submission:
    """One wallet's transactions; ``run`` must be running.

    ``preflights`` says whether ``sign`` asks the node what the transaction would do.
    """

    def __init__(
        self, node: Node, wallet: Wallet, *, pace: Pace, budget: Budget, preflight: bool
    ) -> None:
        self._node = node
        self._wallet = wallet
        self._pace = pace
        self._budget = budget
        self.preflights: Final = preflight
        self._blockhash = RecentBlockhash(node.get_latest_blockhash)
        # By watch, not by signature: two drives may watch one signature until the older one ends.
        self._watched: dict[_Watch, None] = {}
        self._some = asyncio.Event()
        self._tip_at = 0.0
        self._sends: Coalescer[bytes, str] = Coalescer(
            node.send_transactions,
            items_max=BATCH_MAX,
            calls_max=CALLS_MAX,
            company=BATCH_MAX,
            linger_s=LINGER_S,
        )
        self._fetches: Coalescer[str, Landed | None] = Coalescer(
            node.get_transactions,
            items_max=FETCHED_MAX,
            calls_max=CALLS_MAX,
            company=FETCHED_MAX,
            linger_s=LINGER_S,
        )
        self._looks: Coalescer[Signed, Fate] = Coalescer(self._look, items_max=SIGNATURES_MAX)

    async def run(self) -> None:
        """Send, watch and fetch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sends.run())
            tasks.create_task(self._fetches.run())
            tasks.create_task(self._looks.run())
            tasks.create_task(self._watch())

    async def sign(self, order_id: UUID, attempt: int, terms: Terms, route: Route) -> Signed:
        """The signed swap of a route. Nothing is sent.

        Raises ``Transient`` or ``Rejected``, also for what a preflight shows.
        """
        swap = Swap(
            route.pool,
            Pubkey.from_string(terms.token_in.mint),
            Pubkey.from_string(terms.token_out.mint),
            terms.amount_in,
            route.min_amount_out,
            wrap_seed(order_id, attempt),
        )
        signed = build(swap, self._wallet, await self._blockhash.get(), self._budget)
        if self.preflights:
            shown = await self._node.simulate_transaction(signed.wire)
            if shown.err is not None:
                raise onchain_error(shown.err, shown.logs)
        return signed

    async def send(self, signed: Signed) -> None:
        """Send the stored bytes. Whatever the node answers, only ``settled`` tells the outcome."""
        try:
            await self._sends.ask(signed.wire)
        except EngineError as error:
            observe.send_unanswered(error.code, error.reason)

    async def look(self, signed: Signed) -> Fate:
        """What the chain shows of a signature now; waits for a chain that does not answer."""
        while True:
            try:
                return await self._looks.ask(signed)
            except EngineError as error:
                observe.watcher_failed("look", error)
                await asyncio.sleep(self._pace.resend_s)

    async def settled(self, signed: Signed) -> Fate:
        """Watch a signature, sending its bytes again, until it is landed, reverted or dead."""
        loop = asyncio.get_running_loop()
        watch = _Watch(signed, loop.time(), loop.create_future())
        self._watched[watch] = None
        self._some.set()
        try:
            return await watch.fate
        finally:
            del self._watched[watch]

    async def filled(self, signed: Signed, terms: Terms) -> Fill:
        """What a landed transaction paid out, as the chain has it."""
        landed = await self._transaction(signed.signature)
        return fill(landed, self._wallet.address, Pubkey.from_string(terms.token_out.mint))

    async def reverted(self, signed: Signed) -> EngineError:
        """Why a transaction failed on chain, as the reaction it permits."""
        landed = await self._transaction(signed.signature)
        return onchain_error(landed.err, landed.logs)

    async def _transaction(self, signature: str) -> Landed:
        """A landed transaction. Nothing else says what it paid out, so this is not given up."""
        wait_s = self._pace.poll_s
        while True:
            try:
                landed = await self._fetches.ask(signature)
                if landed is not None:
                    return landed
                if wait_s >= FETCH_S_MAX:
                    observe.landed_untold(signature)
            except EngineError as error:
                observe.watcher_failed("transaction", error)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, FETCH_S_MAX)

    async def _look(self, signed: Sequence[Signed]) -> list[Fate]:
        tip = await self._node.get_epoch_info(Commitment.FINALIZED)
        return await self._fates(signed, tip)

    async def _fates(self, signed: Sequence[Signed], tip: Tip) -> list[Fate]:
        """What a search of the history shows that is made after ``tip`` was final."""
        statuses = await self._node.get_signature_statuses(
            [each.signature for each in signed], search_history=True
        )
        is_late = statuses.slot < tip.slot
        return [
            _fate(status, is_over=tip.height > each.last_valid_height and not is_late)
            for each, status in zip(signed, statuses.found, strict=True)
        ]

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        took_s = 0.0
        while True:
            if not self._watched:
                self._some.clear()
                await self._some.wait()
            # At most half of the time is spent on asking, however many are watched.
            await asyncio.sleep(max(self._pace.poll_s, took_s))
            began = loop.time()
            try:
                await self._poll(list(self._watched))
            except EngineError as error:
                observe.watcher_failed("poll", error)
                await asyncio.sleep(RETRY_S)
            took_s = min(loop.time() - began, RETRY_S)

    async def _poll(self, watched: Sequence[_Watch]) -> None:
        statuses = await self._node.get_signature_statuses([w.signed.signature for w in watched])
        waiting = _settle(watched, [_fate(status) for status in statuses.found])
        now = asyncio.get_running_loop().time()
        if waiting and now >= self._tip_at:
            self._tip_at = now + TIP_S
            tip = await self._node.get_epoch_info(Commitment.FINALIZED)
            over = [w for w in waiting if tip.height > w.signed.last_valid_height]
            if over:
                self._blockhash.forget()  # signed long ago, or the chain has jumped ahead of it
                _settle(over, await self._fates([w.signed for w in over], tip))
        self._resend([w for w in waiting if not w.fate.done()], now)

    def _resend(self, waiting: Sequence[_Watch], now: float) -> None:
        late = [w for w in waiting if now - w.sent_at >= self._pace.resend_s]
        for watch in late:
            watch.sent_at = now
            self._sends.put(watch.signed.wire).add_done_callback(_note)
        if late:
            observe.resent(len(late))


def _note(sent: asyncio.Future[str]) -> None:
    error = None if sent.cancelled() else sent.exception()
    if isinstance(error, EngineError):
        observe.send_unanswered(error.code, error.reason)


def _fate(status: SignatureStatus | None, *, is_over: bool = False) -> Fate:
    if status is None:
        return Fate.DEAD if is_over else Fate.OPEN
    if status.commitment is Commitment.PROCESSED:
        return Fate.OPEN  # its block may still vanish
    return Fate.LANDED if status.err is None else Fate.REVERTED


def _settle(watched: Sequence[_Watch], fates: Sequence[Fate]) -> list[_Watch]:
    """Tell those whose fate is known; the others."""
    waiting = []
    for watch, fate in zip(watched, fates, strict=True):
        if fate is Fate.OPEN:
            waiting.append(watch)
        elif not watch.fate.done():
            watch.fate.set_result(fate)
    return waiting
