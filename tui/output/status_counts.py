"""The counts by status as a line of chips: each a digit key, a shape, a word and a count.

Words and counts are shortened, and at last chips without orders left out, until the line fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from decimal import Decimal
from typing import Final, NamedTuple

from tui.text.format import Line, Span, format_compact, line_width
from tui.text.symbols import STATUSES, Symbols

_ALWAYS: Final = STATUSES[:6]
"""What a wide line shows without any order too."""
_SHORT_NAMES: Final = {
    "pending": "pend",
    "routing": "rout",
    "building": "build",
    "submitted": "subm",
    "confirmed": "conf",
    "failed": "fail",
    "cancelled": "canc",
    "expired": "exp",
    "waiting": "wait",
}


class StatusCounts(NamedTuple):
    """How many orders have each status; ``chosen``: the statuses that the filter asks for."""

    by_status: Mapping[str, int]
    chosen: Set[str]


class _Style(NamedTuple):
    """How long the chips are; counts from ``exact_below`` on become ``12.34k``, or ``12k``."""

    names: Mapping[str, str]
    gap: int
    exact_below: int
    has_all: bool = False
    has_empty: bool = True
    is_rounded: bool = False


_FULL_NAMES: Final = {status: status for status in STATUSES}
_NO_NAMES: Final = dict.fromkeys(STATUSES, "")
_EXACT_BELOW: Final = 10_000
_WIDE_STYLES: Final = (
    _Style(_FULL_NAMES, 2, 10**9, has_all=True),
    _Style(_SHORT_NAMES, 2, 10**9, has_all=True),
    _Style(_SHORT_NAMES, 1, _EXACT_BELOW, has_all=True),
)
_NARROW_STYLES: Final = (
    _Style(_NO_NAMES, 1, _EXACT_BELOW),
    _Style(_NO_NAMES, 1, _EXACT_BELOW, has_empty=False),
    _Style(_NO_NAMES, 1, 1_000, has_empty=False, is_rounded=True),
)


def render_status_counts(
    counts: StatusCounts, symbols: Symbols, cells: int, *, is_wide: bool
) -> Line:
    """Render the counts in at most ``cells``, as much of each as fits."""
    styles = (*_WIDE_STYLES, *_NARROW_STYLES) if is_wide else _NARROW_STYLES
    for style in styles:
        chips = list(_render_chips(counts, symbols, style))
        line = _join_chips(chips, style.gap)
        if line_width(line) <= cells:
            return line
    while chips and line_width(_join_chips(chips, 1)) > cells:
        chips.pop()
    return _join_chips(chips, 1)


def _render_chips(counts: StatusCounts, symbols: Symbols, style: _Style) -> Iterator[Line]:
    for digit, status in enumerate(STATUSES, start=1):
        count, is_chosen = counts.by_status[status], status in counts.chosen
        is_always = status in _ALWAYS and style.has_empty
        if count or is_chosen or is_always:
            yield _render_chip(digit, status, count, is_chosen, symbols, style)
    if style.has_all:
        total = _format_count(sum(counts.by_status.values()), style)
        role = "muted" if counts.chosen else "chosen"
        yield [
            Span("0 ", "muted", "screen.all_statuses"),
            Span(f"all {total}", role, "screen.all_statuses"),
        ]


def _render_chip(
    digit: int, status: str, count: int, is_chosen: bool, symbols: Symbols, style: _Style
) -> Line:
    mark, action = symbols.status[status], f"screen.toggle_status('{status}')"
    role = f"{status} chosen" if is_chosen else status
    number, name = _format_count(count, style), style.names[status]
    if name:
        return [
            Span(f"{digit} ", "muted", action),
            Span(f"{mark} {name} {number}", role, action),
        ]
    return [Span(f"{digit}", "muted", action), Span(f"{mark}{number}", role, action)]


def _format_count(count: int, style: _Style) -> str:
    if count < style.exact_below:
        return f"{count:,}"
    if not style.is_rounded:
        return format_compact(Decimal(count))
    return f"{count // 10**3}k" if count < 10**6 else f"{count // 10**6}M"


def _join_chips(chips: list[Line], gap: int) -> Line:
    line: Line = []
    for chip in chips:
        line += [Span(" " * gap), *chip] if line else chip
    return line
