"""The text of the owner's limits: a line for each, with what is used and left."""

from __future__ import annotations

from typing import Final

from tui.model.desk.limits import OwnLimits
from tui.text.format import Line, Span, wrap_text

_NAME_CELLS: Final = 16


def render_limits(limits: OwnLimits | None, cells: int) -> list[Line]:
    """Render a title and the limits that are set; nothing without any."""
    if limits is None or not limits.texts:
        return []
    lines: list[Line] = [[Span(" Limits", "title"), Span(f"  day of {limits.day}, UTC", "muted")]]
    for name, text, is_near, warning in limits.texts:
        role = "warn" if is_near else ""
        for number, part in enumerate(wrap_text(text, cells - _NAME_CELLS - 2)):
            label = Span(f" {'' if number else name:<{_NAME_CELLS}} ", "muted")
            lines.append([label, Span(part, role)])
        for number, part in enumerate(wrap_text(warning, cells - 3)):
            lines.append([Span(f" {' ' if number else '!'} {part}", "warn")])
    return lines
