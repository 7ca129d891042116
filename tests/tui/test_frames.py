"""Whole frames as text, at both sizes, out of the recording: what people see does not drift."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from tests.tui.desks import NARROW, WIDE, Still, desk, press, recorded, screen_text, shown

MIDDLE_MS = 26_600
OFFLINE_MS = 11_000
DEGRADED_MS = 18_600


class Frames(SingleFileSnapshotExtension):
    """A file of plain text for each frame."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def frame(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(Frames)


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
        (None, ("x",)),
        (None, ("question_mark",)),
    ],
    ids=[
        "middle", "failed", "offline", "degraded", "failures", "detail", "batch", "order",
        "resubmit", "reasons", "help",
    ],
)  # fmt: skip
async def test_a_frame_is_as_it_was(
    frame: SnapshotAssertion, size: tuple[int, int], moment: int | None, keys: tuple[str, ...]
) -> None:
    async with shown(desk(Still(recorded(moment))), size) as pilot:
        await press(pilot, *keys)
        assert screen_text(pilot) == frame


async def test_a_frame_without_shapes_is_ascii(frame: SnapshotAssertion) -> None:
    async with shown(desk(Still(recorded(MIDDLE_MS)), is_ascii=True)) as pilot:
        text = screen_text(pilot)
        assert text.isascii()
        assert text == frame
