"""What happens as lines on standard output: for pipes, logs and dumb terminals."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tui.model.messages import Events, Message, WireEvent
from tui.model.orders import Order
from tui.session import Desk
from tui.text import format as as_text


class Plain:
    """Writes a line for each transition, and for each line of the log."""

    def __init__(self, desk: Desk, write: Callable[[str], None]) -> None:
        self._desk = desk
        self._write = write
        self._logged = 0

    async def run(self) -> None:
        """Write until the source ends."""
        if self._desk.client is None:
            await self._desk.source.run(self._put)
            return
        async with self._desk.client:
            await self._desk.source.run(self._put)

    def _put(self, message: Message, at_ms: int) -> None:
        desk = self._desk
        desk.put(message, at_ms)
        if isinstance(message, Events):
            for event in message.events:
                order = desk.model.orders.get(event["orderId"])
                if order is not None:
                    self._write(self._transition(order, event))
        fresh = desk.model.log.written - self._logged
        self._logged = desk.model.log.written
        for entry in list(desk.model.log.entries)[-fresh:] if fresh else ():
            if entry.role != "failed":  # the transition said it
                self._write(f"{as_text.clock(entry.at_ms, desk.zone)} ! {entry.text}")

    def _transition(self, order: Order, event: WireEvent) -> str:
        status, at_ms = event["status"], as_text.parse_at(event["at"])
        words = [
            as_text.clock(at_ms, self._desk.zone),
            self._desk.marks.status.get(status, "?"),
            order.id,
            f"{status:<9}",
            f"{order.pair.side:<4}",
            order.pair.name,
            as_text.amount(Decimal(order.amount_in)),
            order.token_in,
        ]
        words += [event["dex"]] if "dex" in event else []
        if "amountOut" in event:
            words.append(f"for {as_text.amount(Decimal(event['amountOut']))} {order.token_out}")
        if "code" in event:
            words.append(f"{event['code']}: {event.get('reason', '')}")
        return as_text.clean(" ".join(words))
