"""The text of the positions: what is held of each token, what it cost and what it is worth now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from tui.model.desk.holdings import Holding, Shortage
from tui.model.desk.limits import OwnLimits
from tui.model.desk.wire import WirePosition, WirePositions
from tui.output.desk.grid import GridColumn, choose_columns, render_row, render_titles
from tui.output.desk.limits import render_limits
from tui.text.format import (
    Line,
    Span,
    format_amount,
    format_exact,
    format_price,
    format_seconds,
    sanitize_text,
    shorten_text,
    truncate_line,
)
from tui.text.symbols import Symbols

_TOKEN_CELLS: Final = 6
_LAMPORTS: Final = 10**9


@dataclass(frozen=True, slots=True)
class PositionsContext:
    """The inputs of the view; ``problem`` says why it is not up to date."""

    positions: WirePositions | None
    holdings: Sequence[Holding]
    shortages: Sequence[Shortage]
    symbols: Symbols
    cells: int
    age_ms: int
    """How long ago the positions were read."""
    problem: str = ""
    limits: OwnLimits | None = None


def render_positions(context: PositionsContext) -> list[Line]:
    """Render totals, warnings, and a row for each token."""
    lines = [truncate_line(line, context.cells) for line in _render_head(context)]
    if context.positions is None:
        return lines
    if limits := render_limits(context.limits, context.cells):
        lines += [[], *limits]
    columns = choose_columns(_Columns(context).build(), context.cells)
    lines += [[], render_titles(columns)]
    lines += [render_row(each, columns) for each in context.holdings]
    return lines


def _render_head(context: PositionsContext) -> Iterator[Line]:
    if context.problem:
        yield [Span(f" ! {sanitize_text(context.problem)}", "warn")]
    for shortage in context.shortages:
        yield [Span(f" ! {describe_shortage(shortage)}", "warn")]
    positions = context.positions
    if positions is None:
        yield [Span(" reading positions" if not context.problem else "", "muted")]
        return
    reference, gap = sanitize_text(positions["reference"]), Span("   ")
    yield [
        Span(" realised ", "muted"),
        _format_gain(Decimal(positions["realized"])),
        Span(f" {reference}", "muted"),
        gap,
        *_render_unrealized(positions["positions"], reference),
        gap,
        Span("network fees ", "muted"),
        Span(f"{Decimal(positions['networkFeeLamports']) / _LAMPORTS:f} SOL"),
    ]


def _render_unrealized(positions: Iterable[WirePosition], reference: str) -> Line:
    told = list(positions)
    known = [Decimal(each["unrealized"]) for each in told if each["unrealized"] is not None]
    rest = len([each for each in told if Decimal(each["amount"]) and each["unrealized"] is None])
    line = [Span("unrealised ", "muted"), _format_gain(sum(known, Decimal(0)))]
    line.append(Span(f" {reference}", "muted"))
    if rest:
        line.append(Span(f", {rest} without a price", "warn"))
    return line


def describe_shortage(shortage: Shortage) -> str:
    """Say in words what is too little, and for what."""
    token = sanitize_text(shorten_text(shortage.token, 9, ".."))
    free = f"{format_exact(f'{shortage.free.normalize():f}')} {token}"
    if shortage.is_fees:
        return f"{free} is free: too little for the fees of new orders, add {token}"
    needed = f"{format_exact(f'{shortage.needed.normalize():f}')} {token}"
    return f"orders that wait sell {needed} together, {free} is free: the last ones will fail"


class _Columns:
    """The columns; a cell without a value is a dot."""

    def __init__(self, context: PositionsContext) -> None:
        self._context = context
        self._dot = Span(context.symbols.dot, "muted")

    def build(self) -> tuple[GridColumn[Holding], ...]:
        return (
            GridColumn("Token", _TOKEN_CELLS, self._token, 0, is_left=True),
            GridColumn("Held", 8, lambda row: self._amount(row.held), 0),
            GridColumn("reserved", 8, lambda row: self._amount(row.reserved), 2),
            GridColumn("free", 8, lambda row: self._amount(row.free), 8),
            GridColumn("Position", 8, lambda row: self._told(row, "amount"), 0),
            GridColumn("avg cost", 8, lambda row: self._price(row, "averageCost"), 1),
            GridColumn("now", 8, lambda row: self._price(row, "price"), 1),
            GridColumn("age", 5, self._age, 2),
            GridColumn("cost", 10, lambda row: self._told(row, "cost"), 7),
            GridColumn("value", 10, lambda row: self._told(row, "value"), 6),
            GridColumn("unreal.", 8, lambda row: self._gain(row, "unrealized"), 3),
            GridColumn("realised", 8, lambda row: self._gain(row, "realized"), 3),
            GridColumn("fills", 6, self._fills, 9),
        )

    def _token(self, row: Holding) -> Span:
        return Span(
            sanitize_text(shorten_text(row.token, _TOKEN_CELLS, self._context.symbols.more))
        )

    def _amount(self, value: Decimal) -> Span:
        return Span(format_amount(value)) if value else self._dot

    def _get(self, row: Holding, name: str) -> Decimal | None:
        value = None if row.position is None else row.position.get(name)
        return None if value is None else Decimal(str(value))

    def _told(self, row: Holding, name: str) -> Span:
        value = self._get(row, name)
        return Span(format_amount(value)) if value else self._dot

    def _price(self, row: Holding, name: str) -> Span:
        value = self._get(row, name)
        return Span(format_price(value)) if value else self._dot

    def _gain(self, row: Holding, name: str) -> Span:
        value = self._get(row, name)
        return _format_gain(value) if value else self._dot

    def _age(self, row: Holding) -> Span:
        age_ms = self._get(row, "priceAgeMs")
        if age_ms is None:
            return self._dot
        return Span(format_seconds(int(age_ms) + self._context.age_ms), "running")

    def _fills(self, row: Holding) -> Span:
        return self._dot if row.position is None else Span(f"{row.position['fills']:,}")


def _format_gain(value: Decimal) -> Span:
    """A gain or a loss, always with its sign."""
    sign = "+" if value > 0 else ""
    return Span(f"{sign}{format_amount(value)}", "worse" if value < 0 else "good" if value else "")
