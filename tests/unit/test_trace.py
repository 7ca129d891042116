"""The trace of a process, and the waterfall of an order that is made of several."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from backend.runtime import trace
from backend.runtime.trace import TraceEntry, read_traces
from backend.trials.bench.tracing.waterfall import OrderWindow, build_waterfall, draw_bar

WRITE_TRACE = """
import sys
from pathlib import Path
from time import monotonic
from backend.runtime import trace
trace.mark_step("before")
trace.start_trace("worker", Path(sys.argv[1]))
started_s = monotonic()
while monotonic() - started_s < 1e-5:  # times are written in microseconds
    pass
trace.mark_step("job received")
trace.mark_span("PostgreSQL: claim", started_s)
"""


def test_a_trace_is_off_until_a_folder_is_given(tmp_path: Path) -> None:
    assert not trace.is_on()
    trace.start_trace("api", None)
    trace.mark_step("nothing")
    trace.mark_span("nothing", 0.0)
    assert not trace.is_on()
    subprocess.run([sys.executable, "-c", WRITE_TRACE, str(tmp_path)], check=True)
    claim, job = read_traces(tmp_path)
    assert (claim.process, claim.what) == ("worker", "PostgreSQL: claim")
    assert (job.process, job.what) == ("worker", "job received")
    assert claim.started_s <= job.started_s == job.ended_s <= claim.ended_s


def test_a_waterfall_has_the_median_of_each_step_in_order_of_the_starts() -> None:
    entries = [
        entry
        for at, claim_s in ((10, 0.002), (20, 0.004), (30, 0.003))
        for entry in (
            TraceEntry("client", "POST", at, at + 0.001),
            TraceEntry("worker", "claim", at + 0.002, at + 0.002 + claim_s),
            TraceEntry("worker", "record", at + 0.010, at + 0.011),
            TraceEntry("worker", "record", at + 0.020, at + 0.022),
        )
    ]
    entries.insert(4, TraceEntry("worker", "sweep", 15, 15.001))  # between two orders
    entries.insert(9, TraceEntry("worker", "renew", 20.030, 20.031))  # in one of three
    windows = [OrderWindow(at, at + 0.05) for at in (10, 20, 30)]
    steps = build_waterfall(entries, windows)
    assert [
        (step.process, step.what, round(step.starts_ms, 3), round(step.takes_ms, 3))
        for step in steps
    ] == [
        ("client", "POST", 0, 1),
        ("worker", "claim", 2, 3),
        ("worker", "record (1)", 10, 1),
        ("worker", "record (2)", 20, 2),
    ]
    assert draw_bar(steps[3], 40) == " " * 20 + "=" * 2
    assert draw_bar(steps[1], 4) == " " * 20 + "=" * 20
