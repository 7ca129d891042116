"""A table of text: columns that fit into a width, chosen by importance, under their titles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tui.text.format import Line, Span, fit_text

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class GridColumn(Generic[Row]):
    """A column; those of the lowest ``rank`` are chosen first."""

    title: str
    cells: int
    format_cell: Callable[[Row], Span]
    rank: int = 0
    is_left: bool = False


def choose_columns(columns: Sequence[GridColumn[Row]], cells: int) -> tuple[GridColumn[Row], ...]:
    """Choose the columns that fit into ``cells``, in the order in which they are given."""
    room = cells - 1
    chosen: set[str] = set()
    for column in sorted(columns, key=lambda each: each.rank):
        if column.cells + 1 > room:
            break
        room -= column.cells + 1
        chosen.add(column.title)
    return tuple(each for each in columns if each.title in chosen)


def render_titles(columns: Iterable[GridColumn[Row]]) -> Line:
    """Render the titles."""
    line: Line = [Span(" ")]
    for column in columns:
        text = fit_text(column.title, column.cells, is_right=not column.is_left)
        line.append(Span(f"{text} ", "title"))
    return line


def render_row(row: Row, columns: Iterable[GridColumn[Row]], marker: str = " ") -> Line:
    """Render a row behind its marker."""
    line: Line = [Span(marker, "accent")]
    for column in columns:
        text, role, action = column.format_cell(row)
        fitted = fit_text(text, column.cells, is_right=not column.is_left)
        line.append(Span(f"{fitted} ", role, action))
    return line
