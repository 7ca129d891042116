"""The commits that notifications have told of, until they can be published in order.

Transaction ids are given without a gap, each once. So when every id from the head of the feed up to
that of a commit belongs to a commit whose events are known, nothing can appear before it any more,
and its events are next in the total order. An id that no notification names may belong to a
transaction that is still open, was rolled back, is another program's, or whose notification was
lost: only PostgreSQL knows.
"""

from __future__ import annotations

from collections.abc import Sequence

from backend.api.delivery.event_page import EncodedEvent
from backend.store.feed import FeedPosition

EVENTS_MAX = 10_000
"""Most events that are kept; beyond that all of them are read from the journal instead."""


class CommitBuffer:
    """Commits behind the head of the feed; the head is the first transaction not published yet."""

    def __init__(self) -> None:
        self._commits: dict[int, Sequence[EncodedEvent]] = {}
        self._event_count = 0

    def add(self, txid: int, events: Sequence[EncodedEvent]) -> None:
        """Keep a commit with all of its events. One that is known already changes nothing."""
        if txid in self._commits:
            return
        if self._event_count + len(events) > EVENTS_MAX:
            self.clear()
        self._commits[txid] = events
        self._event_count += len(events) + 1

    def take_from(self, head: FeedPosition) -> tuple[list[EncodedEvent], FeedPosition]:
        """Remove the events from ``head`` up to the first unknown transaction, in order.

        Returns them with the position before that transaction. Nothing is next while ``head`` is in
        the middle of a transaction.
        """
        if head.seq:
            return [], head
        taken: list[EncodedEvent] = []
        txid = head.txid
        while (events := self._commits.pop(txid, None)) is not None:
            taken += sorted(events, key=_get_position)
            self._event_count -= len(events) + 1
            txid += 1
        return taken, head if txid == head.txid else FeedPosition(txid)

    def drop_before(self, head: FeedPosition) -> None:
        """Forget the commits that were read from the journal."""
        for txid in [each for each in self._commits if each < head.txid]:
            self._event_count -= len(self._commits.pop(txid)) + 1

    def clear(self) -> None:
        """Forget all commits."""
        self._commits.clear()
        self._event_count = 0


def _get_position(event: EncodedEvent) -> FeedPosition:
    return event.position
