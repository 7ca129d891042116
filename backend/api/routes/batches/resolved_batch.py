"""What becomes of the entries of a batch: new orders, repeats and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from uuid import UUID

from backend.api.routes.batches.oco_pairs import refuse_halves
from backend.api.wire.problems import Problem, to_problem
from backend.domain.errors import EngineError, IdempotencyKeyReused
from backend.domain.lifecycle import Status
from backend.domain.orders import AcceptedOrder, NewOrder

QUEUED: Final = "queued"
"""The status in the response to a new order that does not wait; that to a repeat has the status of
the order."""


class NothingNew(Exception):
    """A limit refuses all new orders of a batch; ``resolved`` is what remains."""

    def __init__(self, resolved: ResolvedBatch) -> None:
        super().__init__("no new order of the batch is within the limits")
        self.resolved = resolved


class ResolvedBatch(NamedTuple):
    """The result of each entry of a batch, at its index, and the orders to store."""

    results: list[dict[str, object]]
    new_orders: list[NewOrder]

    def drop(self, refused: Mapping[UUID, EngineError]) -> ResolvedBatch:
        """The same without orders that a limit refuses, their repeats and their pairs."""
        problems = {str(order_id): to_problem(error) for order_id, error in refused.items()}
        results: list[dict[str, object]] = [
            {"problem": problems[str(each["orderId"])].to_json()}
            if str(each.get("orderId")) in problems
            else dict(each)
            for each in self.results
        ]
        new_orders = [order for order in self.new_orders if order.id not in refused]
        refuse_halves(self.new_orders, results, new_orders)
        return ResolvedBatch(results, new_orders)

    @property
    def refused_count(self) -> int:
        """How many entries are refused."""
        return sum("problem" in result for result in self.results)


def resolve_entry(
    order: NewOrder | Problem,
    stored: dict[UUID, AcceptedOrder | IdempotencyKeyReused],
    new_by_name: dict[str, NewOrder],
    new_orders: list[NewOrder],
) -> dict[str, object]:
    """The result of one entry: a new order, a replay of an earlier one, or a problem."""
    if isinstance(order, Problem):
        return {"problem": order.to_json()}
    name = order.client_order_id
    echo: dict[str, object] = {} if name is None else {"clientOrderId": name}
    earlier: AcceptedOrder | IdempotencyKeyReused | NewOrder | None = stored.get(
        order.id
    ) or new_by_name.get(name or "")
    match earlier:
        case None:
            new_orders.append(order)
            if name is not None:
                new_by_name[name] = order
            return {"orderId": str(order.id), "status": _get_status(order), **echo}
        case AcceptedOrder(id=order_id, status=status):
            return {"orderId": str(order_id), "status": status, **echo, "replayed": True}
        case NewOrder(id=order_id) if earlier.request_hash == order.request_hash:
            first_status = _get_status(earlier)
            return {"orderId": str(order_id), "status": first_status, **echo, "replayed": True}
        case IdempotencyKeyReused():
            return {"problem": to_problem(earlier).to_json()}
        case NewOrder():
            reason = f"clientOrderId {name!r} already names another order of this batch"
            error = IdempotencyKeyReused("client_order_id_reused", reason)
            return {"problem": to_problem(error).to_json()}


def _get_status(order: NewOrder) -> str:
    return Status.WAITING if order.waits else QUEUED
