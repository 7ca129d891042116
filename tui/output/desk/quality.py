"""The text of the quality of execution: totals, times by step, failures, and rows by group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tui.model.desk.quality import (
    BOUNDS_MS,
    PERIODS_S,
    Quality,
    QualityChoice,
    count_by_bound,
    find_percentile,
)
from tui.model.desk.wire import WireReport, WireReportRow
from tui.output.desk.grid import GridColumn, choose_columns, render_row, render_titles
from tui.output.desk.latency_chart import render_latency, render_throughput
from tui.text.format import (
    Line,
    Span,
    draw_bar,
    fit_text,
    format_amount,
    format_percent,
    format_seconds,
    line_width,
    sanitize_text,
    truncate_line,
)
from tui.text.symbols import Symbols

_HISTOGRAM_CELLS: Final = 52
_BAR_CELLS: Final = 10
_REASONS_MAX: Final = 7
_CHART_LINES: Final = 9
_GAP: Final = Span("   ")
_FULL_LINES: Final = 34
"""With so many lines there is room for charts."""


@dataclass(frozen=True, slots=True)
class QualityContext:
    """The inputs of the view; ``ends`` are the orders that ended in each of the last seconds."""

    quality: Quality
    choice: QualityChoice
    ends: Sequence[int]
    symbols: Symbols
    cells: int
    lines: int
    now_ms: int
    problem: str = ""


def render_quality(context: QualityContext) -> list[Line]:
    """Render the view; all of it can be scrolled to."""
    quality, choice = context.quality, context.choice
    lines = [_render_choice(context)]
    if context.problem:
        lines.append([Span(f" ! {sanitize_text(context.problem)}", "warn")])
    is_shown = (quality.period, quality.group) == (choice.period, choice.group)
    if quality.report is None or not is_shown:
        return [*lines, [Span("" if context.problem else " reading", "muted")]]
    lines += [*_render_totals(quality.report, context.cells), []]
    lines += _render_side_by_side(context, quality.report)
    lines += [[], *_render_rows(quality.report, context)]
    if context.lines >= _FULL_LINES:
        lines += [[], *render_latency(quality.times, context.cells, _CHART_LINES, context.symbols)]
        lines += [[], *render_throughput(context.ends, context.cells, context.symbols)]
    return [truncate_line(line, context.cells) for line in lines]


def _render_choice(context: QualityContext) -> Line:
    choice = context.choice
    line = [Span(" over ", "muted")]
    for name in PERIODS_S:
        role = "chosen" if name == choice.period else ""
        line += [Span(f" {name} ", role, f"choose_period('{name}')"), Span(" ")]
    line.append(Span("  by ", "muted"))
    for name, title in (("pair", "pair"), ("dex", "DEX")):
        role = "chosen" if name == choice.group else ""
        line += [Span(f" {title} ", role, f"choose_group('{name}')"), Span(" ")]
    return line


def _render_totals(report: WireReport, cells: int) -> Iterator[Line]:
    total, reference = report["total"], sanitize_text(report["reference"])
    confirmed, failed = (total["orders"].get(name, 0) for name in ("confirmed", "failed"))
    share = Decimal(failed) / (confirmed + failed) if confirmed + failed else Decimal(0)
    ends = [
        Span(f" {confirmed:,} confirmed", "confirmed"),
        Span(f"  {failed:,} failed", "failed" if failed else "muted"),
        Span(f" {format_percent(share, 1)}", "muted"),
    ]
    sums = [
        Span("volume ", "muted"),
        Span(f"{format_amount(Decimal(total['volume']))} {reference}"),
        Span("   saved ", "muted"),
        Span(f"{format_amount(Decimal(total['savedValue']))} {reference}", "good"),
        Span("   slippage ", "muted"),
        Span(_format_bps(total["slippageBps"])),
    ]
    if line_width([*ends, *sums]) + len(_GAP.text) <= cells:
        yield [*ends, _GAP, *sums]
    else:
        yield from (ends, [Span(" "), *sums])


def _render_side_by_side(context: QualityContext, report: WireReport) -> list[Line]:
    """Times by step and failures by reason; below each other where it is narrow."""
    left = _render_histogram(context)
    right = _render_failures(report["total"])
    if context.cells < _HISTOGRAM_CELLS + 34:
        return [*left, [], *right] if report["total"]["reasons"] else left
    rows: list[Line] = []
    for number in range(max(len(left), len(right))):
        first = left[number] if number < len(left) else []
        gap = Span(" " * (_HISTOGRAM_CELLS + 4 - line_width(first)))
        rows.append([*first, gap, *(right[number] if number < len(right) else [])])
    return rows


def _render_histogram(context: QualityContext) -> list[Line]:
    times, symbols = context.quality.times, context.symbols
    getters = (
        ("to submission", lambda each: each.to_submission),
        ("on chain", lambda each: each.on_chain),
        ("in all", lambda each: each.total),
    )
    head = [Span(fit_text(f" {len(times):,} FILLS", 10), "title")]
    counts = []
    for title, get in getters:
        head.append(Span(fit_text(title, _BAR_CELLS + 4), "muted"))
        counts.append(count_by_bound(map(get, times)))
    lines: list[Line] = [head]
    top = max((max(each) for each in counts), default=0) or 1
    for number in range(len(BOUNDS_MS) + 1):
        line = [Span(fit_text(_name_bound(number, symbols), 8, is_right=True), "muted"), Span("  ")]
        for each in counts:
            line += _render_bar(each[number], top, symbols)
        lines.append(line)
    for percent in (50, 95):
        line = [Span(fit_text(f"p{percent}", 8, is_right=True), "muted"), Span("  ")]
        for _, get in getters:
            value = find_percentile(times, percent, get)
            text = symbols.dot if value is None else format_seconds(value)
            line.append(Span(fit_text(text, _BAR_CELLS + 4), "strong"))
        lines.append(line)
    return lines


def _render_bar(count: int, top: int, symbols: Symbols) -> Line:
    share = Decimal(count) / top
    cells = _BAR_CELLS - 1
    bar = draw_bar(share, cells, symbols.full, " ").rstrip() or (symbols.rail if count else "")
    text = f"{bar}{f' {count:,}' if count else ''}"
    return [Span(fit_text(text, _BAR_CELLS + 4), "share")]


def _name_bound(number: int, symbols: Symbols) -> str:
    if number == len(BOUNDS_MS):
        return f"> {BOUNDS_MS[-1] // 1_000} s"
    bound = BOUNDS_MS[number]
    text = f"{bound} ms" if bound < 1_000 else f"{bound // 1_000} s"
    return f"{symbols.at_most} {text}"


def _render_failures(total: WireReportRow) -> list[Line]:
    reasons = sorted(total["reasons"].items(), key=lambda each: -each[1])
    lines: list[Line] = [[Span("FAILED BECAUSE OF", "title")]]
    for code, count in reasons[:_REASONS_MAX]:
        action = f"show_failures('{code}')" if code.isidentifier() else ""
        lines.append([Span(f"{count:>6,} ", "failed"), Span(sanitize_text(code), "", action)])
    if len(reasons) > _REASONS_MAX:
        lines.append([Span(f"       and {len(reasons) - _REASONS_MAX} more reasons", "muted")])
    if not reasons:
        lines.append([Span("nothing failed", "muted")])
    return lines


def _render_rows(report: WireReport, context: QualityContext) -> Iterator[Line]:
    dot = Span(context.symbols.dot, "muted")

    def count(number: int, role: str = "") -> Span:
        return Span(f"{number:,}", role) if number else dot

    columns = choose_columns(
        (
            GridColumn("by " + context.choice.group, 14, _name_row, 0, is_left=True),
            GridColumn("fills", 8, lambda row: count(row["fills"]), 0),
            GridColumn("failed", 8, lambda row: count(row["orders"].get("failed", 0), "failed"), 1),
            GridColumn("volume", 9, lambda row: Span(format_amount(Decimal(row["volume"]))), 2),
            GridColumn(
                "saved", 9, lambda row: Span(format_amount(Decimal(row["savedValue"])), "good"), 3
            ),
            GridColumn("slippage", 9, lambda row: Span(_format_bps(row["slippageBps"])), 4),
            GridColumn("realised", 9, lambda row: Span(format_amount(Decimal(row["realized"]))), 5),
        ),
        context.cells,
    )
    yield render_titles(columns)
    for row in report["rows"]:
        yield render_row(row, columns)
    if not report["rows"]:
        yield [Span(" no order ended in this time", "muted")]


def _name_row(row: WireReportRow) -> Span:
    return Span(sanitize_text(row["key"] or "no route"))


def _format_bps(value: int | str | None) -> str:
    return "-" if value is None else f"{Decimal(value):.0f} bps"
