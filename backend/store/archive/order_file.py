"""A file of an archive: a line of JSON for each order with its events, compressed by gzip.

The lines are text as PostgreSQL has made it, so that a row can be compared with its line. Files of
this kind are read by everything: ``zcat | jq``, DuckDB, pandas, and Parquet is made of them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from backend.store.archive.errors import ArchiveError
from backend.store.archive.manifest import ArchiveFile, flush_folder

LEVEL: Final = 4
"""Of gzip: higher ones take several times as long for some percent."""
_BLOCK_BYTES: Final = 1 << 20


class ArchivedLine(NamedTuple):
    """An order of a file, with its line."""

    order_id: UUID
    text: str

    def parse(self) -> dict[str, Any]:
        """The ``order`` with all its columns, and its ``events``."""
        parsed: dict[str, Any] = json.loads(self.text)
        return parsed


async def write_file(
    folder: Path, number: int, chunks: AsyncIterator[Sequence[ArchivedLine]]
) -> ArchiveFile:
    """Write orders to a file of a folder; it is on the disk when this returns.

    Its name has the beginning of its hash. Raises ``ArchiveError`` if the disk does not take it.
    """
    partial = folder / f"orders-{number:06}.partial"
    orders, events, last_txid = 0, 0, -(2**63)
    try:
        with partial.open("wb") as raw:
            with gzip.GzipFile(
                fileobj=raw, mode="wb", compresslevel=LEVEL, filename="", mtime=0
            ) as f:
                async for lines in chunks:
                    for line in lines:
                        f.write(line.text.encode() + b"\n")
                        txids = [each["txid"] for each in line.parse()["events"]]
                        events, last_txid = events + len(txids), max([last_txid, *txids])
                    orders += len(lines)
            raw.flush()
            os.fsync(raw.fileno())
        sha256 = hash_file(partial)
        name = f"orders-{number:06}-{sha256[:12]}.jsonl.gz"
        partial.replace(folder / name)
        flush_folder(folder)
    except OSError as error:
        raise ArchiveError(f"{folder} cannot be written: {error.strerror}") from None
    return ArchiveFile(number, name, sha256, orders, events, last_txid)


def hash_file(path: Path) -> str:
    """The SHA-256 of a file. Raises ``OSError``."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def require_file(folder: Path, file: ArchiveFile) -> None:
    """Raise ``ArchiveError`` unless a file is there as it was written."""
    path = folder / file.name
    try:
        found = hash_file(path)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror}") from None
    if found != file.sha256:
        raise ArchiveError(f"{path} is not as it was written: its SHA-256 is {found}")


def read_lines(path: Path) -> Iterator[ArchivedLine]:
    """The orders of a file, one after the other. Raises ``ArchiveError``."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            for number, text in enumerate(file, 1):
                try:
                    order_id = UUID(json.loads(text)["order"]["id"])
                except (KeyError, TypeError, ValueError):
                    raise ArchiveError(f"{path}: line {number} is no order") from None
                yield ArchivedLine(order_id, text.rstrip("\n"))
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise ArchiveError(f"{path} cannot be read: {error}") from None
