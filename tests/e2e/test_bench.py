"""The benchmark from its command line: every mode once, with a minimal load."""

from __future__ import annotations

import json

import pytest

from backend.trials.bench.load_parameters import Mode
from tests.e2e.up import run_command

RUN_TIMEOUT_S = 240


@pytest.mark.long
def test_orders_of_a_key_are_measured_as_well() -> None:
    modes = ("rate", "--orders", "20")
    output = run_command(
        "bench", *modes, "--quick", "--keys", "--json", "-", timeout_s=RUN_TIMEOUT_S
    )
    report = json.loads(output)
    assert report["isGood"] is True
    assert report["modes"]["rate"]["figures"]["not_confirmed"]["median"] == 0


@pytest.mark.long
def test_every_mode_runs_loses_nothing_and_leaves_its_figures() -> None:
    output = run_command("bench", "all", "--quick", "--json", "-", timeout_s=RUN_TIMEOUT_S)
    report = json.loads(output)
    assert report["isGood"] is True
    assert list(report["modes"]) == [mode.value for mode in Mode]
    for mode in report["modes"].values():
        assert mode["wrong"] == []
        assert len(mode["runs"]) == 1
    figures = {name: mode["figures"] for name, mode in report["modes"].items()}
    for name in ("single", "rate", "batch", "demo"):
        assert figures[name]["orders_per_s"]["median"] > 0
        assert figures[name]["not_confirmed"]["median"] == 0
        assert figures[name]["rows_per_order"]["median"] == 6
        assert figures[name]["wal_bytes_per_order"]["median"] > 1_000
        assert figures[name]["calibration_ms"]["median"] > 0
        assert figures[name]["after_rest_factor"]["median"] > 0
    assert figures["rate"]["end_to_end_p99_ms"]["median"] > 0
    assert figures["trace"]["end_to_end_p50_ms"]["median"] > 0
    steps = {(step["process"], step["what"]) for step in report["modes"]["trace"]["waterfall"]}
    assert {
        ("client", "POST"),
        ("api", "PostgreSQL: store orders"),
        ("worker", "PostgreSQL: record (1)"),
        ("worker", "node: sendTransaction"),
        ("client", "receives confirmed"),
    } <= steps
    assert figures["stream"]["5_streams_of_all_event_to_socket_p99_ms"]["median"] > 0
    assert "batch_difference_percent" in figures["history"]
    assert figures["pgbench"]["50_rows_2_connections_transitions_per_s"]["median"] > 0
