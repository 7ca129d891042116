"""Limits that hover at the price: released again and again, and never filled.

Each release of one costs a quote, and may cost the fee of a transaction that its minimum reverts.
So a limit that comes back unfilled is held for a time that doubles each time: until then it waits
for a price that is better than its limit by a margin, which doubles as well. So one that can be
filled by now is tried at once, and one that only seems so takes ever less of a worker's time. The
price has left an order that was unmet for as long as its last hold after that: it starts anew.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple
from uuid import UUID

HOLD_S_MAX: Final = 30.0
MARGIN_BPS: Final = 10
MARGIN_BPS_MAX: Final = 10_000
REMEMBERED_S: Final = 300.0
"""How long after its hold an order that was released may come back unfilled, and be known."""


class Hold(NamedTuple):
    """Until when an order waits for a price that is so much better than its limit."""

    until: float
    margin_bps: int


@dataclass(slots=True)
class _Returns:
    """How often an order came back in a row, the last time with this ``seq``; and its hold."""

    seq: int
    count: int
    length_s: float
    until: float


class HoveringLimits:
    """The limits that came back unfilled, and their holds."""

    def __init__(self) -> None:
        self._returns: OrderedDict[UUID, _Returns] = OrderedDict()

    def __len__(self) -> int:
        return len(self._returns)

    def note_return(self, order_id: UUID, seq: int, cool_down_s: float, now: float) -> None:
        """Hold an order that came back unfilled, with the ``seq`` of its row.

        Its first hold is no longer than its cool-down, within which it is not released.
        """
        known = self._returns.get(order_id)
        if known is not None and known.seq >= seq:
            return
        count = 1 if known is None else known.count + 1
        length_s = min(cool_down_s * 2 ** min(count - 1, 10), HOLD_S_MAX)
        self._returns[order_id] = _Returns(seq, count, length_s, now + length_s)
        self._returns.move_to_end(order_id)
        self._drop_old(now)

    def note_release(self, order_id: UUID, now: float) -> None:
        """Forget an order that is released after a time in which the price had left it."""
        known = self._returns.get(order_id)
        if known is not None and now - known.until >= known.length_s:
            del self._returns[order_id]

    def find_hold(self, order_id: UUID, seq: int, now: float) -> Hold | None:
        """The hold of an order; ``None`` if there is none any more, or its terms are others now."""
        known = self._returns.get(order_id)
        if known is None:
            return None
        if known.seq != seq:
            del self._returns[order_id]
            return None
        if known.count == 1 or now >= known.until:
            return None
        margin_bps = min(MARGIN_BPS * 2 ** min(known.count - 2, 10), MARGIN_BPS_MAX)
        return Hold(known.until, margin_bps)

    def _drop_old(self, now: float) -> None:
        while self._returns:
            order_id, oldest = next(iter(self._returns.items()))
            if now - oldest.until < REMEMBERED_S:
                return
            del self._returns[order_id]
