"""Plain output: transitions as lines on standard output, for pipes, logs and dumb terminals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

from tui.model.messages import Events, Lost, Message
from tui.model.orders import Order
from tui.model.routes.route import has_route
from tui.model.wire import WireEvent
from tui.polls.differences import follow_differences
from tui.session import Session
from tui.text.format import format_amount, format_time_of_day, parse_timestamp_ms, sanitize_text


class RefusedByServer(Exception):
    """The server refuses this client; the text says what to give."""


class ConsoleOutput:
    """Writes a line for each transition and for each entry of the activity log."""

    def __init__(self, session: Session, write: Callable[[str], None]) -> None:
        self._session = session
        self._write = write
        self._written_entries = 0

    async def run(self) -> None:
        """Write lines until the source ends. Raises ``RefusedByServer``."""
        if self._session.client is None:
            await self._session.source.run(self._handle_message)
            return
        failure: Exception | None = None
        async with self._session.client as client:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(
                        follow_differences(self._session, client, self._handle_message)
                    )
                    await self._session.source.run(self._handle_message)
            except* (RefusedByServer, OSError) as failures:
                failure = failures.exceptions[0]
        if failure is not None:
            raise failure

    def _handle_message(self, message: Message, at_ms: int) -> None:
        session = self._session
        if isinstance(message, Lost) and message.retry_ms is None and session.client is not None:
            raise RefusedByServer(message.reason)  # nobody is there to ask for another attempt
        session.handle_message(message, at_ms)
        if isinstance(message, Events):
            for event in message.events:
                order = session.model.orders.get(event["orderId"])
                if order is not None:
                    self._write(self._format_transition(order, event))
        new_count = session.model.log.entry_count - self._written_entries
        self._written_entries = session.model.log.entry_count
        for entry in list(session.model.log.entries)[-new_count:] if new_count else ():
            if entry.role != "failed":  # its transition was written above
                self._write(f"{format_time_of_day(entry.at_ms, session.timezone)} ! {entry.text}")

    def _format_transition(self, order: Order, event: WireEvent) -> str:
        status, at_ms = event["status"], parse_timestamp_ms(event["at"])
        words = [
            format_time_of_day(at_ms, self._session.timezone),
            self._session.symbols.status.get(status, "?"),
            order.id,
            f"{status:<9}",
            f"{order.pair.side:<4}",
            order.pair.name,
            format_amount(Decimal(order.amount_in)),
            order.token_in,
        ]
        words += [event["dex"]] if "dex" in event else []
        if has_route(event):  # its amount is expected, not received
            words += [f"+{order.leg_count - 1}"] if order.leg_count > 1 else []
        elif amount_out := event.get("amountOut"):
            words.append(f"for {format_amount(Decimal(amount_out))} {order.token_out}")
        elif event.get("amountKnown") is False:
            words.append(f"for an amount of {order.token_out} that is not known yet")
        if "code" in event:
            words.append(f"{event['code']}: {event.get('reason', '')}")
        return sanitize_text(" ".join(words))
