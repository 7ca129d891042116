"""What the engine would be without each of the things that keep its promises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch
from uuid import UUID

from backend.chain.results import Commitment, SignatureStatus
from backend.domain.errors import EngineError
from backend.domain.lifecycle import Fate, Happening
from backend.domain.orders import Signed
from backend.execution import executor
from backend.execution import submission as execution
from backend.execution.submission import Submission
from tests.simulation import worker
from tests.simulation.database import Database, Row


@contextmanager
def sends_before_it_stores() -> Iterator[None]:
    """A transaction is sent, and then stored."""
    record = executor._Drive._record

    async def send_and_record(
        drive: Any, what: Happening, facts: Mapping[str, object], **known: Any
    ) -> None:
        if what is Happening.SIGNED:
            await drive._means.submission.send(known["signed"])
        await record(drive, what, facts, **known)

    with patch.object(executor._Drive, "_record", send_and_record):
        yield


def forgets_the_epoch() -> AbstractContextManager[object]:
    """A write is stored whoever holds the order by now."""

    def is_at(database: Database, row: Row, epoch: int, seq: int) -> bool:
        return row.seq == seq

    return patch.object(Database, "is_at", is_at)


def forgets_the_seq() -> AbstractContextManager[object]:
    """A write is stored wherever its order is by now."""

    def is_at(database: Database, row: Row, epoch: int, seq: int) -> bool:
        return row.epoch == epoch

    return patch.object(Database, "is_at", is_at)


def never_sweeps() -> AbstractContextManager[object]:
    """Nobody looks for orders that nobody drives."""

    async def rest(
        orders: object, send: Callable[[Sequence[UUID]], object], **settings: object
    ) -> None:
        await asyncio.Event().wait()

    return patch.object(worker, "sweep", rest)


def buries_without_a_look() -> AbstractContextManager[object]:
    """A transaction is dead when its height has passed, whether it has landed or not."""

    async def search(
        submission: Submission, signatures: Sequence[str]
    ) -> list[SignatureStatus | None]:
        return [None] * len(signatures)

    return patch.object(Submission, "_search", search)


def searches_before_it_reads_the_height() -> AbstractContextManager[object]:
    """A transaction may land between the search that misses it and the end of its time."""

    async def look(submission: Any, signed: Signed) -> Fate:
        while True:
            try:
                found = await submission._search([signed.signature])
                height = await submission._node.get_block_height(Commitment.FINALIZED)
                return execution._fate(found[0], is_over=height > signed.last_valid_height)
            except EngineError:
                await asyncio.sleep(submission._pace.resend_s)

    return patch.object(Submission, "look", look)


def trusts_a_block_that_may_vanish() -> AbstractContextManager[object]:
    """A transaction has landed as soon as any block has it."""

    def fate(status: SignatureStatus | None, *, is_over: bool) -> Fate:
        if status is None:
            return Fate.DEAD if is_over else Fate.OPEN
        return Fate.LANDED if status.err is None else Fate.REVERTED

    return patch.object(execution, "_fate", fate)


MUTATIONS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "intent before send": sends_before_it_stores,
    "epoch check": forgets_the_epoch,
    "sweep": never_sweeps,
    "last look": buries_without_a_look,
    "seq check": forgets_the_seq,
    "height first": searches_before_it_reads_the_height,
    "confirmation": trusts_a_block_that_may_vanish,
}
