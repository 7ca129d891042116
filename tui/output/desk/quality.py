"""The text of the quality of execution: totals, times by step, failures, and rows by group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tui.model.desk.quality import PERIODS_S, Quality, QualityChoice
from tui.model.desk.wire import WireReport, WireReportRow
from tui.model.routes.quotes import BPS
from tui.output.desk.grid import GridColumn, choose_columns, render_row, render_titles
from tui.output.desk.histograms import (
    DIFFERENCES_CELLS,
    TIMES_CELLS,
    render_differences,
    render_times,
)
from tui.output.desk.latency_chart import render_latency, render_throughput
from tui.output.failure_advice import get_advice
from tui.text.format import (
    Line,
    Span,
    format_amount,
    format_bps,
    format_percent,
    line_width,
    sanitize_text,
    truncate_line,
)
from tui.text.symbols import Symbols

_FAILURES_CELLS: Final = 32
_BLOCK_GAP: Final = 4
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
    lines += _render_blocks(context, quality.report)
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
        Span(_format_rate(total), "good"),
        Span("   vs quote ", "muted"),
        _render_difference(total["slippageBps"]),
    ]
    if line_width([*ends, *sums]) + len(_GAP.text) <= cells:
        yield [*ends, _GAP, *sums]
    else:
        yield from (ends, [Span(" "), *sums])


def _render_blocks(context: QualityContext, report: WireReport) -> list[Line]:
    """Times by step, what was paid against the quotes, failures: beside each other if they fit."""
    quality, symbols, cells = context.quality, context.symbols, context.cells
    blocks: list[tuple[int, list[Line]]] = [
        (TIMES_CELLS, render_times(quality.times, symbols)),
        (DIFFERENCES_CELLS, render_differences(quality.differences, symbols)),
    ]
    used = sum(width + _BLOCK_GAP for width, _ in blocks)
    if used - _BLOCK_GAP > cells:  # the first has a line of its own
        used = DIFFERENCES_CELLS + _BLOCK_GAP
        rows = [blocks[:1], blocks[1:]]
    else:
        rows = [blocks]
    if used + _FAILURES_CELLS > cells:
        used = 0
        rows.append([])
    rows[-1].append((_FAILURES_CELLS, _render_failures(report["total"], cells - used)))
    return [line for row in rows for line in ([], *_join_blocks(row))][1:]


def _join_blocks(blocks: Sequence[tuple[int, list[Line]]]) -> Iterator[Line]:
    for number in range(max(len(block) for _, block in blocks)):
        line: Line = []
        start = 0
        for cells, block in blocks:
            line.append(Span(" " * max(start - line_width(line), 0)))
            line += block[number] if number < len(block) else []
            start += cells + _BLOCK_GAP
        yield line


def _render_failures(total: WireReportRow, cells: int) -> list[Line]:
    """The codes, with their words where there is room for all of them."""
    counts = total.get("failureReasons")
    reasons = sorted((counts or {}).items(), key=lambda each: -each[1])
    lines: list[Line] = [[Span("FAILED BECAUSE OF", "title")]]
    for code, count in reasons[:_REASONS_MAX]:
        action = f"show_failures('{code}')" if code.isidentifier() else ""
        line = [Span(f"{count:>6,} ", "failed"), Span(sanitize_text(code), "", action)]
        words = Span(f"  {get_advice(code).meaning}", "muted")
        lines.append([*line, words] if line_width([*line, words]) <= cells else line)
    if len(reasons) > _REASONS_MAX:
        lines.append([Span(f"       and {len(reasons) - _REASONS_MAX} more reasons", "muted")])
    if not reasons:
        text = "the server does not say" if counts is None else "nothing failed"
        lines.append([Span(text, "muted")])
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
            GridColumn("vs quote", 9, lambda row: _render_difference(row["slippageBps"]), 4),
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


def _render_difference(slippage_bps: int | str | None) -> Span:
    """What was paid against the quotes: more (+) or less (-); the API tells how much less."""
    if slippage_bps is None:
        return Span("-", "muted")
    bps = -Decimal(slippage_bps)
    return Span(f"{format_bps(bps)} bps" if bps else "0 bps")


def _format_rate(total: WireReportRow) -> str:
    """What was saved of the volume: `` 8.3 bps``."""
    volume = Decimal(total["volume"])
    return f" {Decimal(total['savedValue']) / volume * BPS:.1f} bps" if volume > 0 else ""
