"""What any client knew of orders, by the time at which it knew."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from itertools import accumulate
from operator import attrgetter

from backend.domain.lifecycle import FINAL_STATUSES
from backend.trials.audit.history.operations import History


class Knowledge:
    """What the operations that were completed before a time had shown of each order."""

    def __init__(self, history: History) -> None:
        times, seqs = defaultdict[str, list[float]](list), defaultdict[str, list[int]](list)
        self._first: dict[tuple[str, str | None], float] = {}
        self._created: dict[str, str] = {}
        for operation in sorted(history.operations, key=attrgetter("completed_at")):
            at = operation.completed_at
            for each in operation.sightings:
                times[each.order_id].append(at)
                seqs[each.order_id].append(each.seq)
                self._first.setdefault((each.order_id, None), at)
                if each.status in FINAL_STATUSES:
                    self._first.setdefault((each.order_id, each.status), at)
                if each.created_at is not None:
                    self._created.setdefault(each.order_id, each.created_at)
        self._times = times
        self._newest = {order_id: list(accumulate(each, max)) for order_id, each in seqs.items()}

    def find_newest(self, order_id: str, at: float) -> int:
        """The highest sequence number that was known of an order before a time; 0 if none was."""
        number = bisect_left(self._times.get(order_id, ()), at)
        return self._newest[order_id][number - 1] if number else 0

    def find_first(self, order_id: str, status: str | None = None) -> float | None:
        """When it was first known that an order is there, or has a final status."""
        return self._first.get((order_id, status))

    def list_created(self) -> list[tuple[str, str]]:
        """The times of creation that were shown, and the orders, oldest first."""
        return sorted((at, order_id) for order_id, at in self._created.items())
