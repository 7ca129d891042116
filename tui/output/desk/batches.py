"""The text of the batches: the progress of each, and why orders of the one at the cursor failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from typing import Final

from tui.model.counts.batches import Batch
from tui.model.orders import Order
from tui.model.plan.resubmission import explain_hopeless
from tui.output.desk.grid import GridColumn, choose_columns, render_row, render_titles
from tui.output.failure_advice import get_advice
from tui.text.format import (
    Line,
    Span,
    draw_bar,
    format_moment,
    format_percent,
    format_seconds,
    truncate_line,
)
from tui.text.symbols import Symbols

_BAR_CELLS: Final = 12
_REASONS_MAX: Final = 5
REASON_LINES: Final = _REASONS_MAX + 2


@dataclass(frozen=True, slots=True)
class BatchesContext:
    """The inputs of the view; ``is_complete``: all orders of the engine are known."""

    batches: Sequence[Batch]
    cursor: int
    first: int
    lines: int
    symbols: Symbols
    cells: int
    now_ms: int
    timezone: tzinfo
    is_complete: bool


def render_batches(context: BatchesContext) -> list[Line]:
    """Render a row for each batch from ``first`` on, as many as there are lines for."""
    if not context.batches:
        return [[], [Span(" No batch yet. n sends one.", "muted")]]
    columns = choose_columns(_Columns(context).build(), context.cells)
    lines = [render_titles(columns)]
    shown = context.batches[context.first : context.first + context.lines - 1]
    for number, batch in enumerate(shown, start=context.first):
        is_cursor = number == context.cursor
        row = render_row(batch, columns, context.symbols.cursor if is_cursor else " ")
        action = f"choose({number})"
        lines.append(
            [
                span._replace(role=f"{span.role} strong" if is_cursor else span.role, action=action)
                for span in row
            ]
        )
    if not context.is_complete and len(shown) == len(context.batches):
        lines.append([Span(" older orders are not loaded: their batches are missing", "muted")])
    return lines


def render_reasons(batch: Batch, orders: Iterable[Order], cells: int) -> list[Line]:
    """Render why orders of a batch failed, the most frequent reason first."""
    failures = [order for order in orders if order.status == "failed"]
    if not failures:
        return [[], [Span(" no order of it has failed", "muted")]]
    codes = Counter(order.failure.code if order.failure else "unknown" for order in failures)
    passing = sum(not explain_hopeless(order) for order in failures)
    head = f" {len(failures):,} failed of #{batch.short_id}"
    can = f"   R sends {passing:,} again that can pass" if passing else "   none can pass as it is"
    lines: list[Line] = [[], [Span(head, "title"), Span(can, "muted", "resubmit")]]
    for code, count in codes.most_common(_REASONS_MAX):
        meaning = get_advice(code).meaning
        line = [Span(f" {count:>6,} ", "failed"), Span(code), Span(f"  {meaning}", "muted")]
        lines.append(truncate_line(line, cells))
    return lines


class _Columns:
    """The columns; a count of none is a dot."""

    def __init__(self, context: BatchesContext) -> None:
        self._context = context
        self._dot = Span(context.symbols.dot, "muted")

    def build(self) -> tuple[GridColumn[Batch], ...]:
        return (
            GridColumn("Batch", 9, lambda row: Span(f"#{row.short_id}"), 0, is_left=True),
            GridColumn("sent", 19, self._sent, 5, is_left=True),
            GridColumn("orders", 7, lambda row: Span(f"{row.total:,}"), 0),
            GridColumn("progress", _BAR_CELLS + 5, self._progress, 2, is_left=True),
            GridColumn("confirmed", 9, lambda row: self._count(row.confirmed, "confirmed"), 1),
            GridColumn("failed", 7, lambda row: self._count(row.failed, "failed"), 1),
            GridColumn("open", 6, lambda row: self._count(row.left, "submitted"), 1),
            GridColumn("waiting", 7, lambda row: self._count(row.waiting, "waiting"), 3),
            GridColumn("withdrawn", 9, lambda row: self._count(row.withdrawn, "cancelled"), 6),
            GridColumn("took", 7, self._took, 4),
            GridColumn("requests", 8, lambda row: Span(f"{row.request_count:,}"), 7),
        )

    def _sent(self, row: Batch) -> Span:
        return Span(format_moment(row.first_ms, self._context.timezone), "muted")

    def _count(self, number: int, role: str) -> Span:
        return Span(f"{number:,}", role) if number else self._dot

    def _progress(self, row: Batch) -> Span:
        share = Decimal(row.ended) / row.total
        symbols = self._context.symbols
        bar = draw_bar(share, _BAR_CELLS, symbols.full, symbols.empty)
        # Not 100 % before its last order has ended.
        percent = format_percent(share, 0) if row.is_finished else f"{int(share * 100)}%"
        return Span(f"{bar} {percent:>4}", "share")

    def _took(self, row: Batch) -> Span:
        if not row.is_finished:
            elapsed_ms = max(self._context.now_ms - row.first_ms, 0)
            return Span(format_seconds(elapsed_ms), "running")
        return Span(format_seconds(row.last_ms - row.first_ms))
