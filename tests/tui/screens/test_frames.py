"""Snapshots of whole frames as text, at both sizes, from the recording."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from tests.tui.sessions import (
    NARROW,
    WIDE,
    StaticSource,
    load_recorded_messages,
    make_session,
    press_keys,
    screen_text,
    show_dashboard,
)

MIDDLE_MS = 26_600
OFFLINE_MS = 11_000
DEGRADED_MS = 18_600


class TextSnapshot(SingleFileSnapshotExtension):
    """A file of plain text for each frame."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def frame(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(TextSnapshot)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x40", "80x24"])
@pytest.mark.parametrize(
    ("moment", "keys"),
    [
        (MIDDLE_MS, ()),
        (MIDDLE_MS, ("right_square_bracket",)),
        (OFFLINE_MS, ()),
        (DEGRADED_MS, ()),
        (None, ("6",)),
        (None, ("6", "G", "enter")),
        (None, ("n",)),
        (None, ("o",)),
        (None, ("6", "R")),
        (None, ("F",)),
        (MIDDLE_MS, ("j", "x")),
        (MIDDLE_MS, ("X",)),
        (None, ("question_mark",)),
    ],
    ids=[
        "middle", "failed", "offline", "degraded", "failures", "detail", "batch", "order",
        "resubmit", "reasons", "cancel", "cancel-all", "help",
    ],
)  # fmt: skip
async def test_a_frame_is_as_it_was(
    frame: SnapshotAssertion, size: tuple[int, int], moment: int | None, keys: tuple[str, ...]
) -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages(moment))), size
    ) as pilot:
        await press_keys(pilot, *keys)
        assert screen_text(pilot) == frame


async def test_a_frame_without_shapes_is_ascii(frame: SnapshotAssertion) -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages(MIDDLE_MS)), is_ascii=True)
    ) as pilot:
        text = screen_text(pilot)
        assert text.isascii()
        assert text == frame
