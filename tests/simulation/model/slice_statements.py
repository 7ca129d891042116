"""The statements of TWAP orders as a server runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol
from uuid import UUID

from backend.domain.lifecycle import Status
from backend.store.waiting import slice_statements
from tests.simulation.model import slices
from tests.simulation.model.database import DatabaseModel
from tests.simulation.model.rows import EVENT_COLUMNS
from tests.simulation.model.trace import Trace

Row = dict[str, Any]

LIST_SLICED: Final = "the TWAP orders that wait"
"""What a process reads that takes a shard, in place of the statement that loads it."""


class SliceServer(Protocol):
    """The server, as far as these statements need it."""

    database: DatabaseModel
    trace: Trace
    on_placed: Callable[[UUID], None]

    def now(self) -> float:
        """The time of the server's clock."""
        ...


def _run_load_sliced(server: SliceServer, args: Sequence[Any], client: str) -> list[Row]:
    return slices.load_sliced(server.database, server.now(), args[0])


def _run_place_slices(server: SliceServer, args: Sequence[Any], client: str) -> list[Row]:
    *columns, rekick, _, _ = args
    writes = slices.parse_slices(columns)
    placed = slices.place_slices(server.database, server.now(), writes, rekick.total_seconds())
    for row in placed:
        server.on_placed(row["id"])
    server.trace.add(client, "places", len(placed), "of", len(writes))
    return [{**EVENT_COLUMNS, **row} for row in placed]


def _run_end_sliced(server: SliceServer, args: Sequence[Any], client: str) -> list[Row]:
    ended = slices.end_sliced(server.database, server.now(), args)
    for row in ended:
        server.trace.add(client, "ends", row["id"], row["status"])
    return [{**EVENT_COLUMNS, **row} for row in ended]


def _run_list_sliced(server: SliceServer, args: Sequence[Any], client: str) -> list[Row]:
    rows = [row for row in server.database.rows.values() if slices.is_sliced(row)]
    return [{"row": row} for row in rows if row.status is Status.WAITING]


SLICE_STATEMENTS: Final[dict[str, Callable[[SliceServer, Sequence[Any], str], list[Row]]]] = {
    slice_statements.LOAD: _run_load_sliced,
    slice_statements.PLACE: _run_place_slices,
    slice_statements.END: _run_end_sliced,
    LIST_SLICED: _run_list_sliced,
}
