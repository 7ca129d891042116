"""Runs one cell: an empty database, the engine's processes, mixed orders, and the audit."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import aiohttp
from solders.pubkey import Pubkey

from backend.chain.wallet import create_paper_wallet
from backend.config import build_child_environment
from backend.domain.errors import EngineError
from backend.domain.lifecycle import Status
from backend.embedded.engine_processes import EngineProcess, ProcessCommand
from backend.embedded.supervisor import Notice, NoticeKind, supervise
from backend.runtime.background import raise_single_error
from backend.store.migrations import migrate
from backend.trials.audit.clients import (
    UNFILLABLE_AMOUNT,
    ClientObservations,
    Json,
    TrialClient,
    build_order_body,
)
from backend.trials.audit.collector import EvidenceCollector, TrialAddresses, find_unanswered
from backend.trials.audit.evidence import DatabaseSnapshot
from backend.trials.audit.records import Violation, ViolationKind
from backend.trials.audit.rules import audit
from backend.trials.deployments.cells import Cell, NodeKind, RedisKind
from backend.trials.deployments.servers import Servers

UNFILLABLE_EVERY: Final = 10
"""One in so many orders cannot be filled by any venue."""
POST_S: Final = 1.0
"""How long the single orders of a cell are spread over."""
BATCH_SIZES: Final = (2, 3, 40)
SLIPPAGES_BPS: Final = (300, 1_000)
"""Wide: prices move while a limited node lets an order wait, and that must not fail it."""
START_TIMEOUT_S: Final = 120.0
"""Long: how fast a busy machine starts a process is not what a cell is about."""
STOP_TIMEOUT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class LiveWallet:
    """A funded wallet that is not the paper wallet, in a file as ``solana-keygen`` writes it."""

    address: Pubkey
    path: Path


@dataclass(frozen=True, slots=True)
class CellResult:
    """What became of a cell's orders. ``expected_failures``: those that no venue can fill."""

    cell: Cell
    orders: int
    confirmed: int
    expected_failures: int
    violations: Sequence[Violation]
    seconds: float

    def count(self, kind: ViolationKind) -> int:
        """Count the violations of one kind."""
        return sum(violation.kind is kind for violation in self.violations)

    @property
    def has_passed(self) -> bool:
        """Whether every order ended as it should, and everything agrees about it."""
        return not self.violations


@dataclass(slots=True)
class _Observed:
    clients: ClientObservations = field(default_factory=ClientObservations)
    deaths: list[str] = field(default_factory=list)

    def on_notice(self, notice: Notice) -> None:
        if notice.kind is NoticeKind.DIED:
            self.deaths.append(str(notice))


class CellRunner:
    """Runs cells over running servers and a running simulated node."""

    def __init__(
        self,
        servers: Servers,
        chain_url: str,
        wallet: LiveWallet,
        log_dir: Path,
        *,
        seed: int,
        timeout_s: float,
    ) -> None:
        self._servers = servers
        self._chain_url = chain_url
        self._wallet = wallet
        self._log_dir = log_dir
        self._seed = seed
        self._timeout_s = timeout_s

    async def run(self, number: int, cell: Cell, orders: int) -> CellResult:
        """Run a cell; what keeps the engine from starting is a violation too."""
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        observed = _Observed()
        snapshot: DatabaseSnapshot | None = None
        database = f"cell_{number}"
        log_dir = self._log_dir / database
        log_dir.mkdir()
        await self._servers.create_database(database)
        await self._servers.clear_redis(cell.redis)
        try:
            with raise_single_error():
                snapshot, violations = await self._run_orders(
                    cell, database, orders, observed, log_dir
                )
        except EngineError as error:
            violations = [
                Violation(ViolationKind.WRONG, f"the engine does not start: {error.reason}")
            ]
        violations += await self._find_refused_commands(cell)
        violations += [Violation(ViolationKind.WRONG, death) for death in observed.deaths]
        if not violations:
            await self._servers.drop_database(database)
        rows = {} if snapshot is None else snapshot.rows
        unfillable = observed.clients.unfillable
        return CellResult(
            cell,
            len(rows),
            sum(row.status is Status.CONFIRMED for row in rows.values()),
            sum(row.status is Status.FAILED and row.id in unfillable for row in rows.values()),
            violations,
            loop.time() - started_at,
        )

    async def _run_orders(
        self, cell: Cell, database: str, orders: int, observed: _Observed, log_dir: Path
    ) -> tuple[DatabaseSnapshot, list[Violation]]:
        await migrate(self._servers.get_database_url(cell.postgres, database))
        clients = observed.clients
        needs_amounts = cell.node not in {NodeKind.NO_HISTORY, NodeKind.EMPTY_HISTORY}
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            self._run_engine(cell, database, observed, log_dir) as api_url,
            aiohttp.ClientSession(connector=connector) as session,
        ):
            collector = EvidenceCollector(self._locate_evidence(cell, database, api_url), session)
            mark = await collector.record_mark()
            async with collector.record_stream(mark, clients), asyncio.TaskGroup() as group:
                posting = group.create_task(self._post_orders(session, api_url, orders, clients))
                await collector.await_orders_ended(
                    mark, posting, self._timeout_s, needs_amounts=needs_amounts
                )
                snapshot = await collector.fetch_orders(mark, clients)
            evidence = await collector.collect(
                mark,
                snapshot,
                clients,
                {"the stream": clients.stream},
                needs_amounts=needs_amounts,
            )
        violations = [*audit(evidence), *find_unanswered(clients)]
        violations += find_unexpected_ends(snapshot, clients.unfillable)
        return snapshot, violations

    async def _post_orders(
        self,
        session: aiohttp.ClientSession,
        api_url: str,
        orders: int,
        observed: ClientObservations,
    ) -> None:
        """Post singles, batches and orders by WebSocket at the same time."""
        client = TrialClient(
            session,
            api_url,
            "trial",
            Random(self._seed),  # noqa: S311 - repeatable, not secret
            observed,
            build_body=OrderMix().draw,
        )
        by_socket, single = orders // 5, 3 * orders // 10
        async with asyncio.TaskGroup() as group:
            group.create_task(client.post_steadily(single, POST_S))
            group.create_task(client.place_by_sockets(by_socket))
            for size in split_into_batches(orders - single - by_socket):
                group.create_task(client.post_batch(size))

    @asynccontextmanager
    async def _run_engine(
        self, cell: Cell, database: str, observed: _Observed, log_dir: Path
    ) -> AsyncIterator[str]:
        """Run node proxy, worker and API of a cell; yields the address of the API."""
        force_stop = asyncio.Event()
        proxy = self._build_proxy(cell.node, log_dir)
        async with supervise([proxy], on_notice=observed.on_notice, force_stop=force_stop):
            env = self._build_environment(cell, database, proxy.address)
            api = self._build_engine_process("api", ("api", "--port", "0"), env, log_dir)
            worker = self._build_engine_process("worker", ("worker",), env, log_dir)
            async with supervise(
                [worker, api], on_notice=observed.on_notice, force_stop=force_stop
            ):
                yield api.address

    def _locate_evidence(self, cell: Cell, database: str, api_url: str) -> TrialAddresses:
        wallet = self._wallet.address if is_live(cell.node) else create_paper_wallet().address
        return TrialAddresses(
            self._servers.get_admin_url(database), self._chain_url, api_url, wallet
        )

    def _build_environment(self, cell: Cell, database: str, node_url: str) -> Mapping[str, str]:
        """The engine's settings: its defaults, and what a deployment has to set."""
        settings: dict[str, object] = {
            "database_url": self._servers.get_database_url(cell.postgres, database),
            "redis_url": self._servers.get_redis_url(cell.redis),
            "solana_rpc_url": node_url,
            "log_format": "json",
            "shutdown_s": 1,
        }
        if is_live(cell.node):
            live = {"live": 1, "open_access": "live", "wallet_file": self._wallet.path}
            settings |= live
        return build_child_environment(os.environ, **settings)

    def _build_proxy(self, kind: NodeKind, log_dir: Path) -> EngineProcess:
        options = ("--upstream", self._chain_url, "--kind", kind.value, "--seed", str(self._seed))
        argv = (sys.executable, "-m", "backend.trials.deployments.node_proxy", *options)
        command = ProcessCommand("node-proxy", argv, os.environ, START_TIMEOUT_S)
        return EngineProcess(command, log_dir)

    def _build_engine_process(
        self, name: str, argv: tuple[str, ...], env: Mapping[str, str], log_dir: Path
    ) -> EngineProcess:
        argv = (sys.executable, "-m", "backend.cli", *argv)
        command = ProcessCommand(name, argv, env, START_TIMEOUT_S, STOP_TIMEOUT_S)
        return EngineProcess(command, log_dir)

    async def _find_refused_commands(self, cell: Cell) -> list[Violation]:
        if cell.redis is not RedisKind.TLS_ACL:
            return []
        refused = await self._servers.list_refused_commands(cell.redis)
        return [Violation(ViolationKind.WRONG, f"the ACL refused {each}") for each in refused]


class OrderMix:
    """Draws orders of all pairs and both directions; some cannot be filled by any venue."""

    def __init__(self) -> None:
        self._drawn = 0

    def draw(self, random: Random) -> Json:
        """Draw the body of the next order."""
        self._drawn += 1
        body = build_order_body(random, SLIPPAGES_BPS, unfillable_share=0)
        if self._drawn % UNFILLABLE_EVERY == 0:
            body["minAmountOut"] = UNFILLABLE_AMOUNT
        return body


def split_into_batches(orders: int) -> Iterator[int]:
    """Split a number of orders into batches, small ones and large ones."""
    while orders > 0:
        for size in BATCH_SIZES:
            if orders > 0:
                yield min(size, orders)
                orders -= size


def is_live(kind: NodeKind) -> bool:
    """Whether a node is one that the engine takes for a real one."""
    return kind is not NodeKind.HEALTHY


def find_unexpected_ends(snapshot: DatabaseSnapshot, unfillable: set[str]) -> Iterator[Violation]:
    """Find orders that ended otherwise than their terms say, or not with their first attempt.

    Nothing in a cell fails an attempt but servers and nodes, and their faults must not cost any.
    """
    for row in snapshot.rows.values():
        expected = Status.FAILED if row.id in unfillable else Status.CONFIRMED
        failure = snapshot.failure_by_order.get(row.id, "")
        if row.status.is_final and row.status is not expected:
            message = f"order {row.id} is {row.status} instead of {expected} {failure}".rstrip()
            yield Violation(ViolationKind.WRONG, message)
        elif row.attempts > 1:
            message = f"order {row.id} used {row.attempts} attempts {failure}".rstrip()
            yield Violation(ViolationKind.WRONG, message)
