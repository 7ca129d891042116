"""The tabs of the views in one line: the key, the title and a count of each."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from tui.text.format import Line, Span, format_compact, line_width, truncate_line
from tui.text.views import MARKETS, QUALITY, VIEWS

_GAPS: Final = (3, 2, 1)
_SHORT_FROM: Final = 10_000
_LESS_NEEDED: Final = frozenset({MARKETS, QUALITY})
"""Whose counts are left out first."""


class _Style(NamedTuple):
    """How much room the tabs take."""

    gap: int
    is_short: bool = False
    uncounted: frozenset[str] = frozenset()
    has_keys: bool = True


_STYLES: Final = (
    *(_Style(gap) for gap in _GAPS),
    *(_Style(gap, is_short=True) for gap in _GAPS),
    _Style(1, is_short=True, uncounted=_LESS_NEEDED),
    _Style(1, is_short=True, uncounted=_LESS_NEEDED, has_keys=False),
    _Style(1, uncounted=frozenset(view.name for view in VIEWS), has_keys=False),
)


def render_tabs(shown: str, counts: Mapping[str, int | None], cells: int) -> Line:
    """Render all tabs, as fully as they fit; a count of ``None`` is not known."""
    lines = (_render(shown, counts, style) for style in _STYLES)
    line: Line = []
    for line in lines:
        if line_width(line) <= cells:
            return line
    return truncate_line(line, cells)


def _render(shown: str, counts: Mapping[str, int | None], style: _Style) -> Line:
    line: Line = [Span(" ")]
    for number, view in enumerate(VIEWS):
        action = f"screen.show_view('{view.name}')"
        role = "chosen" if view.name == shown else ""
        count = None if view.name in style.uncounted else counts.get(view.name)
        text = view.title
        if count is not None:
            text = f"{text} {_format(count, is_short=style.is_short)}"
        line.append(Span(" " * style.gap if number else ""))
        if style.has_keys:
            line.append(Span(f"{view.key.upper()} ", "muted", action))
        line.append(Span(text, role, action))
    return line


def _format(count: int, *, is_short: bool) -> str:
    return format_compact(Decimal(count)) if is_short and count >= _SHORT_FROM else f"{count:,}"
