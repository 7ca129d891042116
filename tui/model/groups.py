"""Which of the known orders belong together: the two of an OCO, and the children of a parent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from tui.model.orders import Order


class OrderGroups:
    """The orders by their parent and by their OCO group."""

    def __init__(self, orders: Mapping[str, Order]) -> None:
        self._orders = orders
        self._children: dict[str, dict[str, Order]] = {}
        self._groups: dict[str, dict[str, Order]] = {}

    def add(self, order: Order) -> None:
        """Add an order, if it belongs to others."""
        if order.relations is not None:
            for orders, key in self._list_places(order):
                orders.setdefault(key, {})[order.id] = order

    def remove(self, order: Order) -> None:
        """Remove an order."""
        if order.relations is not None:
            for orders, key in self._list_places(order):
                members = orders.get(key, {})
                members.pop(order.id, None)
                if not members:
                    orders.pop(key, None)

    def list_children(self, order: Order) -> list[Order]:
        """The orders that came to be of an order, the oldest first."""
        children = self._children.get(order.id, {}).values()
        return sorted(children, key=lambda child: (child.created_ms, child.id))

    def find_parent(self, order: Order) -> Order | None:
        """The order that an order came to be of, if it is known."""
        return None if order.parent_id is None else self._orders.get(order.parent_id)

    def find_sibling(self, order: Order) -> Order | None:
        """The other order of an OCO, if it is known."""
        if order.oco_group is None:
            return None
        members = self._groups.get(order.oco_group, {}).values()
        return next((member for member in members if member is not order), None)

    def list_relatives(self, order: Order) -> list[Order]:
        """Its parent, the other order of its OCO, and its children: what its detail tells of."""
        others = (self.find_parent(order), self.find_sibling(order), *self.list_children(order))
        return [other for other in others if other is not None]

    def sum_filled(self, order: Order) -> Decimal:
        """What the slices of an order have swapped of its amount in.

        That is what the engine said last, or more if slices were confirmed since.
        """
        children = (each for each in self.list_children(order) if each.status == "confirmed")
        confirmed = sum((Decimal(each.amount_in) for each in children), Decimal(0))
        return max(confirmed, Decimal(order.slices.filled_amount_in if order.slices else 0))

    def _list_places(self, order: Order) -> list[tuple[dict[str, dict[str, Order]], str]]:
        places = [(self._children, order.parent_id), (self._groups, order.oco_group)]
        return [(orders, key) for orders, key in places if key is not None]
