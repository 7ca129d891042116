"""Frames of the stream: pages of events, filtered and encoded once for all with that filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from backend.api.wire.json import add_cursor, encode_event, join_array
from backend.domain.lifecycle import Status
from backend.domain.orders import OrderEvent
from backend.domain.quotes import Dex
from backend.store.feed import FeedPosition

PAGE_EVENTS_MAX = 1_000
"""Most events in one frame."""

_STATUSES_WITH_DEX = frozenset({Status.BUILDING, Status.SUBMITTED, Status.CONFIRMED, Status.FAILED})


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a stream carries: every criterion that is set narrows them."""

    owner: str
    batch_id: UUID | None = None
    order_ids: frozenset[UUID] = frozenset()
    statuses: frozenset[Status] = frozenset()
    dex: Dex | None = None

    def matches(self, event: OrderEvent) -> bool:
        """Whether the stream carries this event."""
        return (
            event.owner == self.owner
            and (self.batch_id is None or event.batch_id == self.batch_id)
            and (not self.order_ids or event.order_id in self.order_ids)
            and (not self.statuses or event.status in self.statuses)
            and (self.dex is None or (event.dex is self.dex and event.status in _STATUSES_WITH_DEX))
        )


class EncodedEvent:
    """An event with its JSON text, which is encoded once, when the first socket needs it."""

    __slots__ = ("_text", "event")

    def __init__(self, event: OrderEvent) -> None:
        self.event = event
        self._text: str | None = None

    @property
    def position(self) -> FeedPosition:
        """The feed position of the event."""
        return FeedPosition(self.event.txid, self.event.order_id, self.event.seq)

    @property
    def text(self) -> str:
        """The event as JSON text."""
        if self._text is None:
            self._text = encode_event(self.event)
        return self._text


class EventPage:
    """Consecutive events of the feed; at least one."""

    def __init__(
        self, events: Sequence[EncodedEvent], format_cursor: Callable[[FeedPosition], str]
    ) -> None:
        self._events = events
        self._format_cursor = format_cursor
        self._frames: dict[EventFilter, str | None] = {}

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[EncodedEvent]:
        return iter(self._events)

    @property
    def last_position(self) -> FeedPosition:
        """The feed position of the last event."""
        return self._events[-1].position

    def get_frame(self, event_filter: EventFilter) -> str | None:
        """The frame for a filter, encoded once for all streams that share it.

        ``None`` if no event matches.
        """
        if event_filter not in self._frames:
            texts = [each.text for each in self._events if event_filter.matches(each.event)]
            if texts:
                # The cursor of the whole page: a stream has then passed the events that its filter
                # left out behind its own last one too.
                texts[-1] = add_cursor(texts[-1], self._format_cursor(self.last_position))
            self._frames[event_filter] = join_array(texts) if texts else None
        return self._frames[event_filter]

    def slice_after(self, position: FeedPosition) -> EventPage | None:
        """The events behind a feed position; ``None`` if there are none."""
        if self.last_position <= position:
            return None
        if self._events[0].position > position:
            return self
        return EventPage(
            [event for event in self._events if event.position > position], self._format_cursor
        )
