"""One simulated worker: the real parts, wired as in production, on modelled servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import cast

import asyncpg

from backend.chain.transactions import Budget
from backend.domain.errors import RetryLater
from backend.domain.lifecycle import backoff_ms
from backend.domain.tokens import Tokens
from backend.execution.context import Means, Point, Policy
from backend.execution.executor import Executor
from backend.execution.lease_renewer import Keeper
from backend.execution.submission import Node, Pace, Submission
from backend.execution.unsent_limiter import Unsent
from backend.queue.broker import StreamBroker
from backend.queue.jobs import Jobs, receive
from backend.queue.retry import RetryMiddleware
from backend.queue.sweep import sweep
from backend.runtime.background import running
from backend.store.database import Pool
from backend.store.journal import Journal, LeaseTerms
from backend.store.leases import Leases
from tests.simulation.jobs import Broker
from tests.simulation.market import Market
from tests.simulation.node import WALLET

TOKENS = Tokens()


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings that the workers of a schedule share."""

    lease_s: float
    sweep_s: float
    rekick_s: float
    attempts_max: int
    backoff_s: float
    backoff_jitter: float
    poll_s: float
    resend_s: float
    shutdown_s: float
    preflight: bool
    unsent_max: int


@dataclass(frozen=True, slots=True)
class Outside:
    """The servers as one process reaches them."""

    pool: Pool
    node: Node
    market: Market
    broker: Broker
    random: Random
    reached: Callable[[Point], None]
    failed: Callable[[Exception], None]
    """Told what a job ended with that nobody planned."""


class Worker:
    """A worker process; ``run`` is its life."""

    def __init__(self, terms: Terms, outside: Outside) -> None:
        self._terms = terms
        self._outside = outside
        self._stop = asyncio.Event()
        pool = outside.pool
        lease = LeaseTerms(timedelta(seconds=terms.lease_s), timedelta(seconds=terms.rekick_s))
        self._leases = Leases(pool, terms=lease, tokens=TOKENS, committed=_unheard)
        self._journal = Journal(pool, terms=lease, committed=_unheard)
        self._keeper = Keeper(self._leases, lease_s=terms.lease_s)
        pace = Pace(terms.poll_s, terms.resend_s)
        self._submission = Submission(
            outside.node, WALLET, pace=pace, budget=Budget(), preflight=terms.preflight
        )
        policy = Policy(terms.attempts_max, round(terms.backoff_s * 1000), terms.backoff_jitter)
        self._retries = RetryMiddleware(
            attempts_max=terms.attempts_max,
            backoff_s=lambda failures: _backoff_s(policy, failures),
        )
        self._unsent = Unsent(terms.unsent_max)
        self._executor = Executor(
            self._keeper,
            Means(
                self._journal,
                outside.market,
                self._submission,
                policy,
                outside.random,
                outside.reached,
            ),
            self._unsent,
        )

    def stop(self) -> None:
        """What SIGTERM does."""
        self._stop.set()

    async def run(self) -> None:
        """Work until stopped, then finish what runs or hand it back."""
        runs = (self._leases.run, self._journal.run, self._keeper.run, self._submission.run)
        async with running(*runs, self._retries.run):
            async with running(self._sweep):
                await receive(
                    cast(StreamBroker, self._outside.broker),
                    self._execute,
                    self._retries,
                    jobs_max=1_000,
                    room=self._unsent.room,
                    stop=self._stop,
                    shutdown_s=self._terms.shutdown_s,
                )
            await self._keeper.hand_back(self._journal.idle)

    async def _execute(self, order_id: str) -> None:
        try:
            await self._executor.run(order_id)
        except (RetryLater, asyncpg.PostgresError):
            raise
        except Exception as error:
            self._outside.failed(error)
            raise

    async def _sweep(self) -> None:
        jobs = Jobs(cast(StreamBroker, self._outside.broker))
        random = self._outside.random
        await sweep(self._leases, jobs, interval_s=self._terms.sweep_s, random=random)


def _backoff_s(policy: Policy, failures: int) -> float:
    return backoff_ms(failures, base_ms=policy.backoff_ms, jitter=0, chance=0.5) / 1000


def _unheard(txid: int) -> None:
    """Nobody reads the feed here."""
