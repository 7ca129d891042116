"""Stream cursors: sealed with the journal's key, and refused where they are not its own."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.api.wire.cursors import StreamCursors
from backend.store.feed import FeedPosition

EPOCH = UUID("0f0e0d0c-0b0a-4908-8706-050403020100")
CURSORS = StreamCursors(b"k" * 32, EPOCH)
POSITIONS = st.builds(
    FeedPosition,
    st.integers(0, 2**63 - 1),
    st.uuids(),
    st.integers(0, 2**31 - 1),
)


@given(POSITIONS)
def test_a_cursor_is_read_by_every_process_with_the_key(position: FeedPosition) -> None:
    cursor = CURSORS.format(position)
    assert StreamCursors(b"k" * 32, EPOCH).parse(cursor) == (cursor, position)


@given(POSITIONS)
def test_a_cursor_has_nothing_of_its_position(position: FeedPosition) -> None:
    cursors = {CURSORS.format(position), CURSORS.format(position), CURSORS.format(FeedPosition(1))}
    assert len(cursors) == 3
    assert len({len(cursor) for cursor in cursors}) == 1
    for cursor in cursors:
        prefix, _, text = cursor.partition(".")
        assert prefix == EPOCH.hex[:8]
        sealed = urlsafe_b64decode(text + "=")
        assert position.order_id.bytes not in sealed
        assert position.txid < 2**16 or str(position.txid) not in cursor


@pytest.mark.parametrize("at", [9, 40, 60, 98])
def test_a_changed_cursor_is_refused(at: int) -> None:
    cursor = CURSORS.format(FeedPosition(1_000, EPOCH, 3))
    forged = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
    with pytest.raises(ValueError, match="is not a cursor of this stream"):
        CURSORS.parse(forged)


def test_a_cursor_that_another_key_sealed_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a cursor of this stream"):
        CURSORS.parse(StreamCursors(b"j" * 32, EPOCH).format(FeedPosition(1)))


@pytest.mark.parametrize(
    "cursor",
    [
        StreamCursors(b"k" * 32, UUID(int=7)).format(FeedPosition(1)),
        "0f0e0d0c.17",
        f"0f0e0d0c.17-{UUID(int=3).hex}-2",
    ],
    ids=["of another journal", "transaction", "position"],  # the first is another one each time
)
def test_a_cursor_of_another_journal_and_a_position_in_the_clear_have_no_position(
    cursor: str,
) -> None:
    assert CURSORS.parse(cursor).position is None


@pytest.mark.parametrize(
    "cursor", ["", ".", "0f0e0d0c", "0f0e0d0c.", "0f0e0d0c.x", "0f0e0d0c.1-2", "0F0E0D0C.1", "x.1"]
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError, match="is not a cursor of this stream"):
        CURSORS.parse(cursor)
