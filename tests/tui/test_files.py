"""The files that the dashboard writes: exports, recordings and settings."""

from __future__ import annotations

import csv
import gzip
import json
import os
from pathlib import Path

import pytest

from tests.tui.dumps import dump_model
from tests.tui.sessions import StaticSource, load_recorded_messages, make_session
from tui.connection.recording import InvalidRecording, Recorder, Replay, read_recording
from tui.model.messages import Events
from tui.model.model import Model
from tui.output.export import export_orders
from tui.settings import Settings


def make_model() -> Model:
    model = Model()
    for recorded in load_recorded_messages():
        model.apply(recorded.message, recorded.at_ms)
    return model


def test_a_csv_has_a_line_for_each_order_with_exact_amounts(tmp_path: Path) -> None:
    orders = make_model().sorted_orders
    assert export_orders(orders, tmp_path / "orders.csv") == 453
    with (tmp_path / "orders.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["orderId"] for line in lines] == [order.id for order in orders]
    assert [line["amountOut"] or None for line in lines] == [order.amount_out for order in orders]
    assert {line["code"] for line in lines if line["status"] == "failed"} == {
        "insufficient_funds",
        "min_out_not_met",
        "slippage",
    }


def test_json_lines_have_an_object_for_each_order(tmp_path: Path) -> None:
    orders = make_model().sorted_orders[:3]
    export_orders(orders, tmp_path / "orders.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "orders.jsonl").read_text().splitlines()]
    assert [line["txHash"] for line in lines] == [order.tx_hash for order in orders]


def test_an_export_does_not_replace_a_file(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        export_orders([], path)
    assert (path.read_text(), list(tmp_path.iterdir())) == ("mine", [path])


def test_an_export_needs_a_known_suffix(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.csv or \.jsonl"):
        export_orders([], tmp_path / "orders.xls")


@pytest.mark.parametrize("name", ["session.jsonl", "session.jsonl.gz"])
def test_a_recording_replayed_gives_the_same_model(tmp_path: Path, name: str) -> None:
    recorder, live = Recorder(tmp_path / name), Model()
    for recorded in load_recorded_messages():
        recorder.write(recorded.message, recorded.at_ms)
        live.apply(recorded.message, recorded.at_ms)
    recorder.close()
    replayed = Model()
    for recorded in read_recording(tmp_path / name):
        replayed.apply(recorded.message, recorded.at_ms)
    assert dump_model(replayed) == dump_model(live)


def test_a_truncated_recording_is_replayed_to_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    whole = _read_recording_lines()
    path.write_text("".join(whole[:5]) + whole[5][:40])
    assert len(list(read_recording(path))) == 4


@pytest.mark.parametrize(
    ("lines", "location"),
    [
        (["hello\n"], "line 1"),
        (['{"recording":99}\n'], "line 1"),
        (['{"recording":1}\n', '{"at":1,"is":"nonsense"}\n'], "line 2"),
        (['{"recording":1}\n', '{"at":1,"is":"lost","why":"?"}\n'], "line 2"),
        (['{"recording":1}\n', "[]\n"], "line 2"),
    ],
)
def test_an_invalid_recording_is_refused(tmp_path: Path, lines: list[str], location: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("".join(lines))
    with pytest.raises(InvalidRecording, match=location):
        list(read_recording(path))


async def test_a_recording_with_invalid_messages_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_text('{"recording":1}\n{"at":5,"is":"events","events":[{"orderId":"x"}]}\n')
    replay, model = Replay(path, speed=0, time_s=lambda: 0), Model()
    with pytest.raises(InvalidRecording, match="the message of 5"):
        await replay.run(model.apply)


def test_a_write_error_ends_the_recording_and_nothing_else(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    session = make_session(StaticSource(load_recorded_messages()))
    session.recorder = Recorder(pipe)
    os.close(reader)
    for recorded in load_recorded_messages():
        session.handle_message(recorded.message, recorded.at_ms)
    assert session.recorder is None
    assert "nothing more is recorded" in session.model.log.entries[0].text
    assert session.model.counters.by_status["confirmed"] == 434


def test_a_recording_on_a_full_disk_raises_an_error() -> None:
    with pytest.raises(OSError, match="No space left"):
        Recorder(Path("/dev/full"))


def test_the_recording_of_the_tests_contains_every_event() -> None:
    events = sum(
        len(e.message.events) for e in load_recorded_messages() if isinstance(e.message, Events)
    )
    assert events == sum(len(order.steps) for order in make_model().sorted_orders)


def _read_recording_lines() -> list[str]:
    from tests.tui.sessions import RECORDING

    with gzip.open(RECORDING, "rt") as file:
        return file.readlines()


def test_settings_come_back_as_they_were_saved(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "dashboard.json"
    settings = Settings(
        theme="nord",
        sort="took",
        is_descending=False,
        columns=["tries"],
        last_batch={"count": "7"},
        presets={"mine": {"count": "9"}},
    )
    settings.save(path)
    assert Settings.load(path) == settings


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"theme": 7, "columns": "x", "presets": []}', '{"other": 1}', "\x00"]
)
def test_invalid_settings_are_ignored(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dashboard.json"
    path.write_text(text)
    assert Settings.load(path) == Settings()


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    assert Settings.load(tmp_path / "none.json") == Settings()
