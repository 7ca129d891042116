"""A canvas of cells: dots in braille, eight to a cell, below marks and texts."""

from __future__ import annotations

from typing import Final

from tui.text.format import Line, Span

DOTS_ACROSS: Final = 2
DOTS_DOWN: Final = 4
_BRAILLE: Final = 0x2800
_DOT_BITS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot of a cell, by its column and its row."""
_ASCII_DOT: Final = "*"


class Canvas:
    """``cells`` columns and ``lines`` rows; marks hide dots, and later ones earlier ones."""

    def __init__(self, cells: int, lines: int, *, is_ascii: bool) -> None:
        self.cells = cells
        self.lines = lines
        self._is_ascii = is_ascii
        self._dots = [[0] * cells for _ in range(lines)]
        self._marks: list[dict[int, tuple[str, str]]] = [{} for _ in range(lines)]
        self._levels: dict[int, tuple[str, str]] = {}

    def draw_column(self, x: int, top: int, bottom: int) -> None:
        """Draw dots from one to another row of dots, in a column of dots."""
        for y in range(top, bottom + 1):
            if 0 <= y < self.lines * DOTS_DOWN and 0 <= x < self.cells * DOTS_ACROSS:
                bit = _DOT_BITS[x % DOTS_ACROSS][y % DOTS_DOWN]
                self._dots[y // DOTS_DOWN][x // DOTS_ACROSS] |= bit

    def draw_level(self, line: int, shape: str, role: str) -> None:
        """Draw a line over the whole width, behind the dots."""
        if 0 <= line < self.lines:
            self._levels[line] = shape, role

    def draw_text(self, line: int, x: int, text: str, role: str) -> None:
        """Write a text over whatever is there."""
        if 0 <= line < self.lines:
            for number, character in enumerate(text, start=x):
                if 0 <= number < self.cells:
                    self._marks[line][number] = character, role

    def render(self, line: int, dots_role: str) -> Line:
        """Render a row of cells."""
        spans: Line = []
        level = self._levels.get(line, (" ", ""))
        for x, dots in enumerate(self._dots[line]):
            mark = self._marks[line].get(x)
            if mark is None and dots:
                mark = _ASCII_DOT if self._is_ascii else chr(_BRAILLE + dots), dots_role
            text, role = mark or level
            if spans and spans[-1].role == role:
                spans[-1] = Span(spans[-1].text + text, role)
            else:
                spans.append(Span(text, role))
        return spans
