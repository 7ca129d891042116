"""Histograms of fills: times by step, and what was paid against the quotes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from tui.model.desk.quality import (
    BOUNDS_MS,
    DIFFERENCES_BPS,
    FillTimes,
    count_by_bound,
    count_by_difference,
    find_percentile,
)
from tui.text.format import Line, Span, draw_bar, fit_text, format_seconds
from tui.text.symbols import Symbols

_BAR_CELLS: Final = 10
_COLUMN_CELLS: Final = _BAR_CELLS + 4
_NAME_CELLS: Final = 10
TIMES_CELLS: Final = _NAME_CELLS + 3 * _COLUMN_CELLS
DIFFERENCES_CELLS: Final = _NAME_CELLS + _COLUMN_CELLS


def render_times(times: Sequence[FillTimes], symbols: Symbols) -> list[Line]:
    """Count fills by the time that each step took."""
    getters = (
        ("to submission", lambda each: each.to_submission),
        ("on chain", lambda each: each.on_chain),
        ("in all", lambda each: each.total),
    )
    head = [Span(fit_text(f" {len(times):,} FILLS", _NAME_CELLS), "title")]
    counts = []
    for title, get in getters:
        head.append(Span(fit_text(title, _COLUMN_CELLS), "muted"))
        counts.append(count_by_bound(map(get, times)))
    lines: list[Line] = [head]
    top = max(map(max, counts)) or 1
    for number in range(len(BOUNDS_MS) + 1):
        line = [_render_name(_name_bound(number, symbols))]
        line += [_render_bar(each[number], top, symbols) for each in counts]
        lines.append(line)
    for percent in (50, 95):
        line = [_render_name(f"p{percent}")]
        for _, get in getters:
            value = find_percentile(times, percent, get)
            text = symbols.dot if value is None else format_seconds(value)
            line.append(Span(fit_text(text, _COLUMN_CELLS), "strong"))
        lines.append(line)
    return lines


def render_differences(differences: Sequence[Decimal], symbols: Symbols) -> list[Line]:
    """Count fills by what they were paid against their quotes, the least first."""
    lines: list[Line] = [
        [Span(" VS QUOTE", "title"), Span("  + is more", "muted")],
    ]
    counts = count_by_difference(differences)
    for number, count in enumerate(counts):
        bar = _render_bar(count, max(counts) or 1, symbols)
        lines.append([_render_name(_name_difference(number)), bar])
    for title, part in (("half", 2), ("worst 5%", 20)):
        text = symbols.dot
        if differences:
            text = f"{differences[len(differences) // part]:+.1f} bps"
        lines.append([_render_name(title), Span(fit_text(text, _COLUMN_CELLS), "strong")])
    return lines


def _render_name(text: str) -> Span:
    return Span(f"{fit_text(text, _NAME_CELLS - 2, is_right=True)}  ", "muted")


def _render_bar(count: int, top: int, symbols: Symbols) -> Span:
    share = Decimal(count) / top
    bar = draw_bar(share, _BAR_CELLS - 1, symbols.full, " ").rstrip()
    bar = bar or (symbols.rail if count else "")
    return Span(fit_text(f"{bar}{f' {count:,}' if count else ''}", _COLUMN_CELLS), "share")


def _name_bound(number: int, symbols: Symbols) -> str:
    if number == len(BOUNDS_MS):
        return f"> {BOUNDS_MS[-1] // 1_000} s"
    bound = BOUNDS_MS[number]
    text = f"{bound} ms" if bound < 1_000 else f"{bound // 1_000} s"
    return f"{symbols.at_most} {text}"


def _name_difference(number: int) -> str:
    """``< -30``, ``-30..-10`` … ``> +10``; what is a bound is with what is above it."""
    if number == 0:
        return f"< {DIFFERENCES_BPS[0]:+}"
    if number == len(DIFFERENCES_BPS):
        return f"> {DIFFERENCES_BPS[-1]:+}"
    return f"{DIFFERENCES_BPS[number - 1]:+}..{DIFFERENCES_BPS[number]:+}"
