"""What the dashboard writes: exports, recordings, settings."""

from __future__ import annotations

import csv
import gzip
import json
import os
from pathlib import Path

import pytest

from tests.tui.desks import Still, desk, recorded
from tests.tui.dumps import dump
from tui.connection.recording import BadRecording, Recorder, Replay, read
from tui.model.messages import Events
from tui.model.model import Model
from tui.output.export import export
from tui.settings import Settings


def model() -> Model:
    made = Model()
    for each in recorded():
        made.apply(each.message, each.at_ms)
    return made


def test_a_csv_has_a_line_for_each_order_with_exact_amounts(tmp_path: Path) -> None:
    orders = model().ordered
    assert export(orders, tmp_path / "orders.csv") == 453
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
    orders = model().ordered[:3]
    export(orders, tmp_path / "orders.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "orders.jsonl").read_text().splitlines()]
    assert [line["txHash"] for line in lines] == [order.tx_hash for order in orders]


def test_an_export_takes_the_place_of_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        export([], path)
    assert (path.read_text(), list(tmp_path.iterdir())) == ("mine", [path])


def test_an_export_needs_a_known_ending(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.csv or \.jsonl"):
        export([], tmp_path / "orders.xls")


@pytest.mark.parametrize("name", ["session.jsonl", "session.jsonl.gz"])
def test_a_recording_replayed_gives_the_same_model(tmp_path: Path, name: str) -> None:
    recorder, live = Recorder(tmp_path / name), Model()
    for each in recorded():
        recorder.write(each.message, each.at_ms)
        live.apply(each.message, each.at_ms)
    recorder.close()
    replayed = Model()
    for each in read(tmp_path / name):
        replayed.apply(each.message, each.at_ms)
    assert dump(replayed) == dump(live)


def test_a_recording_that_was_cut_off_is_played_to_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    whole = _lines()
    path.write_text("".join(whole[:5]) + whole[5][:40])
    assert len(list(read(path))) == 4


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (["hello\n"], "line 1"),
        (['{"recording":99}\n'], "line 1"),
        (['{"recording":1}\n', '{"at":1,"is":"nonsense"}\n'], "line 2"),
        (['{"recording":1}\n', '{"at":1,"is":"lost","why":"?"}\n'], "line 2"),
        (['{"recording":1}\n', "[]\n"], "line 2"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(
    tmp_path: Path, lines: list[str], place: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("".join(lines))
    with pytest.raises(BadRecording, match=place):
        list(read(path))


async def test_a_recording_whose_messages_make_no_sense_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_text('{"recording":1}\n{"at":5,"is":"events","events":[{"orderId":"x"}]}\n')
    replay, made = Replay(path, speed=0, time_s=lambda: 0), Model()
    with pytest.raises(BadRecording, match="the message of 5"):
        await replay.run(made.apply)


def test_a_recording_that_cannot_go_on_ends_and_nothing_else(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    shown = desk(Still(recorded()))
    shown.recorder = Recorder(pipe)
    os.close(reader)
    for each in recorded():
        shown.put(each.message, each.at_ms)
    assert shown.recorder is None
    assert "nothing more is recorded" in shown.model.log.entries[0].text
    assert shown.model.tally.counts["confirmed"] == 434


def test_a_disk_that_is_full_from_the_start_refuses_the_recording() -> None:
    with pytest.raises(OSError, match="No space left"):
        Recorder(Path("/dev/full"))


def test_the_recording_of_the_tests_is_of_a_real_session() -> None:
    events = sum(len(e.message.events) for e in recorded() if isinstance(e.message, Events))
    assert events == sum(len(order.trail) for order in model().ordered)


def _lines() -> list[str]:
    from tests.tui.desks import RECORDING

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
def test_settings_that_make_no_sense_are_as_good_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dashboard.json"
    path.write_text(text)
    assert Settings.load(path) == Settings()


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    assert Settings.load(tmp_path / "none.json") == Settings()
