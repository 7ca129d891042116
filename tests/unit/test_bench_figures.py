"""The benchmark's arithmetic, and the parsing of process statistics."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count

import pytest

from backend.trials import process_usage as usage
from backend.trials.bench.figures import (
    Spread,
    difference_percent,
    format_number,
    format_row,
    measure_after_rest_factor,
    measure_calibration_ms,
    summarize_delays,
    summarize_runs,
)
from backend.trials.percentile import percentile
from backend.trials.process_usage import ProcessStat, parse_stat, parse_status, sum_ticks

STAT = "42 (a (strange) name) S 7 42 42 0 -1 4194560 9 8 7 6 150 50 30 20 20 0 1 0 99 1 2"


@pytest.mark.parametrize(
    ("share", "expected"), [(0, 1), (0.01, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1, 100)]
)
def test_a_percentile_is_a_sample_that_so_many_do_not_exceed(share: float, expected: int) -> None:
    samples = [float(n) for n in range(100, 0, -1)]
    assert percentile(samples, share) == expected


def test_a_percentile_of_one_sample_is_it() -> None:
    assert {percentile([3.0], share) for share in (0, 0.5, 0.99, 1)} == {3.0}


def test_delays_are_summarized_in_milliseconds() -> None:
    figures = summarize_delays("post", [0.001, 0.002, 0.003])
    assert figures == pytest.approx({"post_p50_ms": 2, "post_p99_ms": 3, "post_max_ms": 3})
    assert summarize_delays("post", []) == {}


def test_runs_are_summarized_by_their_median_and_extremes() -> None:
    runs = [{"rate": 3.0, "only_once": 7.0}, {"rate": 1.0}, {"rate": 2.0}]
    assert summarize_runs(runs) == {"rate": Spread(2, 1, 3), "only_once": Spread(7, 7, 7)}
    assert list(summarize_runs(runs)) == ["rate", "only_once"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (6, "6"), (0.333, "0.33"), (9.99, "9.99"), (41.26, "41.3"), (12_345.6, "12,346")],
)
def test_a_number_is_formatted_with_its_significant_digits(value: float, text: str) -> None:
    assert format_number(value) == text


def test_a_row_names_the_figure_and_shows_a_spread_only_of_several_runs() -> None:
    assert format_row("post_p99_ms", Spread(2, 1, 3), 3) == ("post p99 ms", "2", "1 to 3")
    assert format_row("post_p99_ms", Spread(2, 2, 2), 1) == ("post p99 ms", "2", "")


def test_a_difference_is_in_percent_of_the_base() -> None:
    assert difference_percent(90, 100) == pytest.approx(-10)


def test_the_calibration_is_the_median_of_its_times() -> None:
    steps = count()
    assert measure_calibration_ms(lambda: next(steps) ** 2 / 1_000) == pytest.approx(9)


def test_work_after_a_rest_is_compared_with_work_that_was_just_done() -> None:
    def read_clock() -> Iterator[float]:
        now_s = 0.0
        while True:
            for lasts_s in (1.0, 0.004, 0.002, 0.001, 0.0005):  # the rest, then the work four times
                yield now_s
                now_s += lasts_s
                yield now_s

    clock = read_clock()
    assert measure_after_rest_factor(lambda: next(clock)) == pytest.approx(8)


def test_a_stat_is_read_behind_a_name_that_holds_anything() -> None:
    assert parse_stat(STAT) == ProcessStat(parent=7, own_ticks=200, ended_ticks=50)


def test_a_process_costs_what_its_children_cost_too() -> None:
    stats = {
        1: ProcessStat(0, 1, 2),
        5: ProcessStat(1, 10, 20),
        6: ProcessStat(5, 100, 0),
        9: ProcessStat(0, 1_000, 0),
    }
    assert sum_ticks(1, stats) == 133
    assert sum_ticks(6, stats) == 100
    assert sum_ticks(77, stats) == 0


def test_memory_is_read_in_bytes() -> None:
    memory = parse_status("Name:\tpython\nVmHWM:\t   12 kB\nVmRSS:\t   10 kB\nThreads:\t3\n")
    assert memory == {"VmHWM": 12 * 1_024, "VmRSS": 10 * 1_024}


def test_this_process_is_found() -> None:
    own_pid = os.getpid()
    used_s = usage.read_cpu_s({"tests": [own_pid], "nobody": [2**22 + 1]})
    assert used_s["tests"] > 0
    assert used_s["client"] > 0
    assert "nobody" not in used_s
    usage.reset_memory_peaks([own_pid])
    current, peak = (usage.read_memory_bytes([own_pid], field) for field in ("VmRSS", "VmHWM"))
    assert 0 < current <= peak + 2**20
