"""A difference of balances in one line of plain words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Final

from tui.model.balances import BalanceDifference
from tui.text.format import (
    Line,
    Span,
    format_exact,
    format_moment,
    parse_timestamp_ms,
    sanitize_text,
    shorten_text,
    truncate_line,
)
from tui.text.symbols import Symbols

_NAME_CELLS: Final = 9
_ACTION: Final = "screen.dismiss_difference"


def render_differences(
    differences: Sequence[BalanceDifference],
    symbols: Symbols,
    cells: int,
    now_ms: int,
    timezone: tzinfo,
) -> list[Line]:
    """Render the first difference, and how many more there are; nothing if there is none.

    The fullest form that fits is chosen.
    """
    if not differences:
        return []
    first, dot = differences[0], symbols.dot
    wallet, token = (
        sanitize_text(shorten_text(name, _NAME_CELLS, symbols.more))
        for name in (first.wallet, first.token)
    )
    more = "more" if first.amount > 0 else "less"
    amount = f"{format_exact(str(abs(first.amount)))} {token}"
    since = _format_since(parse_timestamp_ms(first.first_at), now_ms, timezone)
    count, few = "", ""
    if len(differences) > 1:
        count, few = f" {dot} 1 of {len(differences)}", f" {dot} 1/{len(differences)}"
    short = f"{amount} {more} than orders explain since {since[:-3]}{few}"
    forms = (
        f" ! wallet {wallet} holds {amount} {more} than its orders explain, since {since}"
        f"{count} {dot} d hides it",
        f" ! {wallet} holds {short} {dot} d hides",
        f" ! {wallet} holds {short} {dot} d",
        f" ! {wallet} {short}",
    )
    text = next((each for each in forms if len(each) <= cells), forms[-1])
    return [truncate_line([Span(text, "warn", _ACTION)], cells)]


def _format_since(at_ms: int, now_ms: int, timezone: tzinfo) -> str:
    """The time of day, and before it the date unless it is today's."""
    day, time = format_moment(at_ms, timezone).split()
    is_today = format_moment(now_ms, timezone).startswith(day)
    return time if is_today else f"{day} {time}"
