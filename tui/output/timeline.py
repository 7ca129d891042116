"""The way of one order, a line for each step: when, how long, and how that compares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, NamedTuple

from tui.model.orders import Order
from tui.model.rates import Rates
from tui.model.step_history import Step
from tui.text import format as as_text
from tui.text.format import Line, Span
from tui.text.symbols import Marks

_FIXED_CELLS: Final = 32
"""What a line takes beside its bar."""
_BAR_MAX: Final = 40
_SLOW: Final = 3
"""Times the usual, from which on a step is called slow."""


@dataclass(frozen=True, slots=True)
class Paper:
    """How lines are to be written: with which marks, how wide, and at what time."""

    marks: Marks
    zone: tzinfo
    cells: int
    now_ms: int


class _Stay(NamedTuple):
    """A step, and how long the order stayed there."""

    step: Step
    after_ms: int
    took_ms: int
    is_end: bool


def timeline(order: Order, rates: Rates, paper: Paper) -> Iterator[Line]:
    """The steps of an order, whose history must be known."""
    bar_cells = max(min(paper.cells - _FIXED_CELLS, _BAR_MAX), 0)
    yield [Span(f"{'TIMELINE':<13}{'at':>7} {' ' * bar_cells}{'took':>6}{'/p50':>5}", "title")]
    stays = _stays(order, paper.now_ms)
    longest_ms = max(stay.took_ms for stay in stays) or 1
    for stay in stays:
        trouble = stay.step.trouble
        if trouble is not None and not stay.is_end:
            wait = f", waits {as_text.seconds(trouble.wait_ms)}" if trouble.wait_ms else ""
            yield [Span(f"  {as_text.clean(trouble.code)}{wait}", "worse")]
        yield _line(stay, stay.took_ms * bar_cells / longest_ms, bar_cells, rates, paper.marks)


def _stays(order: Order, now_ms: int) -> list[_Stay]:
    steps = list(order.trail)
    ends_ms = [step.at_ms for step in steps[1:]]
    ends_ms.append(steps[-1].at_ms if order.is_end else max(now_ms, steps[-1].at_ms))
    return [
        _Stay(
            step,
            step.at_ms - order.created_ms,
            end_ms - step.at_ms,
            order.is_end and step.seq == order.seq,
        )
        for step, end_ms in zip(steps, ends_ms, strict=True)
    ]


def _line(stay: _Stay, filled: float, bar_cells: int, rates: Rates, marks: Marks) -> Line:
    step = stay.step
    is_retry = step.status == "routing" and step.attempt > 1
    mark = marks.retry if is_retry else marks.status[step.status]
    word = f"attempt {step.attempt}" if is_retry else step.status
    start = [
        Span(f"{mark} {word:<11}", step.status),
        Span(f"{'+' + as_text.span_ms(stay.after_ms):>7}", "muted"),
    ]
    if stay.is_end:
        return start
    usual_ms = rates.phase_ms(step.status)
    is_slow = usual_ms is not None and stay.took_ms > _SLOW * usual_ms
    return [
        *start,
        Span(f" {_bar(filled, marks):<{bar_cells}}"[: bar_cells + 1], step.status),
        Span(f"{as_text.span_ms(stay.took_ms):>6}"),
        Span(f"{_ratio(stay.took_ms, usual_ms):>5}", "worse" if is_slow else "muted"),
    ]


def _bar(filled: float, marks: Marks) -> str:
    cells = round(filled)
    return marks.full * cells if cells else marks.rail


def _ratio(took_ms: int, usual_ms: int | None) -> str:
    if not usual_ms:
        return ""
    ratio = took_ms / usual_ms
    return f"{ratio:.1f}" if ratio < 10 else f"{min(ratio, 999):.0f}"
