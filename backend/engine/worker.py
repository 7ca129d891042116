"""A worker process: the executor with everything that it runs on, wired and run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

from backend.chain.rpc.history import has_history
from backend.config import ConfigurationError, Profile, Settings
from backend.domain.amounts import Token
from backend.domain.errors import Rejected, Unavailable
from backend.domain.tokens import TokenRegistry
from backend.engine.fees import build_fees
from backend.engine.journal import start_journal_reconciler
from backend.engine.nodes.bundles import build_bundles
from backend.engine.nodes.cluster import warn_of_missing_programs
from backend.engine.shared_services import SharedServices, open_shared_services
from backend.engine.trading import (
    build_breaker,
    build_loss_watch,
    build_measurer,
    build_trading_router,
    claim_when_lifted,
)
from backend.engine.triggers import build_watcher
from backend.engine.wallets.funds import build_budget, build_reconciler, watch_wallets
from backend.engine.wallets.signer_watch import Tell, ignore
from backend.engine.wallets.signing_wallets import OpenedWallets, open_wallets
from backend.engine.withdrawals import build_withdrawals
from backend.execution.claims.lease_renewer import LeaseRenewer
from backend.execution.confirmation.signature_watch import PollIntervals
from backend.execution.context import (
    Checkpoint,
    ExecutionContext,
    RetryPolicy,
    build_crash_trigger,
)
from backend.execution.executor import Executor
from backend.execution.late_fills import run_late_fills
from backend.execution.submission import TransactionSubmitter
from backend.execution.unsent_limiter import UnsentLimiter
from backend.execution.wallet.funds import WalletFunds
from backend.execution.wallet.wallets import Wallets
from backend.queue.jobs import JobQueue, run_receiver
from backend.queue.messages import JobMessage
from backend.queue.retry import RetryMiddleware
from backend.queue.sweep import run_sweep
from backend.queue.turns import OwnerTurns
from backend.routing.router import Router
from backend.runtime import observe, trace
from backend.runtime.background import run_in_background
from backend.runtime.loop_load import SPARE_SHARE, loop_load
from backend.store.audit_log.seals import run_seals
from backend.store.journal import Journal, LeasePolicy
from backend.store.late_amounts import LateAmountStore
from backend.store.leases import LeaseStore
from backend.triggers.attempts import WatchPoint

POLL_S = {Profile.DEMO: 0.2, Profile.INSTANT: 0.003}
"""How often the simulated node is asked about a new signature."""
LIVE_POLL_S = 0.4
"""The same of other nodes: within a slot they have no news."""
UNSENT_ORDERS_MAX = 1_000


async def run_worker(
    settings: Settings, *, on_ready: Callable[[], None], stop: asyncio.Event, tell: Tell = ignore
) -> None:
    """Run a worker until ``stop``; then finish its running orders, or release their leases.

    It starts as soon as the servers that it needs answer. ``tell`` is called with what orders wait
    for from then on, and with nothing once that is over. Raises as ``open_api_services``.
    """
    hook = _build_checkpoint_hook(settings)
    async with (
        open_shared_services(settings, stop) as shared,
        open_wallets(settings, shared, stop, tell) as opened,
    ):
        leases, journal = _build_stores(settings, shared)
        renewer = LeaseRenewer(leases, lease_s=settings.lease_s)
        submitter = _build_submitter(settings, shared, opened)
        random = Random(f"{settings.seed} {os.getpid()}")  # noqa: S311 - jitter, not a secret
        funds = watch_wallets(settings, shared, opened.wallets)
        context = _build_context(settings, shared, journal, submitter, funds, random, hook)
        retries, limiter = _build_retries(context.policy), UnsentLimiter(UNSENT_ORDERS_MAX)
        executor = Executor(renewer, context, limiter, shared.tokens)
        turns = _build_turns(settings, shared)
        sweeps = partial(run_sweep, leases, JobQueue(shared.broker), turns, random=random)
        watcher = build_watcher(settings, shared, _build_lease_policy(settings), funds[0])
        reconciler = await start_journal_reconciler(settings, shared, opened.wallets, stop)
        runs = (leases.run, journal.run, renewer.run, submitter.run, retries.run)
        periodic = _list_periodic(settings, shared, submitter, funds, random)
        await _warn_of_what_is_missing(shared)
        async with run_in_background(*runs, *periodic, reconciler.run):
            async with run_in_background(partial(sweeps, interval_s=settings.sweep_s), watcher.run):
                on_ready()
                await run_receiver(
                    shared.broker,
                    executor.run,
                    retries,
                    turns=turns,
                    waiting_orders=executor,
                    capacity=limiter,
                    jobs_max=settings.orders_in_flight_max,
                    stop=stop,
                    shutdown_s=settings.shutdown_s,
                    prefetch=partial(_prefetch_pair, shared.tokens, context.prefetch),
                )
            await watcher.release_shards()
            await renewer.release_all(journal.wait_idle)


def _build_turns(settings: Settings, shared: SharedServices) -> OwnerTurns[JobMessage]:
    turns: OwnerTurns[JobMessage] = OwnerTurns(settings.parse_owner_weights())
    claim_when_lifted(shared, turns)
    return turns


def _list_periodic(
    settings: Settings,
    shared: SharedServices,
    submitter: TransactionSubmitter,
    funds: Sequence[WalletFunds],
    random: Random,
) -> list[Callable[[], Coroutine[Any, Any, None]]]:
    """What a worker does beside its orders."""
    amounts = LateAmountStore(shared.pool, shared.tokens)
    return [
        partial(run_late_fills, amounts, submitter, random=random),
        build_withdrawals(shared).run,
        build_reconciler(settings, shared, funds, random).run,
        build_breaker(settings, shared, funds, random).run,
        build_loss_watch(shared, random).run,
        partial(run_seals, shared.pool, interval_s=settings.audit_seal_s, random=random),
    ]


def _build_context(
    settings: Settings,
    shared: SharedServices,
    journal: Journal,
    submitter: TransactionSubmitter,
    funds: Sequence[WalletFunds],
    random: Random,
    on_checkpoint: Callable[[Checkpoint], None],
) -> ExecutionContext:
    return ExecutionContext(
        journal,
        build_trading_router(shared),
        submitter,
        _build_retry_policy(settings),
        random,
        on_checkpoint=on_checkpoint,
        wallets=Wallets(funds),
        prefetch=partial(_prefetch_pools, shared.router),
        measurer=build_measurer(settings, shared),
    )


def _build_checkpoint_hook(settings: Settings) -> Callable[[Checkpoint], None]:
    name, _, _ = settings.crash_at.partition(":")
    points = (*Checkpoint, *WatchPoint)
    if name and name not in points:  # it would never be reached
        raise ConfigurationError(f"ORDER_ENGINE_CRASH_AT names none of {', '.join(points)}: {name}")
    crash = build_crash_trigger(settings.crash_at)
    if not trace.is_on():
        return crash

    def on_checkpoint(checkpoint: Checkpoint) -> None:
        trace.mark_step(checkpoint.value)
        crash(checkpoint)

    return on_checkpoint


def _prefetch_pools(router: Router, token_in: Token, token_out: Token) -> None:
    """Read an order's pools while its claim commits, unless there is no time to spare."""
    if loop_load.measure() < SPARE_SHARE:
        router.prefetch(token_in, token_out)


def _prefetch_pair(
    tokens: TokenRegistry, prefetch: Callable[[Token, Token], None], token_in: str, token_out: str
) -> None:
    """Prefetch the pools of the tokens that a job's label names."""
    with suppress(Rejected):  # the label is a hint: it may name anything
        prefetch(tokens.find(token_in, "token_in"), tokens.find(token_out, "token_out"))


def _build_stores(settings: Settings, shared: SharedServices) -> tuple[LeaseStore, Journal]:
    policy = _build_lease_policy(settings)
    notify = shared.notifier.notify
    leases = LeaseStore(shared.pool, policy=policy, tokens=shared.tokens, on_commit=notify)
    limits = shared.trading.limits
    return leases, Journal(shared.pool, policy=policy, on_commit=notify, limits=limits)


def _build_lease_policy(settings: Settings) -> LeasePolicy:
    return LeasePolicy(
        timedelta(seconds=settings.lease_s),
        timedelta(seconds=settings.rekick_s),
        timedelta(milliseconds=_build_retry_policy(settings).wait_max_ms),
    )


def _build_submitter(
    settings: Settings, shared: SharedServices, opened: OpenedWallets
) -> TransactionSubmitter:
    return TransactionSubmitter(
        shared.rpc,
        opened.wallets[0],
        intervals=PollIntervals(choose_poll_s(settings, opened), settings.resend_s),
        budget=build_budget(settings),
        preflight=not opened.is_simulated,
        history_wait_s=settings.history_wait_s,
        venues=shared.cluster.venues.all,
        notifications=shared.subscriptions,
        tables=shared.tables,
        fees=build_fees(settings, shared.rpc, shared.router),
        bundles=build_bundles(settings, shared.rpc, [each.address for each in opened.wallets]),
        blockhash_age_s=settings.blockhash_age_s,
    )


def choose_poll_s(settings: Settings, opened: OpenedWallets) -> float:
    """How often the node is asked about a new signature, in seconds: by what node it is."""
    return POLL_S[settings.profile] if opened.is_simulated else LIVE_POLL_S


def _build_retry_policy(settings: Settings) -> RetryPolicy:
    wait_ms = round(settings.backoff_s * 1000)
    return RetryPolicy(
        settings.attempts_max,
        wait_ms,
        settings.backoff_jitter,
        settings.outage_wait_s,
        round(settings.limit_cool_down_s * 1000),
    )


def _build_retries(policy: RetryPolicy) -> RetryMiddleware:
    return RetryMiddleware(attempts_max=policy.attempts_max, backoff_s=partial(_backoff_s, policy))


def _backoff_s(policy: RetryPolicy, failures: int) -> float:
    return policy.compute_backoff_ms(failures, chance=0.5, is_bounded=True) / 1000


async def _warn_of_what_is_missing(shared: SharedServices) -> None:
    await warn_of_missing_programs(shared.cluster, shared.rpc)
    try:
        if not await has_history(shared.rpc):
            observe.node_without_history()
    except Unavailable as error:
        observe.chain_query_failed("probe history", error)
