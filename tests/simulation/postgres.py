"""PostgreSQL as a simulated process sees it: a pool whose statements act on the model.

The journal and the leases are the real ones; only what would be on the server is not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, cast
from uuid import UUID

import asyncpg

from backend.domain.lifecycle import Status
from backend.store import journal, leases
from backend.store.database import Pool
from tests.simulation.database import Database, Key, Row, Write
from tests.simulation.network import Way, Weather
from tests.simulation.trace import Trace

Record = dict[str, Any]
Args = Sequence[Any]

PATIENCE_S = 3.0


@dataclass(slots=True)
class Troubles:
    """How often a statement comes to nothing at the server."""

    busy: float = 0.0
    """It lost to another, or the rows that it wanted were locked."""
    full: float = 0.0
    """Nothing more can be written."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The server's own clock: it is neither that of the workers nor quite as fast."""

    ahead_s: float
    rate: float

    def at(self, time: float) -> float:
        return self.ahead_s + time * self.rate


class Server:
    """The database server. ``changed`` is called after every statement."""

    def __init__(self, database: Database, clock: Clock, random: Random, trace: Trace) -> None:
        self.database = database
        self.weather = Weather(slowest_s=0.01)
        self.troubles = Troubles()
        self.changed: Callable[[], None] = lambda: None
        self.trace = trace
        self._clock = clock
        self._random = random
        self._txid = 0

    def pool(self, who: str, random: Random) -> Pool:
        """A pool of connections of one process."""
        way = Way(self.weather, random, gone, patience_s=PATIENCE_S)
        return cast(Pool, _Pool(self, way, who))

    def now(self) -> float:
        """The time by the server's clock."""
        return self._clock.at(self.trace.now())

    def run(self, sql: str, args: Args, who: str) -> list[Record]:
        """Execute one statement in a transaction of its own."""
        is_unlucky = self._random.random() < self.troubles.busy
        if is_unlucky and sql == leases._CLAIM:
            return []
        if is_unlucky:
            raise asyncpg.DeadlockDetectedError("deadlock detected")
        if sql == journal._RECORD and self._random.random() < self.troubles.full:
            self.trace.note(who, "finds the disk full")
            raise asyncpg.DiskFullError("could not extend file: no space left on device")
        self._txid += 1
        rows = _STATEMENTS[sql](self, args, who)
        self.changed()
        return [{**row, "txid": self._txid} for row in rows]


def gone() -> Exception:
    """What a client gets whose connection broke."""
    return asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


class _Connection:
    def __init__(self, server: Server, way: Way, who: str) -> None:
        self._server = server
        self._way = way
        self._who = who

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        return await self._way.ask(lambda: self._server.run(sql, args, self._who))

    execute = fetch


class _Pool:
    def __init__(self, server: Server, way: Way, who: str) -> None:
        self.connection = _Connection(server, way, who)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[_Connection]:
        yield self.connection


def _claim(server: Server, args: Args, who: str) -> list[Record]:
    ids, _, lease = args
    rows = []
    lease_s = lease.total_seconds()
    for row, is_first in server.database.claim(server.now(), ids, lease_s, who=who):
        server.trace.note(who, "claims", row.id, row.status, f"epoch {row.epoch}")
        rows.append(_claimed(row, is_first))
    return rows


def _claimed(row: Row, is_first: bool) -> Record:
    terms = row.terms
    return {
        "id": row.id,
        "type": terms.type,
        "token_in": terms.token_in.symbol,
        "token_out": terms.token_out.symbol,
        "amount_in": terms.amount_in,
        "min_amount_out": terms.min_amount_out,
        "slippage_bps": terms.slippage_bps,
        "status": row.status,
        "seq": row.seq,
        "attempts": row.attempts,
        "epoch": row.epoch,
        "dex": row.dex,
        "tx_hash": row.tx_hash,
        "signed_tx": row.signed_tx,
        "last_valid_height": row.last_valid_height,
        "is_first": is_first,
    }


def _renew(server: Server, args: Args, who: str) -> list[Record]:
    *keys, lease = args
    held = server.database.renew(server.now(), _keys(keys), lease.total_seconds())
    server.trace.note(who, "renews", held)
    return _ids(held)


def _release(server: Server, args: Args, who: str) -> list[Record]:
    server.database.release(server.now(), _keys(args))
    server.trace.note(who, "releases", args[0])
    return []


def _sweep(server: Server, args: Args, who: str) -> list[Record]:
    limit, rekick, patience = args
    found = server.database.sweep(
        server.now(), limit, rekick.total_seconds(), patience.total_seconds()
    )
    if found:
        server.trace.note(who, "sweeps", found)
    return _ids(found)


def _record(server: Server, args: Args, who: str) -> list[Record]:
    *columns, lease, rekick, _ = args
    writes = writes_of(columns)
    seconds = lease.total_seconds(), rekick.total_seconds()
    moved = server.database.record(server.now(), writes, *seconds)
    for write in writes:
        verb = "records" if write.id in moved else "may not record"
        what = f"{write.status} at seq {write.seq} of epoch {write.epoch}"
        server.trace.note(who, verb, write.id, what, (write.tx_hash or "")[:6])
    return _stand(server, moved)


def _recorded(server: Server, args: Args, who: str) -> list[Record]:
    keys = [Key(*values) for values in zip(args[0], args[1], strict=True)]
    found = server.database.recorded(keys, args[2], args[3])
    server.trace.note(who, "finds recorded", found)
    return _stand(server, found)


def writes_of(columns: Sequence[Sequence[Any]]) -> list[Write]:
    """The rows that the journal writes, from the columns of its statement."""
    return [_write(values) for values in zip(*columns, strict=True)]


def _write(values: Sequence[Any]) -> Write:
    order_id, epoch, seq, via, via_attempt, via_data, *step = values
    status, attempt, data, dex, _, tx_hash, signed_tx, *rest = step
    height, amount_out, price, last_error, wait_ms, kept = rest
    return Write(
        order_id,
        epoch,
        seq,
        None if via is None else Status(via),
        via_attempt,
        via_data,
        Status(status),
        attempt,
        data,
        None if dex is None else str(dex),
        tx_hash,
        signed_tx,
        height,
        None if amount_out is None else int(amount_out),
        None if price is None else str(price),
        last_error,
        wait_ms,
        kept,
    )


def _keys(columns: Args) -> list[Key]:
    return [Key(*values) for values in zip(*columns, strict=True)]


def _ids(ids: Sequence[UUID]) -> list[Record]:
    return [{"id": order_id} for order_id in ids]


def _stand(server: Server, ids: Sequence[UUID]) -> list[Record]:
    return [{"id": each, "epoch": server.database.rows[each].epoch} for each in ids]


_STATEMENTS: dict[str, Callable[[Server, Args, str], list[Record]]] = {
    leases._CLAIM: _claim,
    leases._RENEW: _renew,
    leases._RELEASE: _release,
    leases._SWEEP: _sweep,
    journal._RECORD: _record,
    journal._RECORDED: _recorded,
}
