"""One simulated worker: the real components, wired as in production, on modelled servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import cast

import asyncpg
from solders.pubkey import Pubkey

from backend.chain.compute_budget import ComputeBudget
from backend.chain.nodes.node_client import NodeClient
from backend.domain.backoff import backoff_ms
from backend.domain.errors import RetryLater
from backend.domain.tokens import TokenRegistry
from backend.execution.budget.priority_fees import FeePolicy, PriorityFees
from backend.execution.claims.lease_renewer import LeaseRenewer
from backend.execution.confirmation.signature_watch import PollIntervals
from backend.execution.context import Checkpoint, ExecutionContext, RetryPolicy
from backend.execution.executor import Executor
from backend.execution.late_fills import run_late_fills
from backend.execution.submission import TransactionSubmitter
from backend.execution.unsent_limiter import UnsentLimiter
from backend.queue.broker import StreamBroker
from backend.queue.jobs import JobQueue, run_receiver
from backend.queue.messages import JobMessage
from backend.queue.retry import RetryMiddleware
from backend.queue.sweep import run_sweep
from backend.queue.turns import OwnerTurns
from backend.runtime.background import run_in_background
from backend.runtime.commit_notifications import Commit
from backend.store.database import DatabasePool
from backend.store.journal import Journal, LeasePolicy
from backend.store.late_amounts import LateAmountStore
from backend.store.leases import LeaseStore
from backend.store.withdrawals.expiries import Expiries
from backend.store.withdrawals.periodic import run_withdrawals
from backend.venues import MAINNET_VENUES
from tests.simulation.model.job_queue import BrokerModel
from tests.simulation.model.node import WALLET
from tests.simulation.model.notifications import NotificationsModel
from tests.simulation.model.venues import RouterModel

TOKENS = TokenRegistry()


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The settings that the workers of a schedule share."""

    lease_s: float
    sweep_s: float
    rekick_s: float
    attempts_max: int
    backoff_s: float
    backoff_jitter: float
    poll_s: float
    resend_s: float
    outage_wait_s: float
    history_wait_s: float
    shutdown_s: float
    preflight: bool
    unsent_max: int
    owner_jobs_max: int


@dataclass(frozen=True, slots=True)
class WorkerServices:
    """The clients of the modelled servers of one process, and its hooks."""

    pool: DatabasePool
    node: NodeClient
    notifications: NotificationsModel | None
    router: RouterModel
    broker: BrokerModel
    random: Random
    on_checkpoint: Callable[[Checkpoint], None]
    on_unexpected_error: Callable[[Exception], None]
    """Called with an error of a job that is neither a retry nor a database error."""


class NoTimers:
    """No owner has set a timer."""

    async def cancel_due(self) -> int:
        return 0


class SimulatedWorker:
    """A worker process; ``run`` is its main function."""

    def __init__(self, settings: WorkerSettings, services: WorkerServices) -> None:
        self._settings = settings
        self._services = services
        self._stop = asyncio.Event()
        pool = services.pool
        policy = _build_policy(settings)
        lease = LeasePolicy(
            timedelta(seconds=settings.lease_s),
            timedelta(seconds=settings.rekick_s),
            timedelta(milliseconds=policy.wait_max_ms),
        )
        self._leases = LeaseStore(pool, policy=lease, tokens=TOKENS, on_commit=_ignore_commit)
        self._journal = Journal(pool, policy=lease, on_commit=_ignore_commit)
        self._renewer = LeaseRenewer(self._leases, lease_s=settings.lease_s)
        self._submitter = _build_submitter(settings, services)
        self._late_amounts = LateAmountStore(pool, TOKENS)
        self._expiries = Expiries(pool, on_commit=_ignore_commit)
        self._retries = RetryMiddleware(
            attempts_max=settings.attempts_max,
            backoff_s=lambda failures: _backoff_s(policy, failures),
        )
        self._unsent = UnsentLimiter(settings.unsent_max)
        self._turns: OwnerTurns[JobMessage] = OwnerTurns({}, owner_jobs_max=settings.owner_jobs_max)
        self._executor = Executor(
            self._renewer,
            ExecutionContext(
                self._journal,
                services.router,
                self._submitter,
                policy,
                services.random,
                services.on_checkpoint,
            ),
            self._unsent,
            TOKENS,
        )

    def stop(self) -> None:
        """Begin a graceful shutdown, as on SIGTERM."""
        self._stop.set()

    async def run(self) -> None:
        """Execute jobs until stopped, then finish the running ones or release their leases."""
        loops = (self._leases.run, self._journal.run, self._renewer.run, self._submitter.run)
        periodic = (self._ask_for_amounts, self._withdraw)
        async with run_in_background(*loops, self._retries.run, *periodic):
            async with run_in_background(self._sweep):
                await run_receiver(
                    cast(StreamBroker, self._services.broker),
                    self._execute,
                    self._retries,
                    turns=self._turns,
                    waiting_orders=self._executor,
                    capacity=self._unsent,
                    jobs_max=1_000,
                    stop=self._stop,
                    shutdown_s=self._settings.shutdown_s,
                )
            await self._renewer.release_all(self._journal.wait_idle)

    async def _execute(self, order_id: str, terms_text: str | None) -> None:
        try:
            await self._executor.run(order_id, terms_text)
        except (RetryLater, asyncpg.PostgresError):
            raise
        except Exception as error:
            self._services.on_unexpected_error(error)
            raise

    async def _ask_for_amounts(self) -> None:
        random = self._services.random
        await run_late_fills(self._late_amounts, self._submitter, random=random)

    async def _withdraw(self) -> None:
        # Not the process's own: what else that decides depends on the number of its draws.
        await run_withdrawals(self._expiries, NoTimers(), random=Random(1))

    async def _sweep(self) -> None:
        jobs = JobQueue(cast(StreamBroker, self._services.broker))
        random = self._services.random
        interval_s = self._settings.sweep_s
        await run_sweep(self._leases, jobs, self._turns, interval_s=interval_s, random=random)


def _build_policy(settings: WorkerSettings) -> RetryPolicy:
    wait_ms = round(settings.backoff_s * 1000)
    waits = settings.backoff_jitter, settings.outage_wait_s
    return RetryPolicy(settings.attempts_max, wait_ms, *waits)


def _backoff_s(policy: RetryPolicy, failures: int) -> float:
    return backoff_ms(failures, base_ms=policy.backoff_ms, jitter=0, chance=0.5) / 1000


def _ignore_commit(commit: Commit) -> None:
    """The simulation has no subscribers of the feed."""


async def _fetch_no_fees(keys: Sequence[Pubkey]) -> Sequence[int]:
    """The price is fixed: nobody asks."""
    raise AssertionError("a fixed price needs no fees of recent blocks")


def _build_submitter(settings: WorkerSettings, services: WorkerServices) -> TransactionSubmitter:
    return TransactionSubmitter(
        services.node,
        WALLET,
        intervals=PollIntervals(settings.poll_s, settings.resend_s),
        budget=ComputeBudget(),
        fees=PriorityFees(_fetch_no_fees, ComputeBudget(), FeePolicy(is_auto=False)),
        preflight=settings.preflight,
        history_wait_s=settings.history_wait_s,
        venues=MAINNET_VENUES.all,
        notifications=services.notifications,
    )
