"""Numbers and times as short text for fixed columns, and text as spans with a role.

A line is a list of spans; what a role looks like is the terminal's business (`widgets/`), so the
same lines serve the dashboard, the plain output and the tests. Amounts and prices are decimals
and are rounded here, for the eye only, and nowhere else.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, NamedTuple

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

_CONTROL: Final = dict.fromkeys(
    (
        *range(32),
        *range(127, 160),
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2066, 0x206A),
        0xFEFF,
    ),
    "?",
)


class Span(NamedTuple):
    """A piece of a line.

    ``role`` says what it is: a status, ``muted``, ``strong``, ``title`` …; ``action`` names what
    a click on it does.
    """

    text: str
    role: str = ""
    action: str = ""


Line = list[Span]


def plain(line: Iterable[Span]) -> str:
    """The text of a line."""
    return "".join(span.text for span in line)


def width(line: Iterable[Span]) -> int:
    """How many cells a line takes."""
    return sum(len(span.text) for span in line)


def clean(text: str) -> str:
    """Text from outside without anything that could move the cursor or turn the line around."""
    return text.translate(_CONTROL)


def shorten(text: str, cells: int, more: str) -> str:
    """The text, or its two ends if it does not fit."""
    if len(text) <= cells:
        return text
    half = (cells - 1) // 2
    return f"{text[:half]}{more}{text[-half:]}"


def wrap(text: str, columns: int) -> list[str]:
    """The text in lines of at most ``columns``, broken at spaces where there are any."""
    return textwrap.wrap(clean(text), max(columns, 1))


def amount(value: Decimal, *, is_dollars: bool = False) -> str:
    """An amount in at most seven cells."""
    size = abs(value)
    if size >= 1_000_000:
        return compact(value)
    if size >= 10_000:
        return f"{value:,.0f}"
    if size >= 1_000 or (is_dollars and size >= 1):
        return f"{value:,.1f}"
    if size >= Decimal("0.001") or not size:
        return f"{value:.3f}"
    return f"{value:.1e}"


def exact(text: str) -> str:
    """An amount as it is, with its thousands marked."""
    return f"{Decimal(text):,f}"


def compact(value: Decimal) -> str:
    """A large number as ``1.23M``."""
    if abs(value) >= 10**15:
        return f"{value:.1e}"
    for unit, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
        if abs(value) >= unit:
            scaled = value / unit
            return f"{scaled:.{2 if abs(scaled) < 100 else 0}f}{letter}"
    return f"{value:.0f}"


def price(value: Decimal) -> str:
    """A price in at most eight cells, with the same decimals for prices of the same size."""
    size = abs(value)
    if size >= 10_000:
        return f"{value:,.0f}" if size < 1_000_000 else compact(value)
    if size >= 1_000:
        return f"{value:,.2f}"
    if size >= Decimal("0.1"):
        return f"{value:.4f}"
    if size >= Decimal("0.001"):
        return f"{value:.6f}"
    return f"{value:.3e}" if size else "0"


def bps(value: Decimal) -> str:
    """A signed number of basis points, whole."""
    rounded = value.quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    return f"{int(rounded):+d}" if abs(rounded) < 1_000 else f"{compact(rounded):>4}"


def percent(value: Decimal, places: int = 2) -> str:
    """A fraction as per cent."""
    return f"{value * 100:.{places}f}%"


def span_ms(ms: int) -> str:
    """A length of time in at most five cells: ``1,204``, ``12.3s``, ``4m10s``, ``3h12m``."""
    ms = max(ms, 0)
    if ms < 10 * SECOND_MS:
        return f"{ms:,}"
    if ms < 100 * SECOND_MS:
        return f"{ms / SECOND_MS:.1f}s"
    if ms < 10 * MINUTE_MS:
        return f"{ms // MINUTE_MS}m{ms % MINUTE_MS // SECOND_MS:02d}s"
    if ms < 100 * MINUTE_MS:
        return f"{ms // MINUTE_MS}m"
    if ms < 10 * HOUR_MS:
        return f"{ms // HOUR_MS}h{ms % HOUR_MS // MINUTE_MS:02d}m"
    return f"{ms // HOUR_MS}h" if ms < 100 * HOUR_MS else f"{ms // DAY_MS}d"


def seconds(ms: int) -> str:
    """A length of time in words: ``1.12s``."""
    return f"{ms / SECOND_MS:.2f}s" if ms < 10 * SECOND_MS else span_ms(ms)


def rate(per_second: Decimal) -> str:
    """A rate: ``41.2/s``."""
    return f"{per_second:,.1f}/s" if per_second < 1_000 else f"{per_second:,.0f}/s"


def clock(at_ms: int, zone: tzinfo = UTC) -> str:
    """A time of day."""
    return datetime.fromtimestamp(at_ms / SECOND_MS, tz=zone).strftime("%H:%M:%S")


def parse_at(text: str) -> int:
    """Unix time in milliseconds of a timestamp as it is on the wire."""
    at = datetime.fromisoformat(text)
    since = at - _EPOCH if at.tzinfo else at.replace(tzinfo=UTC) - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND_MS + since.microseconds // 1_000


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def fit(text: str, columns: int, *, is_right: bool = False) -> str:
    """The text in exactly ``columns`` cells."""
    if len(text) > columns:
        return text[:columns]
    return text.rjust(columns) if is_right else text.ljust(columns)


def bar(share: Decimal, columns: int, full: str, empty: str) -> str:
    """A bar that is filled by ``share`` (0 to 1)."""
    filled = int((max(min(share, Decimal(1)), Decimal(0)) * columns).to_integral_value())
    return full * filled + empty * (columns - filled)


def sparkline(values: Iterable[int], shapes: str) -> str:
    """One shape for each value, the tallest for the largest."""
    numbers = list(values)
    top = max(numbers, default=0)
    last = len(shapes) - 1
    return "".join(shapes[-(-n * last // top)] if top else shapes[0] for n in numbers)
