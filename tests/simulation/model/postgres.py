"""PostgreSQL as a simulated process sees it: a pool whose statements run on the model.

The journal and the lease store are the real ones; only the server is modelled.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, cast
from uuid import UUID

import asyncpg

from backend.store import journal, late_amounts
from backend.store.database import DatabasePool
from backend.store.leases import lease_store
from backend.store.leases.outage_waits import OutageWaited
from backend.store.trading import held_orders
from backend.store.withdrawals import expired_submissions, expiries
from tests.simulation.model.database import DatabaseModel
from tests.simulation.model.network import NetworkFaults, NetworkPath
from tests.simulation.model.rows import EVENT_COLUMNS, LeaseKey
from tests.simulation.model.slice_statements import SLICE_STATEMENTS
from tests.simulation.model.trace import Trace
from tests.simulation.model.transition_write import (
    TransitionWrite,
    join_rows,
    parse_children,
    parse_writes,
)

ResultRow = dict[str, Any]
StatementArgs = Sequence[Any]

TIMEOUT_MAX_S = 3.0


@dataclass(slots=True)
class StatementFaults:
    """How often a statement fails at the server."""

    conflict_chance: float = 0.0
    """The chance of a deadlock, or that the rows were locked."""
    disk_full_chance: float = 0.0
    """The chance that the disk is full for a write."""


@dataclass(frozen=True, slots=True)
class ServerClock:
    """The server's own clock, with an offset to the workers' clocks and a drift."""

    ahead_s: float
    rate: float

    def at(self, time: float) -> float:
        return self.ahead_s + time * self.rate


class PostgresServer:
    """The database server. ``on_statement`` is called after every statement.

    ``on_placed`` is called with each slice that was placed.
    """

    def __init__(
        self, database: DatabaseModel, clock: ServerClock, random: Random, trace: Trace
    ) -> None:
        self.database = database
        self.network = NetworkFaults(latency_max_s=0.01)
        self.statement_faults = StatementFaults()
        self.on_statement: Callable[[], None] = lambda: None
        self.on_placed: Callable[[UUID], None] = lambda _: None
        self.trace = trace
        self.clock_step_s = 0.0
        """By how much its clock was set since the start."""
        self._clock = clock
        self._random = random
        self._txid = 0

    def open_pool(self, client: str, random: Random) -> DatabasePool:
        """Open the connection pool of one process."""
        path = NetworkPath(self.network, random, make_connection_error, timeout_max_s=TIMEOUT_MAX_S)
        return cast(DatabasePool, _Pool(self, path, client))

    def now(self) -> float:
        """Return the time of the server's clock."""
        return self._clock.at(self.trace.now()) + self.clock_step_s

    def execute(self, sql: str, args: StatementArgs, client: str) -> list[ResultRow]:
        """Execute one statement in a transaction of its own."""
        is_conflict = self._random.random() < self.statement_faults.conflict_chance
        if is_conflict and sql in (lease_store._CLAIM, lease_store._CLAIM_WAITING):
            return []
        if is_conflict:
            raise asyncpg.DeadlockDetectedError("deadlock detected")
        if (
            sql in (journal._RECORD_TRANSITIONS, journal._RECORD_CONFIRMATIONS)
            and self._random.random() < self.statement_faults.disk_full_chance
        ):
            self.trace.add(client, "finds the disk full")
            raise asyncpg.DiskFullError("could not extend file: no space left on device")
        self._txid += 1
        rows = _STATEMENTS[sql](self, args, client)
        self.on_statement()
        return [{**row, "txid": self._txid} for row in rows]


def make_connection_error() -> Exception:
    """Create the error of a client whose connection broke."""
    return asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


class _Connection:
    def __init__(self, server: PostgresServer, path: NetworkPath, client: str) -> None:
        self._server = server
        self._path = path
        self._client = client

    async def fetch(self, sql: str, *args: Any) -> list[ResultRow]:
        return await self._path.request(lambda: self._server.execute(sql, args, self._client))

    execute = fetch


class _Pool:
    def __init__(self, server: PostgresServer, path: NetworkPath, client: str) -> None:
        self.connection = _Connection(server, path, client)
        self.fetch = self.connection.fetch
        self.execute = self.connection.execute

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[_Connection]:
        yield self.connection


def _run_claim(server: PostgresServer, args: StatementArgs, client: str) -> list[ResultRow]:
    ids, _, lease, ahead = args
    rows = []
    now, seconds = server.now(), (lease.total_seconds(), ahead.total_seconds())
    for row, is_first in server.database.claim(now, ids, *seconds, holder=client):
        server.trace.add(client, "claims", row.id, row.status, f"epoch {row.epoch}")
        rows.append({**row.to_claim_result(now, is_first), **EVENT_COLUMNS, "owner": row.owner})
    return rows


def _run_claim_waiting(server: PostgresServer, args: StatementArgs, client: str) -> list[ResultRow]:
    owners, _, lease, limits, since, ahead = args
    now, seconds = server.now(), (lease.total_seconds(), ahead.total_seconds())
    rows = []
    for row, is_first in server.database.claim_waiting(
        now,
        dict(zip(owners, limits, strict=True)),
        dict(zip(owners, since, strict=True)),
        *seconds,
        holder=client,
    ):
        epoch = f"epoch {row.epoch} from its row"
        server.trace.add(client, "claims", row.id, row.status, epoch)
        rows.append({**row.to_claim_result(now, is_first), **EVENT_COLUMNS, "owner": row.owner})
    return rows


def _run_renew(server: PostgresServer, args: StatementArgs, client: str) -> list[ResultRow]:
    *keys, lease = args
    seconds = lease.total_seconds()
    renewed = server.database.renew(
        server.now(), _parse_keys(keys[:2]), seconds, _parse_waits(keys)
    )
    server.trace.add(client, "renews", renewed)
    return _id_rows(renewed)


def _run_release(server: PostgresServer, args: StatementArgs, client: str) -> list[ResultRow]:
    server.database.release(server.now(), _parse_keys(args[:2]), _parse_waits(args))
    server.trace.add(client, "releases", args[0])
    return []


def _run_sweep(server: PostgresServer, args: StatementArgs, client: str) -> list[ResultRow]:
    [ahead] = args
    owners = server.database.find_overdue_owners(server.now(), ahead.total_seconds())
    if owners:
        server.trace.add(client, "sweeps", owners)
    return [{"owner": owner} for owner in owners]


def _run_record(server: PostgresServer, args: StatementArgs, client: str) -> list[ResultRow]:
    columns, (lease, rekick) = args[:27], args[27:29]
    writes = parse_writes(columns)
    seconds = lease.total_seconds(), rekick.total_seconds()
    moved = server.database.record(server.now(), writes, *seconds, holder=client)
    _trace_writes(server, client, writes, moved)
    return _epoch_rows(server, moved)


def _run_record_confirmations(
    server: PostgresServer, args: StatementArgs, client: str
) -> list[ResultRow]:
    columns, (lease, rekick) = args[:27], args[27:29]
    writes, children = parse_writes(columns), parse_children(args[32:])
    seconds = lease.total_seconds(), rekick.total_seconds()
    moved = server.database.record_confirmations(server.now(), writes, children, *seconds)
    _trace_writes(server, client, writes, moved)
    counts = {"cancelled_count": 0, "placed_count": len(children)}
    return [{**row, **counts} for row in _epoch_rows(server, moved)]


def _trace_writes(
    server: PostgresServer, client: str, writes: Sequence[TransitionWrite], moved: Sequence[UUID]
) -> None:
    for write in writes:
        verb = "records" if write.id in moved else "may not record"
        description = f"{write.status} at seq {write.seq} of epoch {write.epoch}"
        server.trace.add(client, verb, write.id, description, (write.tx_hash or "")[:6])


def _run_find_recorded(server: PostgresServer, args: StatementArgs, client: str) -> list[ResultRow]:
    found = server.database.find_recorded(join_rows(args))
    server.trace.add(client, "finds recorded", found)
    return _epoch_rows(server, found)


def _run_find_expired(server: PostgresServer, args: StatementArgs, client: str) -> list[ResultRow]:
    keys = [LeaseKey(*values) for values in zip(args[0], args[1], strict=True)]
    found = server.database.find_expired(server.now(), keys, args[2])
    server.trace.add(client, "finds expired", found)
    return _epoch_rows(server, found)


def _run_expire(server: PostgresServer, args: StatementArgs, client: str) -> list[ResultRow]:
    expired = server.database.expire_due(server.now(), args[2])
    if expired:
        server.trace.add(client, "expires", expired)
    return _id_rows(expired)


def _parse_keys(columns: StatementArgs) -> list[LeaseKey]:
    return [LeaseKey(*values) for values in zip(*columns, strict=True)]


def _parse_waits(columns: StatementArgs) -> dict[UUID, OutageWaited]:
    ids, _, *waits = columns
    found = zip(ids, *waits, strict=True)
    return {each: OutageWaited(wait, code) for each, wait, code in found if wait is not None}


def _run_take_due(server: PostgresServer, args: StatementArgs, client: str) -> list[ResultRow]:
    limit, interval, interval_max, _ = args
    seconds = interval.total_seconds(), interval_max.total_seconds()
    taken = server.database.take_due_amounts(server.now(), limit, *seconds)
    if taken:
        server.trace.add(client, "asks for the amounts of", [row.id for row in taken])
    return [
        {
            **row.to_claim_result(server.now(), is_first=False),
            "tx_hash": row.tx_hash,
        }
        for row in taken
    ]


def _run_store_amounts(server: PostgresServer, args: StatementArgs, client: str) -> list[ResultRow]:
    children = parse_children(args[7:])
    for order_id, amount_out, price, network_fee in zip(*args[:4], strict=True):
        amount = order_id, int(amount_out), str(price), network_fee
        server.database.store_amount(server.now(), *amount, children)
        server.trace.add(client, "stores the amount of", order_id)
    return []


def _id_rows(ids: Sequence[UUID]) -> list[ResultRow]:
    return [{"id": order_id} for order_id in ids]


def _epoch_rows(server: PostgresServer, ids: Sequence[UUID]) -> list[ResultRow]:
    rows = [server.database.rows[each] for each in ids]
    names = "id", "epoch", "dex", "tx_hash"
    return [{**{each: getattr(row, each) for each in names}, **EVENT_COLUMNS} for row in rows]


_STATEMENTS: dict[str, Callable[[PostgresServer, StatementArgs, str], list[ResultRow]]] = {
    lease_store._CLAIM: _run_claim,
    lease_store._RENEW: _run_renew,
    lease_store._RELEASE: _run_release,
    lease_store._CLAIM_WAITING: _run_claim_waiting,
    lease_store._FIND_OVERDUE_OWNERS: _run_sweep,
    journal._RECORD_TRANSITIONS: _run_record,
    journal._RECORD_CONFIRMATIONS: _run_record_confirmations,
    journal._FIND_RECORDED: _run_find_recorded,
    expired_submissions._FIND_EXPIRED: _run_find_expired,
    held_orders._FIND_HELD: lambda server, args, client: [],  # nothing is halted here
    expiries._EXPIRE_ORDERS: _run_expire,
    late_amounts._TAKE_DUE: _run_take_due,
    late_amounts._STORE: _run_store_amounts,
    **SLICE_STATEMENTS,
    late_amounts._STORE_WITH_CHILDREN: _run_store_amounts,
}
