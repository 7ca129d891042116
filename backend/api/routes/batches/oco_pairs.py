"""Pairs of a batch, of which both orders are stored or none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from backend.api.wire.groups.oco_labels import refuse_half
from backend.api.wire.problems import Problem
from backend.domain.orders import NewOrder


def refuse_halves(
    orders: Sequence[NewOrder | Problem],
    results: list[dict[str, object]],
    new_orders: list[NewOrder],
) -> None:
    """Refuse the new order of each pair whose other one is refused, or was placed before.

    ``results`` has that of each order, at its index: it is changed, and ``new_orders`` with it.
    """
    dropped = _find_halves(orders, {order.id for order in new_orders})
    if not dropped:
        return
    new_orders[:] = [order for order in new_orders if order.id not in dropped]
    reason = "the other order of this group is refused, or an earlier request has placed it"
    refused: dict[str, object] = {"problem": refuse_half(reason).to_json()}
    names = set(map(str, dropped))
    for index, result in enumerate(results):
        if result.get("orderId") in names:  # or a repeat of it, in the same batch
            results[index] = refused


def _find_halves(orders: Sequence[NewOrder | Problem], added: set[UUID]) -> set[UUID]:
    """The new orders of those pairs of which not both are new."""
    pairs: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for order in orders:
        if isinstance(order, NewOrder) and order.oco_group is not None:
            pairs[order.oco_group].add(order.id)
    return {each for pair in pairs.values() if not pair <= added for each in pair & added}
