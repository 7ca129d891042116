"""Jobs as messages: a job has the id of its order, and the order's owner as a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from taskiq import AckableMessage, AsyncBroker, TaskiqMessage

TASK_NAME: Final = "execute_order"
OWNER_LABEL: Final = "owner"

StreamEntry = tuple[bytes | None, dict[bytes, bytes] | None]


class JobMessage(AckableMessage):
    """A job as it is received, with the owner of its order; empty if the sender names none.

    Without data it is no job: it says that its owner has orders in the rows.
    """

    owner: str


@dataclass(frozen=True, slots=True)
class QueueState:
    """The jobs that wait, whether a worker has received them or not."""

    jobs: int
    delay_s: float
    """How long the oldest that no worker has received has waited; 0 without any."""


def build_job(broker: AsyncBroker, order_id: UUID, owner: str) -> bytes:
    """Build the job of an order that was claimed from its row, and is on no queue."""
    name = str(order_id)
    return broker.formatter.dumps(
        TaskiqMessage(
            task_id=name, task_name=TASK_NAME, labels={OWNER_LABEL: owner}, args=[name], kwargs={}
        )
    ).message
