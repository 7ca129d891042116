"""The events of archived orders, sorted as the seals of the audit log have hashed them.

They are sorted in a temporary file: memory does not grow with their number.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from backend.domain.times import format_time
from backend.store.archive.errors import ArchiveError
from backend.store.archive.manifest import read_manifest
from backend.store.archive.order_file import read_lines, require_file

EventKey = tuple[int, bytes, int]
"""The transaction, the order and the ``seq`` of an event: seals hash them in this order."""

_CREATE: Final = """
CREATE TABLE events (txid INTEGER, order_id BLOB, seq INTEGER, line TEXT,
                     PRIMARY KEY (txid, order_id, seq)) WITHOUT ROWID
"""
_INSERT: Final = "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?)"
_READ: Final = "SELECT txid, order_id, seq, line FROM events WHERE txid >= ? AND txid < ?"


class ArchivedEvents:
    """The events of the files of some archives; ``sha256s`` are the hashes of the files."""

    def __init__(self, events: sqlite3.Connection) -> None:
        self._events = events
        self.sha256s: set[str] = set()

    def add_archive(self, folder: Path) -> None:
        """Add all files of a folder. Raises ``ArchiveError`` if one is not as it was written."""
        manifest = read_manifest(folder)
        if manifest is None:
            raise ArchiveError(f"{folder} has no archive")
        for file in manifest.files:
            require_file(folder, file)
            for line in read_lines(folder / file.name):
                try:
                    events = list(_format_events(line.parse()))
                except (AttributeError, KeyError, TypeError, ValueError):
                    reason = f"{folder / file.name}: the order {line.order_id} cannot be read"
                    raise ArchiveError(reason) from None
                self._events.executemany(_INSERT, events)
            self.sha256s.add(file.sha256)
        self._events.commit()

    def read(self, first_txid: int, end_txid: int) -> dict[EventKey, str]:
        """The lines of the events of a range of transactions."""
        rows: Iterable[tuple[int, bytes, int, str]] = self._events.execute(
            _READ, (first_txid, end_txid)
        )
        return {(txid, order_id, seq): line for txid, order_id, seq, line in rows}


@contextmanager
def open_archives(folders: Iterable[Path]) -> Iterator[ArchivedEvents]:
    """The events of archives, for the length of a block.

    Raises ``ArchiveError``, also if the folder of temporary files does not take them.
    """
    with (
        tempfile.TemporaryDirectory(prefix="order-engine-archive-") as folder,
        closing(sqlite3.connect(Path(folder) / "events.sqlite")) as events,
    ):
        events.execute("PRAGMA synchronous = OFF")
        events.execute(_CREATE)
        archived = ArchivedEvents(events)
        try:
            for each in folders:
                archived.add_archive(each)
        except sqlite3.OperationalError as error:
            reason = f"events cannot be sorted in {tempfile.gettempdir()} (TMPDIR): {error}"
            raise ArchiveError(reason) from None
        yield archived


def _format_events(parsed: dict[str, Any]) -> Iterator[tuple[int, bytes, int, str]]:
    """The events of an order with their lines in the text that seals hash."""
    order = parsed["order"]
    order_id = UUID(order["id"])
    for event in parsed["events"]:
        at = format_time(datetime.fromisoformat(event["at"]))
        words = (
            *(event["txid"], order_id, event["seq"], event["status"], at, event["attempt"]),
            *(order["request_hash"].removeprefix("\\x"), order["owner"], event["data"]),
        )
        yield event["txid"], order_id.bytes, event["seq"], " ".join(map(str, words))
