"""The timeline of one order: a line for each step with its time, duration and usual duration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, NamedTuple

from tui.model.counts.rates import Rates
from tui.model.groups import OrderGroups
from tui.model.orders import Order
from tui.model.step_history import Step
from tui.text.format import Line, Span, format_duration, format_seconds, sanitize_text
from tui.text.symbols import Symbols

_FIXED_CELLS: Final = 32
"""Cells of a line without its bar."""
_BAR_CELLS_MAX: Final = 40
_SLOW_RATIO: Final = 3
"""Multiple of the median duration from which on a step counts as slow."""


@dataclass(frozen=True, slots=True)
class TextContext:
    """Parameters for rendering text: symbols, time zone, width, time and which orders belong."""

    symbols: Symbols
    timezone: tzinfo
    cells: int
    now_ms: int
    groups: OrderGroups | None = None


class _Phase(NamedTuple):
    """A step, and the time that the order spent in it."""

    step: Step
    after_ms: int
    duration_ms: int
    is_end: bool


def render_timeline(order: Order, rates: Rates, context: TextContext) -> Iterator[Line]:
    """Render the steps of an order; its history must be loaded."""
    bar_cells = max(min(context.cells - _FIXED_CELLS, _BAR_CELLS_MAX), 0)
    yield [Span(f"{'TIMELINE':<13}{'at':>7} {' ' * bar_cells}{'took':>6}{'/p50':>5}", "title")]
    phases = _compute_phases(order, context.now_ms)
    # Waiting may take days: it is not what the other bars are compared with.
    executed_ms = [phase.duration_ms for phase in phases if phase.step.status != "waiting"]
    longest_ms = max(executed_ms, default=0) or 1
    for phase in phases:
        failure = phase.step.failure
        if failure is not None and not phase.is_end:
            wait = f", waits {format_seconds(failure.wait_ms)}" if failure.wait_ms else ""
            yield [Span(f"  {sanitize_text(failure.code)}{wait}", "worse")]
        filled = min(phase.duration_ms / longest_ms, 1) * bar_cells
        yield _render_phase(phase, filled, bar_cells, rates, context.symbols)


def _compute_phases(order: Order, now_ms: int) -> list[_Phase]:
    steps = list(order.steps)
    ends_ms = [step.at_ms for step in steps[1:]]
    ends_ms.append(steps[-1].at_ms if order.is_end else max(now_ms, steps[-1].at_ms))
    return [
        _Phase(
            step,
            step.at_ms - order.created_ms,
            end_ms - step.at_ms,
            order.is_end and step.seq == order.seq,
        )
        for step, end_ms in zip(steps, ends_ms, strict=True)
    ]


def _render_phase(
    phase: _Phase, filled: float, bar_cells: int, rates: Rates, symbols: Symbols
) -> Line:
    step = phase.step
    is_retry = step.status == "routing" and step.attempt > 1
    mark = symbols.retry if is_retry else symbols.status[step.status]
    word = f"attempt {step.attempt}" if is_retry else step.status
    start = [
        Span(f"{mark} {word:<11}", step.status),
        Span(f"{'+' + format_duration(phase.after_ms):>7}", "muted"),
    ]
    if phase.is_end:
        return start
    usual_ms = rates.median_phase_ms(step.status)
    is_slow = usual_ms is not None and phase.duration_ms > _SLOW_RATIO * usual_ms
    return [
        *start,
        Span(f" {_draw_phase_bar(filled, symbols):<{bar_cells}}"[: bar_cells + 1], step.status),
        Span(f"{format_duration(phase.duration_ms):>6}"),
        Span(f"{_format_ratio(phase.duration_ms, usual_ms):>5}", "worse" if is_slow else "muted"),
    ]


def _draw_phase_bar(filled: float, symbols: Symbols) -> str:
    cells = round(filled)
    return symbols.full * cells if cells else symbols.rail


def _format_ratio(duration_ms: int, usual_ms: int | None) -> str:
    if not usual_ms:
        return ""
    ratio = duration_ms / usual_ms
    return f"{ratio:.1f}" if ratio < 10 else f"{min(ratio, 999):.0f}"
