"""The engine without one of the safeguards of groups and brackets, for each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch
from uuid import UUID

from backend.execution import late_fills, order_execution
from backend.execution.step_recorder import StepRecorder
from tests.simulation.model.database import DatabaseModel
from tests.simulation.model.rows import OrderRow


def release_beside_what_is_executed() -> AbstractContextManager[object]:
    """An order is released whatever becomes of the other one of its group."""

    def may_release(database: DatabaseModel, row: OrderRow) -> bool:
        return True

    return patch.object(DatabaseModel, "may_release", may_release)


def leave_the_other_of_a_group() -> AbstractContextManager[object]:
    """The confirmation of an order does not cancel the other one of its group."""

    def leave_sibling(database: DatabaseModel, now: float, row: OrderRow) -> None:
        return None

    return patch.object(DatabaseModel, "cancel_sibling", leave_sibling)


def cancel_the_other_of_what_failed() -> AbstractContextManager[object]:
    """Any end of an order cancels the other one of its group."""
    record = DatabaseModel.record

    def record_and_cancel(
        database: DatabaseModel, now: float, writes: Any, *seconds: float, holder: str = ""
    ) -> list[UUID]:
        moved = record(database, now, writes, *seconds, holder=holder)
        for order_id in moved:
            if not database.rows[order_id].open:
                database.cancel_sibling(now, database.rows[order_id])
        return moved

    return patch.object(DatabaseModel, "record", record_and_cancel)


def confirm_without_children() -> AbstractContextManager[object]:
    """The confirmation of an entry does not place its bracket."""
    return patch.object(order_execution, "build_children", lambda *_: ())


def settle_without_children() -> AbstractContextManager[object]:
    """The late amount of an entry does not place its bracket."""
    return patch.object(late_fills, "build_children", lambda *_: ())


def place_children_in_a_later_commit() -> AbstractContextManager[object]:
    """The bracket of an entry is placed after the commit that confirms it, by the same worker."""
    record = StepRecorder.record

    async def record_in_two_steps(steps: StepRecorder, *args: Any, **fields: Any) -> None:
        children = fields.pop("children", ())
        await record(steps, *args, **fields)
        if children:
            await asyncio.sleep(0.1)
            server = steps._journal._pool.connection._server  # type: ignore[attr-defined]
            server.database.place_children(server.now(), children)

    return patch.object(StepRecorder, "record", record_in_two_steps)


GROUP_MUTATIONS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "group of what is released": release_beside_what_is_executed,
    "group of what is confirmed": leave_the_other_of_a_group,
    "failed leg": cancel_the_other_of_what_failed,
    "children of what is confirmed": confirm_without_children,
    "children of a late amount": settle_without_children,
    "one commit of entry and children": place_children_in_a_later_commit,
}
