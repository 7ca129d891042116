"""Orders of a file that belong together: brackets in columns, and the two orders of a group.

A group is two lines, one behind the other, with one ``ocoGroup``: they are placed in one batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from batch.orders import Order

GROUP = "ocoGroup"
BRACKET_COLUMNS = {
    "bracketTakeProfit": ("takeProfit", "triggerPrice"),
    "bracketStop": ("stop", "triggerPrice"),
    "bracketTrailBps": ("stop", "trailBps"),
}


def build_body(order: Order) -> Order:
    """The body of a request for an order: its bracket is one object."""
    body = {name: value for name, value in order.items() if name not in BRACKET_COLUMNS}
    bracket: dict[str, Order] = {}
    for column, (leg, field) in BRACKET_COLUMNS.items():
        if column in order:
            bracket.setdefault(leg, {})[field] = order[column]
    return {**body, "bracket": bracket} if bracket else body


def find_group_faults(orders: Sequence[Order]) -> Iterator[tuple[int, str]]:
    """Find the orders whose group is not the next or the last line's, with the index of each."""
    index, seen = 0, dict[object, int]()
    while index < len(orders):
        name = orders[index].get(GROUP)
        if name is None:
            index += 1
            continue
        count = 1
        while index + count < len(orders) and orders[index + count].get(GROUP) == name:
            count += 1
        if name in seen or count != 2:
            reason = "a group is two lines, one behind the other"
            yield index, f"{GROUP}: {name!r} is that of {count + seen.get(name, 0)}: {reason}"
        seen[name] = count + seen.get(name, 0)
        index += count


def split_orders(orders: Sequence[Order], size: int) -> Iterator[range]:
    """The parts in which orders are sent: so many in each, and no group in two of them."""
    start = 0
    while start < len(orders):
        end = min(start + size, len(orders))
        if end < len(orders) and _is_pair(orders[end - 1], orders[end]):
            end = end - 1 if end - 1 > start else end + 1
        yield range(start, end)
        start = end


def _is_pair(order: Order, following: Order) -> bool:
    return order.get(GROUP) is not None and order.get(GROUP) == following.get(GROUP)
