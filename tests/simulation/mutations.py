"""What the engine would be without each of the things that keep its promises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from backend.chain.rpc_results import SignatureStatus, Tip
from backend.chain.wire import Commitment
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

    async def rest(orders: object, queue: object, **settings: object) -> None:
        await asyncio.Event().wait()

    return patch.object(worker, "sweep", rest)


def buries_without_a_look() -> AbstractContextManager[object]:
    """A transaction is dead when its height has passed, whether it has landed or not."""

    async def fates(submission: Submission, signed: Sequence[Signed], tip: Tip) -> list[Fate]:
        return [
            execution._fate(None, is_over=tip.height > each.last_valid_height) for each in signed
        ]

    return patch.object(Submission, "_fates", fates)


def believes_a_node_that_is_behind() -> AbstractContextManager[object]:
    """A search that does not find a transaction counts, however late the node is that made it."""
    fates = Submission._fates

    async def fates_of_any(
        submission: Submission, signed: Sequence[Signed], tip: Tip
    ) -> list[Fate]:
        return await fates(submission, signed, Tip(0, tip.height))

    return patch.object(Submission, "_fates", fates_of_any)


def searches_before_it_reads_the_height() -> AbstractContextManager[object]:
    """A transaction may land between the search that misses it and the end of its time."""

    async def look(submission: Any, signed: Sequence[Signed]) -> list[Fate]:
        names = [each.signature for each in signed]
        statuses = await submission._node.get_signature_statuses(names, search_history=True)
        tip = await submission._node.get_epoch_info(Commitment.FINALIZED)
        return [
            execution._fate(status, is_over=tip.height > each.last_valid_height)
            for each, status in zip(signed, statuses.found, strict=True)
        ]

    return patch.object(Submission, "_look", look)


def trusts_a_block_that_may_vanish() -> AbstractContextManager[object]:
    """A transaction has landed as soon as any block has it."""

    def fate(status: SignatureStatus | None, *, is_over: bool = False) -> Fate:
        if status is None:
            return Fate.DEAD if is_over else Fate.OPEN
        return Fate.LANDED if status.err is None else Fate.REVERTED

    return patch.object(execution, "_fate", fate)


MUTATIONS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "intent before send": sends_before_it_stores,
    "epoch check": forgets_the_epoch,
    "sweep": never_sweeps,
    "last look": buries_without_a_look,
    "slot of the look": believes_a_node_that_is_behind,
    "seq check": forgets_the_seq,
    "height first": searches_before_it_reads_the_height,
    "confirmation": trusts_a_block_that_may_vanish,
}
