"""Transaction submission: from signing a transaction to its final outcome on chain.

Sends, status polls and fetches of many orders share requests. See ``signature_watch`` for how the
outcome is found, and ``fill_reader`` for how the fill is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from solders.pubkey import Pubkey

from backend.chain.bundles.sender import BundleSender
from backend.chain.bundles.tips import Tip
from backend.chain.compute_budget import UNIT_LIMIT_MAX, ComputeBudget
from backend.chain.lookup_tables import LookupTables
from backend.chain.nodes.node_client import NodeClient
from backend.chain.outcomes import NODE_FAULTS, Fill, classify_onchain_error
from backend.chain.rpc.client import SEND_BATCH_MAX
from backend.chain.rpc.errors import MethodUnknown
from backend.chain.rpc.results import Blockhash, SimulationResult
from backend.chain.signing.signer import Signer
from backend.chain.subscriptions.blocks import NodeNotifications
from backend.chain.swap_instructions import RouteShape, SwapInstructions
from backend.chain.transactions import (
    UnsignedTransaction,
    build_instructions,
    compile_swap,
    derive_wrap_seed,
)
from backend.domain.conditions import Launch
from backend.domain.errors import OUT_OF_COMPUTE, EngineError, Unavailable
from backend.domain.fees.order_fees import require_minimum
from backend.domain.orders import LeasedOrder, OrderTerms, SignedTransaction
from backend.execution.blockhash import AGE_MAX_S, BlockhashCache
from backend.execution.budget.compute_units import ComputeUnits
from backend.execution.budget.priority_fees import PriorityFees
from backend.execution.budget.tips import fit_tip
from backend.execution.confirmation.signature_search import SignatureResult
from backend.execution.confirmation.signature_watch import PollIntervals, SignatureWatch
from backend.execution.fill_reader import FillReader, Revert
from backend.execution.route_swap import make_swap
from backend.execution.wallet.protocol import Funds
from backend.routing.route import Route
from backend.runtime import observe, observe_node
from backend.runtime.coalescer import Coalescer
from backend.venues.venue import Venue

CALLS_MAX = 8
MAX_DELAY_S = 0.003


class TransactionSubmitter:
    """Signs, sends and watches the transactions of wallets; ``run`` must be running.

    ``has_preflight`` is whether ``sign`` simulates the transaction on the node, ``tables`` are the
    lookup tables that transactions can use, ``wallet`` is the main one. ``fees`` chooses the price
    of each transaction, and ``budget`` has the limit of units where that is not known. ``venues``
    explain errors. With ``bundles``, transactions pay a tip, and are sent there as well.
    None is signed with a blockhash that is older than ``blockhash_age_s``.
    """

    def __init__(
        self,
        node: NodeClient,
        wallet: Signer,
        *,
        intervals: PollIntervals,
        budget: ComputeBudget,
        fees: PriorityFees,
        preflight: bool,
        history_wait_s: float,
        venues: Sequence[Venue],
        notifications: NodeNotifications | None = None,
        tables: LookupTables | None = None,
        bundles: BundleSender | None = None,
        blockhash_age_s: float = AGE_MAX_S,
    ) -> None:
        self._fees = fees
        self._venues = venues
        self._bundles = bundles
        self._units = ComputeUnits(self._simulate, budget.unit_limit)
        self._tables = tables
        self._node = node
        self._wallet = wallet
        self.has_preflight: Final = preflight
        self._blockhash = BlockhashCache(node.get_latest_blockhash, age_max_s=blockhash_age_s)
        self._sends = _coalesce_sends(node, bundles)
        self._watch = SignatureWatch(node, intervals, self._resend)
        # The chain may have jumped ahead of the cached blockhash.
        self._watch.on_expiry = self._blockhash.invalidate
        self._fills = FillReader(
            node, poll_s=intervals.poll_s, wait_s=history_wait_s, venues=venues
        )
        if notifications is not None:
            self._watch.use_notifications(notifications, self._fills.request)

    async def run(self) -> None:
        """Send, watch and fetch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sends.run())
            tasks.create_task(self._fills.run())
            tasks.create_task(self._watch.run())
            if self._bundles is not None:
                tasks.create_task(self._bundles.run())

    async def sign(
        self, order: LeasedOrder, route: Route, funds: Funds | None = None
    ) -> SignedTransaction:
        """Build and sign the swap of a route, without sending it; the wallet of ``funds`` pays.

        The preflight simulates it before it is signed: a node must not have a signature that is
        not stored yet. Raises ``Transient`` or ``Rejected``, also for an error of the preflight;
        ``Unavailable`` for what is the node's fault, or the signer's.
        """
        terms = order.terms
        swap = make_swap(terms, route, derive_wrap_seed(order.id, order.attempt))
        wallet = (funds and funds.wallet) or self._wallet
        instructions = build_instructions(swap, wallet.address)
        opens_accounts = funds is not None and funds.opens_accounts(route)
        shape = instructions.find_shape(are_missing=opens_accounts)
        budget = await self._fees.choose_budget(instructions, order.attempt, terms.fees)
        blockhash, limit = await self._blockhash.get(), None
        if self.has_preflight:
            min_slot = _find_min_slot(terms, route, blockhash)
            limit = await self._run_preflight(instructions, shape, budget, blockhash, min_slot)
        if limit is None:
            limit = self._units.choose_limit(instructions, shape)
        if order.lacks_units:
            more = self._units.choose_more(instructions, limit)
            limit = max(limit, min(more, self._fees.compute_most_units(terms.fees)))
        least = self._fees.compute_least(limit, terms.fees)
        require_minimum(terms.fees, least)
        tip = None if self._bundles is None else self._bundles.choose_tip(swap.seed)
        budget, tip = fit_tip(replace(budget, unit_limit=limit), tip, terms.fees, least)
        unsigned = self._compile(instructions, blockhash, budget, tip)
        mints = [mint for mint, _ in swap.list_mints()]
        signed = unsigned.with_signature(await wallet.request_signature(unsigned.payload, mints))
        self._units.follow(signed.signature, shape, limit)
        return signed

    def _compile(
        self,
        instructions: SwapInstructions,
        blockhash: Blockhash,
        budget: ComputeBudget,
        tip: Tip | None = None,
    ) -> UnsignedTransaction:
        tables = self._tables.usable if self._tables is not None else ()
        return compile_swap(instructions, blockhash, budget, tables, tip)

    async def _run_preflight(
        self,
        instructions: SwapInstructions,
        shape: RouteShape,
        budget: ComputeBudget,
        blockhash: Blockhash,
        min_slot: int,
    ) -> int | None:
        """Simulate a swap, and return the limit of units that it needs; ``None`` if not told.

        A node that does not simulate at all is no reason to sign nothing: the chain decides.
        """
        limit = instructions.estimate_units(budget.unit_limit)
        highest = replace(budget, unit_limit=limit).spread(UNIT_LIMIT_MAX)
        unsigned = self._compile(instructions, blockhash, highest)
        try:
            simulation = await self._node.simulate_transaction(
                unsigned.wire, min_context_slot=min_slot
            )
        except MethodUnknown as error:
            observe_node.compute_units_unknown(str(error))
            return None
        if simulation.err is not None:
            raise self._classify_preflight(simulation)
        return self._units.learn(instructions, shape, simulation.units)

    async def _simulate(self, instructions: SwapInstructions) -> SimulationResult:
        """Simulate a swap that may take all units, and pays nothing for them."""
        blockhash = await self._blockhash.get()
        unsigned = self._compile(instructions, blockhash, ComputeBudget(UNIT_LIMIT_MAX, 0))
        return await self._node.simulate_transaction(unsigned.wire, min_context_slot=blockhash.slot)

    def _classify_preflight(self, simulation: SimulationResult) -> EngineError:
        error = classify_onchain_error(simulation.err, simulation.logs, self._venues)
        if error.code not in NODE_FAULTS:
            return error
        self._blockhash.invalidate()  # it may be too old by now, or of a block that was dropped
        return Unavailable(error.code, error.reason)

    async def send(self, signed: SignedTransaction) -> None:
        """Send the stored bytes. No response of the node decides the outcome of the transaction.

        ``await_outcome`` has to follow.
        """
        self._watch.follow(signed)
        try:
            await self._sends.submit(signed.wire)
        except EngineError as error:
            observe.send_failed(error.code, error.reason)
        except BaseException:
            self._watch.release(signed)
            raise

    async def check_outcome(self, signed: SignedTransaction) -> SignatureResult:
        """The current outcome of a signature; retries while the node does not respond."""
        return await self._watch.check(signed)

    async def await_outcome(self, signed: SignedTransaction) -> SignatureResult:
        """Watch a signature, resending its bytes, until it has landed, reverted or expired."""
        return await self._watch.await_result(signed)

    async def fetch_fill(
        self,
        signed: SignedTransaction,
        terms: OrderTerms,
        result: SignatureResult,
        wallet: str | None = None,
    ) -> Fill | None:
        """The fill of a transaction that landed, as the ``wallet`` that paid for it received it.

        ``None`` if the node does not tell it in time.
        """
        owner = self._find_owner(wallet)
        fill = await self._fills.fetch_fill(signed.signature, terms, owner, result.landed)
        self._units.note_used(signed.signature, None if fill is None else fill.compute_units)
        return fill

    async def try_fetch_fill(
        self, signature: str, terms: OrderTerms, wallet: str | None = None
    ) -> Fill | None:
        """Ask once for the fill of a landed transaction that a wallet paid for."""
        return await self._fills.try_fetch_fill(signature, terms, self._find_owner(wallet))

    def _find_owner(self, wallet: str | None) -> Pubkey:
        """The address of the wallet that an order is paid from, in the form of the chain."""
        return self._wallet.address if wallet is None else _parse_address(wallet)

    async def fetch_revert(self, signed: SignedTransaction, result: SignatureResult) -> Revert:
        """Why a transaction was reverted. Without its logs, its status alone decides."""
        assert result.status is not None, "a reverted transaction has its status"
        revert = await self._fills.fetch_revert(signed.signature, result.landed)
        revert = revert or Revert(classify_onchain_error(result.status.err, (), ()), None)
        if revert.error.code == OUT_OF_COMPUTE:
            self._units.note_exhausted(signed.signature, revert.compute_units)
        return revert

    def _resend(self, wire: bytes) -> None:
        self._sends.submit_nowait(wire).add_done_callback(_report_resend_failure)


def _coalesce_sends(node: NodeClient, bundles: BundleSender | None) -> Coalescer[bytes, str]:
    return Coalescer(
        node.send_transactions if bundles is None else bundles.send,
        name="send transactions",
        items_max=SEND_BATCH_MAX,
        calls_max=CALLS_MAX,
        # A call that waits for the bundle endpoint holds no other transaction back.
        batch_target=SEND_BATCH_MAX if bundles is None else 1,
        max_delay_s=MAX_DELAY_S,
    )


@lru_cache(maxsize=64)
def _parse_address(text: str) -> Pubkey:
    return Pubkey.from_string(text)


def _find_min_slot(terms: OrderTerms, route: Route, blockhash: Blockhash) -> int:
    """The slot that the node of a preflight must have reached: behind it, a good swap would fail.

    It must know the blockhash; a pool that has just opened may be newer than that.
    """
    is_new = isinstance(terms.condition, Launch)
    return max(blockhash.slot, route.slot) if is_new else blockhash.slot


def _report_resend_failure(sent: asyncio.Future[str]) -> None:
    error = None if sent.cancelled() else sent.exception()
    if isinstance(error, EngineError):
        observe.send_failed(error.code, error.reason)
