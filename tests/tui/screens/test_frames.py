"""Snapshots of whole frames as text, at both sizes, from the recording."""

from __future__ import annotations

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from tests.tui.desk_messages import quality_messages
from tests.tui.route_records import route_messages
from tests.tui.screens.dialogs import fill_fields
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
from tests.tui.test_batches import batch_messages
from tests.tui.waiting import waiting_messages
from tui.connection.recording import RecordedMessage
from tui.model.messages import Differences
from tui.model.wire import WireDifference
from tui.text.format import format_timestamp

TYPE_FIELDS = (
    {"type": "limit"},
    {"type": "stopLimit", "trigger": "140", "limit": "139.5", "force": "gtd", "until": "2h"},
    {"type": "takeProfit", "trigger": "160", "until": "soon"},
    {"type": "trailingStop", "trail": "2.5", "activation": "155", "force": "ioc"},
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


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x40", "80x24"])
@pytest.mark.parametrize(
    "keys",
    [("G",), ("G", "enter"), ("j", "j", "j", "enter"), ("j", "j", "j", "x"), ("X",)],
    ids=["list", "met", "detail", "cancel", "cancel-all"],
)
async def test_a_frame_of_orders_that_wait_is_as_it_was(
    frame: SnapshotAssertion, size: tuple[int, int], keys: tuple[str, ...]
) -> None:
    async with show_dashboard(make_session(StaticSource(waiting_messages())), size) as pilot:
        await press_keys(pilot, *keys)
        assert screen_text(pilot) == frame


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x40", "80x24"])
@pytest.mark.parametrize("key", ["f3", "f4", "f5", "f6", "f7"])
async def test_a_frame_of_a_view_is_as_it_was(
    frame: SnapshotAssertion, size: tuple[int, int], key: str
) -> None:
    messages = batch_messages() if key == "f4" else quality_messages()
    async with show_dashboard(make_session(StaticSource(messages)), size) as pilot:
        await press_keys(pilot, key)
        assert screen_text(pilot) == frame


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x40", "80x24"])
@pytest.mark.parametrize(
    "keys",
    [(), ("enter",), ("enter", "pagedown"), ("j", "enter", "pagedown")],
    ids=["list", "split", "split-end", "hops"],
)
async def test_a_frame_of_routes_is_as_it_was(
    frame: SnapshotAssertion, size: tuple[int, int], keys: tuple[str, ...]
) -> None:
    async with show_dashboard(make_session(StaticSource(route_messages())), size) as pilot:
        await press_keys(pilot, *keys)
        assert screen_text(pilot) == frame


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["120x40", "80x24"])
async def test_a_frame_of_a_balance_that_differs_is_as_it_was(
    frame: SnapshotAssertion, size: tuple[int, int]
) -> None:
    messages = load_recorded_messages(MIDDLE_MS)
    at_ms = messages[-1].at_ms
    differences: list[WireDifference] = [
        {
            "at": format_timestamp(at_ms - 4_000),
            "wallet": "7xKXtg2CW87d97TXJSDpbD5jBkheTqA83TZRuJosgAsU",
            "token": "USDC",
            "amount": "-1250.75",
        }
    ]
    messages.append(RecordedMessage(at_ms, Differences(differences)))
    async with show_dashboard(make_session(StaticSource(messages)), size) as pilot:
        assert screen_text(pilot) == frame


@pytest.mark.parametrize("key", ["n", "o"])
async def test_the_fields_of_a_type_are_as_they_were(frame: SnapshotAssertion, key: str) -> None:
    async with show_dashboard(make_session(StaticSource(waiting_messages())), NARROW) as pilot:
        await press_keys(pilot, key)
        for fields in TYPE_FIELDS:
            await fill_fields(pilot, **fields)
            assert screen_text(pilot) == frame(name=fields["type"])


async def test_a_frame_without_shapes_is_ascii(frame: SnapshotAssertion) -> None:
    async with show_dashboard(
        make_session(StaticSource(load_recorded_messages(MIDDLE_MS)), is_ascii=True)
    ) as pilot:
        text = screen_text(pilot)
        assert text.isascii()
        assert text == frame
