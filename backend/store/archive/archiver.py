"""The archiver: writes ended orders to files, and removes the rows that are safely there.

Whenever it is killed, the next run goes on: a file is on the disk and in the manifest before it is
noted in the database, and noted before the first of its orders is removed. What is not noted has
all its orders in the tables. Each order is removed in the transaction that notes it as archived.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from operator import attrgetter
from pathlib import Path
from time import perf_counter
from typing import Final
from uuid import UUID

from backend.store.archive.ended_orders import EndedOrders
from backend.store.archive.errors import ArchiveError
from backend.store.archive.manifest import (
    ArchiveFile,
    Manifest,
    list_unnamed,
    make_folder,
    read_manifest,
    remove_partials,
    set_aside,
    write_manifest,
)
from backend.store.archive.order_file import (
    ArchivedLine,
    read_lines,
    require_file,
    write_file,
)
from backend.store.archive.row_removal import RowRemoval, is_same
from backend.store.audit_log.entries import Actor
from backend.store.database import DatabasePool
from backend.store.errors import DATABASE_ERRORS, translate_errors

FILE_ORDERS: Final = 10_000
STEP_ORDERS: Final = 500
"""So many orders are read by a statement, and removed by a transaction, in some 0.1 s."""
PAUSE_PER_STEP: Final = 1.0
"""How long a pause is after a step, as a multiple of it: at most half of a connection's time."""

LOCK: Final = "SELECT pg_try_advisory_xact_lock(1868916789)"
IS_ARCHIVING: Final = "another archive of this database is being written"
_IS_HELD: Final = "SELECT 1"
_NO_IDLE_TIMEOUT: Final = "SET LOCAL idle_in_transaction_session_timeout = 0"


class Archiver:
    """Archives orders of a journal to a folder. Raises ``ArchiveError`` and ``Transient``."""

    def __init__(
        self,
        pool: DatabasePool,
        folder: Path,
        *,
        journal_id: UUID,
        actor: Actor,
        on_file: Callable[[ArchiveFile, int], None],
        file_orders: int = FILE_ORDERS,
    ) -> None:
        """``on_file`` is called with each file once its orders are removed, and how many were."""
        self._pool = pool
        self._folder = folder
        self._journal = str(journal_id)
        self._actor = actor
        self._on_file = on_file
        self._file_orders = file_orders
        self._removal = RowRemoval(pool)

    async def run(self, ended: EndedOrders) -> int:
        """Finish what an earlier run has left, and archive what is ended; returns how many."""
        async with self._hold_lock() as require_lock:
            manifest = await self._prepare()
            count = await self._finish(manifest)
            async for ids in _collect(ended.walk(), self._file_orders):
                await require_lock()
                file = await self._write(ids)
                await self._removal.note_file(self._folder, file, ids, self._actor)
                count += await self._remove(file)
            return count

    @asynccontextmanager
    async def _hold_lock(self) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Be the only archiver of the database for the length of a block."""
        async with self._pool.acquire() as holder:
            transaction = holder.transaction(isolation="read_committed")

            async def take_lock() -> None:
                await transaction.start()
                await holder.execute(_NO_IDLE_TIMEOUT)
                if not await holder.fetchval(LOCK):
                    raise ArchiveError(IS_ARCHIVING)

            async def require_lock() -> None:
                await translate_errors(partial(holder.fetchval, _IS_HELD))

            try:
                await translate_errors(take_lock)
                yield require_lock
            finally:
                # The end of the connection is no other error, and hides none.
                with suppress(*DATABASE_ERRORS):
                    await transaction.rollback()

    async def _prepare(self) -> Manifest:
        """The manifest of the folder, which names all files of orders there."""
        try:
            make_folder(self._folder)
            manifest = read_manifest(self._folder)
            if manifest is None:
                manifest = Manifest(self._journal)
                write_manifest(self._folder, manifest)
            if manifest.journal != self._journal:
                raise ArchiveError(f"{self._folder} is the archive of another database")
            remove_partials(self._folder)
            return await self._name_files(manifest)
        except OSError as error:
            raise ArchiveError(f"{self._folder} cannot be written: {error.strerror}") from None

    async def _name_files(self, manifest: Manifest) -> Manifest:
        """Name files that are not in the manifest, as when it was replaced by an earlier one.

        One that the database does not know was written by a process that was killed: it is set
        aside, as it may be of a state of the database that was restored since.
        """
        unnamed = list_unnamed(self._folder, manifest)
        if not unnamed:
            return manifest
        noted = {file.name: file for file in await self._removal.read_files()}
        found = [noted[path.name] for path in unnamed if path.name in noted]
        for path in unnamed:
            if path.name not in noted:
                set_aside(path)
        for file in found:
            require_file(self._folder, file)
        if found:
            files = sorted([*manifest.files, *found], key=attrgetter("number"))
            manifest = replace(manifest, files=files)
            write_manifest(self._folder, manifest)
        return manifest

    async def _finish(self, manifest: Manifest) -> int:
        """Remove what is in files and still in the tables."""
        count = 0
        unfinished = await self._removal.read_unfinished()
        for archive, file in unfinished:
            if file not in manifest.files:
                reason = f"{archive}/{file.name} was not finished, and is not in {self._folder}"
                raise ArchiveError(
                    f"{reason}: archive to the folder where it is, or, if that is lost, see what"
                    f" `order-engine archive forget {file.number}` says"
                )
            count += await self._remove(file)
        noted = set(await self._removal.read_numbers())
        for file in manifest.files:
            if file.number not in noted:
                ids = await self._require_unchanged(file)
                await self._removal.note_file(self._folder, file, ids, self._actor)
                count += await self._remove(file)
        return count

    async def _require_unchanged(self, file: ArchiveFile) -> list[UUID]:
        """The orders of a file that is not noted: all of them are in the tables as there."""
        require_file(self._folder, file)
        ids = []
        for lines in self._read_chunks(file):
            rows = await self._removal.read_lines([line.order_id for line in lines])
            now = {row.order_id: row.text for row in rows}
            for line in lines:
                if line.order_id not in now or not is_same(now[line.order_id], line.text):
                    reason = f"{file.name} has another state of the order {line.order_id}"
                    raise ArchiveError(
                        f"{reason}; was the database restored? Archive to another folder"
                    )
            ids += [line.order_id for line in lines]
        return ids

    async def _write(self, ids: Sequence[UUID]) -> ArchiveFile:
        """A file with orders, which is in the manifest when this returns."""
        manifest = read_manifest(self._folder)
        assert manifest is not None
        noted = await self._removal.read_numbers()
        number = max([0, *noted, *(each.number for each in manifest.files)]) + 1
        file = await write_file(self._folder, number, self._read_rows(ids))
        write_manifest(self._folder, replace(manifest, files=[*manifest.files, file]))
        return file

    async def _read_rows(self, ids: Sequence[UUID]) -> AsyncIterator[Sequence[ArchivedLine]]:
        for start in range(0, len(ids), STEP_ORDERS):
            started_s = perf_counter()
            yield await self._removal.read_lines(ids[start : start + STEP_ORDERS])
            await asyncio.sleep(PAUSE_PER_STEP * (perf_counter() - started_s))

    async def _remove(self, file: ArchiveFile) -> int:
        """Remove the orders of a file that is noted; returns how many were there as it says."""
        require_file(self._folder, file)
        await self._removal.await_writers()
        count = 0
        for lines in self._read_chunks(file):
            started_s = perf_counter()
            count += await self._removal.remove(file, lines)
            await asyncio.sleep(PAUSE_PER_STEP * (perf_counter() - started_s))
        await self._removal.set_removed(file)
        self._on_file(file, count)
        return count

    def _read_chunks(self, file: ArchiveFile) -> Iterator[list[ArchivedLine]]:
        lines = read_lines(self._folder / file.name)
        while chunk := list(islice(lines, STEP_ORDERS)):
            yield chunk


async def _collect(pages: AsyncIterator[list[list[UUID]]], count: int) -> AsyncIterator[list[UUID]]:
    """The orders of families, ``count`` or a few more at once; a family is never divided."""
    ids: list[UUID] = []
    async for page in pages:
        for family in page:
            ids += family
            if len(ids) >= count:
                yield ids
                ids = []
    if ids:
        yield ids
