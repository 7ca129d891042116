"""The summary above the order table: connection, throughput, status counts and routing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tui.model.connection_state import ConnectionStatus
from tui.model.model import Model
from tui.output.status_counts import StatusCounts, render_status_counts
from tui.table.view import OrderView
from tui.text.format import (
    SECOND_MS,
    Line,
    Span,
    draw_bar,
    draw_sparkline,
    format_percent,
    format_rate,
    format_seconds,
    line_width,
    sanitize_text,
    truncate_line,
)
from tui.text.symbols import Symbols

_WIDE_CELLS: Final = 110
_SPARKLINE_WIDE_CELLS: Final = 20
_SPARKLINE_NARROW_CELLS: Final = 6
_BATCH_BAR_CELLS: Final = 8
_SHARE_BAR_CELLS: Final = 10
_GAPS_CELLS: Final = 5
"""Around the two parts of a line."""


@dataclass(frozen=True, slots=True)
class SummaryContext:
    """The inputs of the summary. ``recording`` describes the recording if one is replayed."""

    model: Model
    view: OrderView
    symbols: Symbols
    cells: int
    now_ms: int
    recording: str = ""

    @property
    def is_wide(self) -> bool:
        """Whether the width allows labels in words."""
        return self.cells >= _WIDE_CELLS


def render_summary(context: SummaryContext) -> list[Line]:
    """Render the summary: three lines, or two in a narrow terminal."""
    speed = [_render_stopped(context), *_render_throughput(context), *_render_quality(context)]
    routing = _render_routing(context)
    if context.is_wide:
        return [
            _join_parts([_render_connection(context), *speed], context.cells),
            _join_parts([_render_status_counts(context)], context.cells),
            _join_parts(
                [
                    _render_pause(context),
                    *routing,
                    _render_batch(context),
                    _render_time_left(context),
                ],
                context.cells,
            ),
        ]
    return [
        _join_parts([_render_connection(context), *speed, _render_batch(context)], context.cells),
        _join_parts(
            [_render_status_counts(context), _render_pause(context), *routing], context.cells
        ),
    ]


def _join_parts(parts: Iterable[Line], cells: int) -> Line:
    """Join the parts that fit into the width, with gaps between them; the first is cut to it."""
    line: Line = [Span(" ")]
    gap = Span("   " if cells >= _WIDE_CELLS else "  ")
    for part in parts:
        if not part:
            continue
        extra = [gap, *part] if len(line) > 1 else part
        if len(line) == 1:
            extra = truncate_line(part, cells - 1)
        elif line_width(line) + line_width(extra) > cells:
            continue
        line += extra
    return line


def _render_connection(context: SummaryContext) -> Line:
    connection, symbols, now_ms = context.model.connection, context.symbols, context.now_ms
    host = connection.url.partition("://")[2] or connection.url
    if context.recording:
        return [Span(f"{symbols.winner} {context.recording}", "paused")]
    match connection.status:
        case ConnectionStatus.CONNECTING:
            words = f"{symbols.status['pending']} connecting {host} (try {connection.tries})"
            return [Span(words, "warn")]
        case ConnectionStatus.LOADING:
            loaded, total = len(context.model.orders), context.model.total
            words = f"{symbols.quiet} loading {loaded:,} of {total:,} orders{symbols.more}"
            return [Span(words, "warn")]
        case ConnectionStatus.OFFLINE:
            return _render_offline(context)
        case ConnectionStatus.LIVE if inactive_ms := connection.inactive_ms(now_ms):
            return [Span(f"{symbols.quiet} quiet {inactive_ms // SECOND_MS} s", "warn")]
        case ConnectionStatus.LIVE:
            live = Span(f"{symbols.status['confirmed']} live", "confirmed")
            return [live, Span(f"  {host}", "muted")] if context.is_wide else [live]


def _render_stopped(context: SummaryContext) -> Line:
    """What is halted, in words, as far as there is room."""
    stopped = context.model.stopped
    if not stopped:
        return []
    room = context.cells - line_width(_render_connection(context)) - _GAPS_CELLS
    text = f"{context.symbols.lost} {sanitize_text('; '.join(stopped))}"
    if len(text) > room:
        text = text[: max(room - len(context.symbols.more), 0)] + context.symbols.more
    return [Span(text, "offline")]


def _render_offline(context: SummaryContext) -> Line:
    connection, symbols = context.model.connection, context.symbols
    if connection.retry_at_ms is None:
        text = f"{symbols.lost} refused {symbols.dot} r tries again"
        return [Span(text, "offline", "app.retry_now")]
    away = (context.now_ms - connection.lost_at_ms) // SECOND_MS
    wait = -(-(connection.retry_at_ms - context.now_ms) // SECOND_MS)
    retry = f"retry in {wait} s" if wait > 0 else "trying"
    dot = symbols.dot
    text = f"{symbols.lost} offline {away} s {dot} {retry} {dot} r now"
    return [Span(text, "offline", "app.retry_now")]


def _render_throughput(context: SummaryContext) -> list[Line]:
    counters, now_ms = context.model.counters, context.model.connection.to_server_ms(context.now_ms)
    word, cells = (
        ("in flight", _SPARKLINE_WIDE_CELLS)
        if context.is_wide
        else ("in flight", _SPARKLINE_NARROW_CELLS)
    )
    ends = counters.rates.ends_per_second(now_ms, cells)
    return [
        [Span(f"{word} ", "muted"), Span(f"{counters.in_flight:,}", "strong")],
        [
            Span(f"{format_rate(counters.rates.end_rate(now_ms)):>6} ", "strong"),
            Span(draw_sparkline(ends, context.symbols.spark), "spark"),
        ],
    ]


def _render_quality(context: SummaryContext) -> list[Line]:
    counts = context.model.counters.by_status
    ended = counts["confirmed"] + counts["failed"]
    share = Decimal(counts["failed"]) / ended if ended else Decimal(0)
    parts: list[Line] = [
        [
            Span("fail ", "muted"),
            Span(format_percent(share, 1), "failed" if counts["failed"] else ""),
        ]
    ]
    took = context.model.counters.rates.duration_percentiles_ms()
    if took is not None:
        middle, high = took
        parts += [
            [Span("p50 ", "muted"), Span(format_seconds(middle))],
            [Span("p95 ", "muted"), Span(format_seconds(high))],
        ]
    return parts


def _render_status_counts(context: SummaryContext) -> Line:
    """The counts by status, behind the space that begins each line."""
    counts = StatusCounts(context.model.counters.by_status, context.view.filter.statuses)
    cells = context.cells - 1
    return render_status_counts(counts, context.symbols, cells, is_wide=context.is_wide)


def _render_pause(context: SummaryContext) -> Line:
    if not context.view.is_paused:
        return []
    return [
        Span(
            f"{context.symbols.paused} paused +{context.view.held_back_events:,}",
            "paused",
            "screen.pause",
        )
    ]


def _render_venue_share(context: SummaryContext) -> Line:
    routed = sorted((dex, n) for dex, n in context.model.counters.by_venue.items() if dex and n > 0)
    total = sum(n for _, n in routed)
    if len(routed) != 2:
        return [Span(f"{dex} 100%") for dex, _ in routed]
    (first, n), (second, _) = reversed(routed) if routed[0][0] == "meteora" else routed
    share = Decimal(n) / total
    cells, percent = _SHARE_BAR_CELLS, int((share * 100).to_integral_value())
    names = (first, second) if context.is_wide else (first[:3], second[:3])
    bar = draw_bar(share, cells, context.symbols.full, context.symbols.empty)
    return [
        Span(f"{names[0]} ", "muted"),
        Span(f"{percent}% "),
        Span(bar, "share"),
        Span(f" {100 - percent}%"),
        Span(f" {names[1]}", "muted"),
    ]


def _render_routing(context: SummaryContext) -> list[Line]:
    failing = context.model.counters.venue_health.list_failing(
        context.model.connection.to_server_ms(context.now_ms)
    )
    if failing:
        return [_render_failing_venues(context, failing), _render_venue_share(context)]
    return [_render_venue_share(context), _render_savings(context)]


def _render_savings(context: SummaryContext) -> Line:
    savings = context.model.counters.savings
    if savings.rate_bps is None:
        return []
    if not context.is_wide:
        return [Span("saved ", "muted"), Span(f"{savings.rate_bps:.1f}bps", "good")]
    words = f"{savings.rate_bps:.1f} bps {context.symbols.dot} ${savings.dollars:,.2f}"
    return [Span("routing saved ", "muted"), Span(words, "good")]


def _render_failing_venues(context: SummaryContext, failing: Sequence[str]) -> Line:
    words = f"! {' and '.join(failing)} quotes failing"
    others = [dex for dex in context.model.counters.by_venue if dex and dex not in failing]
    if others and context.is_wide:
        words += f", routing on {' and '.join(sorted(others))} only"
    return [Span(words, "warn")]


def _render_batch(context: SummaryContext) -> Line:
    batch = context.model.counters.batches.get_current(
        context.model.connection.to_server_ms(context.now_ms)
    )
    if batch is None:
        return []
    symbols, action = context.symbols, f"screen.set_filter('batch:{batch.short_id}')"
    done = f"{batch.ended:,}/{batch.total:,}"
    line = [Span(f"#{batch.short_id} ", "accent", action)]
    if context.is_wide:
        share = Decimal(batch.ended) / batch.total
        bar = draw_bar(share, _BATCH_BAR_CELLS, symbols.full, symbols.empty)
        line = [Span("batch ", "muted"), *line, Span(f"{bar} ", "share")]
    line.append(Span(done))
    if batch.waiting:
        line.append(Span(f" {symbols.status['waiting']}{batch.waiting:,}", "waiting"))
    if batch.failed:
        line.append(Span(f" {symbols.status['failed']}{batch.failed:,}", "failed"))
    return line


def _render_time_left(context: SummaryContext) -> Line:
    now_ms = context.model.connection.to_server_ms(context.now_ms)
    batch = context.model.counters.batches.get_current(now_ms)
    rate = context.model.counters.rates.end_rate(now_ms)
    is_offline = context.model.connection.status is ConnectionStatus.OFFLINE
    if batch is None or not batch.left or is_offline or not rate:
        return []
    left_s = Decimal(batch.left) / rate
    return [Span(f"{left_s:.0f} s left", "muted")]
