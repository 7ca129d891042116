"""The tabs of the views in one line: the key, the title and a count of each."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from tui.text.format import Line, Span, format_compact, line_width, truncate_line
from tui.text.views import VIEWS

_GAPS: Final = (3, 2, 1)


def render_tabs(shown: str, counts: Mapping[str, int | None], cells: int) -> Line:
    """Render all tabs, the closest together that is needed; a count of ``None`` is not known."""
    for gap in _GAPS:
        for is_short, has_keys in ((False, True), (True, True), (True, False)):
            line = _render(shown, counts, gap, is_short=is_short, has_keys=has_keys)
            if line_width(line) <= cells and (has_keys or gap == _GAPS[-1]):
                return line
    return truncate_line(line, cells)


def _render(
    shown: str, counts: Mapping[str, int | None], gap: int, *, is_short: bool, has_keys: bool
) -> Line:
    line: Line = [Span(" ")]
    for number, view in enumerate(VIEWS):
        action = f"screen.show_view('{view.name}')"
        role = "chosen" if view.name == shown else ""
        count = counts.get(view.name)
        text = view.title if count is None else f"{view.title} {_format(count, is_short=is_short)}"
        line.append(Span(" " * gap if number else ""))
        if has_keys:
            line.append(Span(f"{view.key.upper()} ", "muted", action))
        line.append(Span(text, role, action))
    return line


def _format(count: int, *, is_short: bool) -> str:
    return format_compact(Decimal(count)) if is_short and count >= 10_000 else f"{count:,}"
