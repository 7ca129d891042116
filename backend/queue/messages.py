"""Jobs as messages: a job has the id of its order, maybe its terms, and its owner as a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from taskiq import AckableMessage, AsyncBroker, TaskiqMessage

TASK_NAME: Final = "execute_order"
OWNER_LABEL: Final = "owner"
PAIR_LABEL: Final = "pair"

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


def build_labels(owner: str, pair: tuple[str, str] | None) -> dict[str, str]:
    """Build the labels of a job. The symbols of its order's pair are a hint, and may be missing."""
    labels = {OWNER_LABEL: owner}
    return labels if pair is None else labels | {PAIR_LABEL: "/".join(pair)}


def parse_pair(message: TaskiqMessage) -> tuple[str, str] | None:
    """The symbols of a job's pair; ``None`` if it names none that can be read."""
    pair = message.labels.get(PAIR_LABEL)
    if not isinstance(pair, str) or pair.count("/") != 1:
        return None
    token_in, _, token_out = pair.partition("/")
    return token_in, token_out


def build_job(broker: AsyncBroker, order_id: UUID, owner: str) -> bytes:
    """Build the job of an order that was claimed from its row, and is on no queue."""
    name = str(order_id)
    return broker.formatter.dumps(
        TaskiqMessage(
            task_id=name, task_name=TASK_NAME, labels={OWNER_LABEL: owner}, args=[name], kwargs={}
        )
    ).message


def take_no_message() -> tuple[str, bytes]:
    """No channel and no message: jobs are sent alone."""
    return "", b""


async def acknowledge_nothing() -> None:
    """Do nothing: a job that was kept is on no stream."""
