"""The strip above the blotter: the connection, how it goes, and what is shown, at a glance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tui.model.connection_state import State
from tui.model.model import Model
from tui.table.view import View
from tui.text import format as as_text
from tui.text.format import SECOND_MS, Line, Span
from tui.text.symbols import STATUSES, Marks

_WIDE: Final = 110
_SPARK_WIDE: Final = 20
_SPARK_NARROW: Final = 8
_BATCH_BAR: Final = 8
_SHARE_BAR: Final = 10


@dataclass(frozen=True, slots=True)
class Scene:
    """What the strip is made from. ``recording`` says so if a recording is shown."""

    model: Model
    view: View
    marks: Marks
    cells: int
    now_ms: int
    recording: str = ""

    @property
    def is_wide(self) -> bool:
        """Whether there is room for words."""
        return self.cells >= _WIDE


def summary(scene: Scene) -> list[Line]:
    """Three lines, or two where there is little room."""
    speed = [*_flow(scene), *_quality(scene)]
    routing = _routing(scene)
    if scene.is_wide:
        return [
            _joined([_link(scene), *speed], scene.cells),
            _joined([_counts(scene)], scene.cells),
            _joined([_paused(scene), *routing, _batch(scene), _left(scene)], scene.cells),
        ]
    return [
        _joined([_link(scene), *speed, _batch(scene)], scene.cells),
        _joined([_counts(scene), _paused(scene), *routing], scene.cells),
    ]


def _joined(parts: Iterable[Line], cells: int) -> Line:
    """The parts that fit, with room between them."""
    line: Line = [Span(" ")]
    gap = Span("   " if cells >= _WIDE else "  ")
    for part in parts:
        if not part:
            continue
        extra = [gap, *part] if len(line) > 1 else part
        if as_text.width(line) + as_text.width(extra) > cells:
            continue
        line += extra
    return line


def _link(scene: Scene) -> Line:
    link, marks, now_ms = scene.model.link, scene.marks, scene.now_ms
    host = link.url.partition("://")[2] or link.url
    if scene.recording:
        return [Span(f"{marks.winner} {scene.recording}", "paused")]
    match link.state:
        case State.CONNECTING:
            words = f"{marks.status['pending']} connecting {host} (try {link.tries})"
            return [Span(words, "warn")]
        case State.LOADING:
            loaded, total = len(scene.model.orders), scene.model.total
            words = f"{marks.quiet} loading {loaded:,} of {total:,} orders{marks.more}"
            return [Span(words, "warn")]
        case State.OFFLINE:
            return _offline(scene)
        case State.LIVE if quiet_ms := link.quiet_ms(now_ms):
            return [Span(f"{marks.quiet} quiet {quiet_ms // SECOND_MS} s", "warn")]
        case State.LIVE:
            live = Span(f"{marks.status['confirmed']} live", "confirmed")
            return [live, Span(f"  {host}", "muted")] if scene.is_wide else [live]


def _offline(scene: Scene) -> Line:
    link, marks = scene.model.link, scene.marks
    away = (scene.now_ms - link.lost_ms) // SECOND_MS
    wait = -(-(link.retry_at_ms - scene.now_ms) // SECOND_MS)
    retry = f"retry in {wait} s" if wait > 0 else "trying"
    dot = marks.dot
    text = f"{marks.lost} offline {away} s {dot} {retry} {dot} r now"
    return [Span(text, "offline", "app.retry_now")]


def _flow(scene: Scene) -> list[Line]:
    tally, now_ms = scene.model.tally, scene.model.link.server_ms(scene.now_ms)
    word, cells = ("in flight", _SPARK_WIDE) if scene.is_wide else ("fly", _SPARK_NARROW)
    ends = tally.rates.per_second(now_ms, cells)
    return [
        [Span(f"{word} ", "muted"), Span(f"{tally.in_flight:,}", "strong")],
        [
            Span(f"{as_text.rate(tally.rates.rate(now_ms)):>6} ", "strong"),
            Span(as_text.sparkline(ends, scene.marks.spark), "spark"),
        ],
    ]


def _quality(scene: Scene) -> list[Line]:
    counts = scene.model.tally.counts
    ended = counts["confirmed"] + counts["failed"]
    share = Decimal(counts["failed"]) / ended if ended else Decimal(0)
    parts: list[Line] = [
        [
            Span("fail ", "muted"),
            Span(as_text.percent(share, 1), "failed" if counts["failed"] else ""),
        ]
    ]
    took = scene.model.tally.rates.took_ms()
    if took is not None:
        middle, high = took
        parts += [
            [Span("p50 ", "muted"), Span(as_text.seconds(middle))],
            [Span("p95 ", "muted"), Span(as_text.seconds(high))],
        ]
    return parts


def _counts(scene: Scene) -> Line:
    line: Line = []
    counts, switched = scene.model.tally.counts, scene.view.filter.statuses
    for digit, status in enumerate(STATUSES, start=1):
        if digit > 6 and not counts[status] and status not in switched:
            continue
        line += _count(scene, digit, status, counts[status])
    role = "muted" if switched else "chosen"
    return [*line, Span("0 all", role, "screen.all_statuses")] if scene.is_wide else line[:-1]


def _count(scene: Scene, digit: int, status: str, count: int) -> Line:
    mark, action = scene.marks.status[status], f"screen.toggle_status('{status}')"
    is_on = status in scene.view.filter.statuses
    role = f"{status} chosen" if is_on else status
    if scene.is_wide:
        return [
            Span(f"{digit} ", "muted", action),
            Span(f"{mark} {status} {count:,}", role, action),
            Span("  "),
        ]
    number = as_text.compact(Decimal(count)) if count >= 10_000 else f"{count:,}"
    return [Span(f"{digit}", "muted", action), Span(f"{mark}{number}", role, action), Span(" ")]


def _paused(scene: Scene) -> Line:
    if not scene.view.is_paused:
        return []
    return [Span(f"{scene.marks.paused} paused +{scene.view.held:,}", "paused", "screen.pause")]


def _share(scene: Scene) -> Line:
    routed = sorted((dex, n) for dex, n in scene.model.tally.routed.items() if dex and n > 0)
    total = sum(n for _, n in routed)
    if len(routed) != 2:
        return [Span(f"{dex} 100%") for dex, _ in routed]
    (first, n), (second, _) = reversed(routed) if routed[0][0] == "meteora" else routed
    share = Decimal(n) / total
    cells, percent = _SHARE_BAR, int((share * 100).to_integral_value())
    names = (first, second) if scene.is_wide else (first[:3], second[:3])
    bar = as_text.bar(share, cells, scene.marks.full, scene.marks.empty)
    return [
        Span(f"{names[0]} ", "muted"),
        Span(f"{percent}% "),
        Span(bar, "share"),
        Span(f" {100 - percent}%"),
        Span(f" {names[1]}", "muted"),
    ]


def _routing(scene: Scene) -> list[Line]:
    failing = scene.model.tally.health.failing(scene.model.link.server_ms(scene.now_ms))
    if failing:
        return [_degraded(scene, failing), _share(scene)]
    return [_share(scene), _savings(scene)]


def _savings(scene: Scene) -> Line:
    savings = scene.model.tally.savings
    if savings.bps is None:
        return []
    if not scene.is_wide:
        return [Span("saved ", "muted"), Span(f"{savings.bps:.1f}bps", "good")]
    words = f"{savings.bps:.1f} bps {scene.marks.dot} ${savings.dollars:,.2f}"
    return [Span("routing saved ", "muted"), Span(words, "good")]


def _degraded(scene: Scene, failing: Sequence[str]) -> Line:
    words = f"! {' and '.join(failing)} quotes failing"
    others = [dex for dex in scene.model.tally.routed if dex and dex not in failing]
    if others and scene.is_wide:
        words += f", routing on {' and '.join(sorted(others))} only"
    return [Span(words, "warn")]


def _batch(scene: Scene) -> Line:
    batch = scene.model.tally.batches.current(scene.model.link.server_ms(scene.now_ms))
    if batch is None:
        return []
    marks, action = scene.marks, f"screen.narrow('batch:{batch.short_id}')"
    done = f"{batch.ended:,}/{batch.total:,}"
    line = [Span(f"#{batch.short_id} ", "accent", action)]
    if scene.is_wide:
        share = Decimal(batch.ended) / batch.total
        bar = as_text.bar(share, _BATCH_BAR, marks.full, marks.empty)
        line = [Span("batch ", "muted"), *line, Span(f"{bar} ", "share")]
    line.append(Span(done))
    if batch.failed:
        line.append(Span(f" {marks.status['failed']}{batch.failed:,}", "failed"))
    return line


def _left(scene: Scene) -> Line:
    now_ms = scene.model.link.server_ms(scene.now_ms)
    batch = scene.model.tally.batches.current(now_ms)
    rate = scene.model.tally.rates.rate(now_ms)
    is_offline = scene.model.link.state is State.OFFLINE
    if batch is None or batch.is_over or is_offline or not rate:
        return []
    left_s = Decimal(batch.total - batch.ended) / rate
    return [Span(f"{left_s:.0f} s left", "muted")]
