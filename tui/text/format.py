"""Formats numbers and times as short text for fixed columns, and text as spans with a role.

A line is a list of spans. The style of a role is defined by `widgets/`, so the same lines serve the
dashboard, the plain output and the tests. Amounts and prices are decimals, and they are rounded
only here, for display.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, NamedTuple

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

_UNSAFE_CHARACTERS: Final = dict.fromkeys(
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

    ``role`` selects its style: a status, ``muted``, ``strong``, ``title`` …; ``action`` names the
    action that a click on it runs.
    """

    text: str
    role: str = ""
    action: str = ""


Line = list[Span]


def join_text(line: Iterable[Span]) -> str:
    """Join the spans of a line to plain text."""
    return "".join(span.text for span in line)


def line_width(line: Iterable[Span]) -> int:
    """Return the number of cells of a line."""
    return sum(len(span.text) for span in line)


def truncate_line(line: Iterable[Span], cells: int) -> Line:
    """Cut a line to at most ``cells``."""
    truncated: Line = []
    for span in line:
        truncated.append(span._replace(text=span.text[: max(cells - line_width(truncated), 0)]))
    return truncated


def sanitize_text(text: str) -> str:
    """Replace control characters in untrusted text: they could move the cursor or reverse text."""
    return text.translate(_UNSAFE_CHARACTERS)


def shorten_text(text: str, cells: int, more: str) -> str:
    """Shorten a text that is too long to its two ends."""
    if len(text) <= cells:
        return text
    half = (cells - 1) // 2
    return f"{text[:half]}{more}{text[-half:]}"


def wrap_text(text: str, columns: int) -> list[str]:
    """Wrap a text into lines of at most ``columns``, at spaces where possible."""
    return textwrap.wrap(sanitize_text(text), max(columns, 1))


def format_amount(value: Decimal, *, is_dollars: bool = False) -> str:
    """Format an amount in at most seven cells."""
    size = abs(value)
    if size >= 1_000_000:
        return format_compact(value)
    if size >= 10_000:
        return f"{value:,.0f}"
    if size >= 1_000 or (is_dollars and size >= 1):
        return f"{value:,.1f}"
    if size >= Decimal("0.001") or not size:
        return f"{value:.3f}"
    return format_small(value, 3)


def describe_value(value: Decimal) -> str:
    """Describe a sum in USDC, with cents below a hundred: ``about 0.50 USDC``."""
    if value >= 100:
        return f"about {value:,.0f} USDC"
    return f"about {value:.2f} USDC" if value >= Decimal("0.01") else "less than 0.01 USDC"


def format_exact(text: str) -> str:
    """Format an amount exactly, with thousands separators."""
    return f"{Decimal(text):,f}"


def format_compact(value: Decimal) -> str:
    """Format a large number as ``1.23M``."""
    if abs(value) >= 10**15:
        return f"{value:.1e}"
    for unit, letter in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
        if abs(value) >= unit:
            scaled = value / unit
            return f"{scaled:.{2 if abs(scaled) < 100 else 0}f}{letter}"
    return f"{value:.0f}"


def format_price(value: Decimal) -> str:
    """Format a price in at most eight cells, with equal decimals for prices of equal magnitude."""
    size = abs(value)
    if size >= 10_000:
        return f"{value:,.0f}" if size < 1_000_000 else format_compact(value)
    if size >= 1_000:
        return f"{value:,.2f}"
    if size >= Decimal("0.1"):
        return f"{value:.4f}"
    if size >= Decimal("0.001"):
        return f"{value:.6f}"
    return format_small(value, 4) if size else "0"


def format_small(value: Decimal, digits: int) -> str:
    """Format a number below 0.1 as traders read it: ``0.0₆1998`` has six zeros behind the point.

    So many ``digits`` follow; up to two zeros are written out.
    """
    rounded = Decimal(f"{value:.{digits - 1}e}")
    zeros = -rounded.adjusted() - 1
    kept = "".join(map(str, rounded.as_tuple().digits)).ljust(digits, "0")[:digits]
    sign = "-" if value < 0 else ""
    if zeros < 3:
        return f"{sign}0.{'0' * zeros}{kept}"
    return f"{sign}0.0{str(zeros).translate(_SUBSCRIPTS)}{kept}"


_SUBSCRIPTS: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_PLAIN_SMALL: Final = re.compile("0\\.0([₀-₉]+)([0-9]+)")


def to_ascii(text: str) -> str:
    """Write small numbers as ``1.998e-7``, in as many cells, for terminals without subscripts."""

    def rewrite(match: re.Match[str]) -> str:
        exponent = f"e-{int(match[1].translate(_DIGITS)) + 1}"
        room = max(len(match[0]) - len(exponent), 1)
        mantissa = f"{match[2][0]}.{match[2][1:]}"[:room].removesuffix(".")
        return f"{mantissa}{exponent}".ljust(len(match[0]))

    return _PLAIN_SMALL.sub(rewrite, text) if not text.isascii() else text


_DIGITS: Final = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def format_bps(value: Decimal) -> str:
    """Format basis points as a signed whole number."""
    rounded = value.quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    return f"{int(rounded):+d}" if abs(rounded) < 1_000 else f"{format_compact(rounded):>4}"


def format_distance(bps: int) -> str:
    """Format a distance in at most four cells: ``4.8%``; ``met`` if there is none left."""
    if bps <= 0:
        return "met"
    percent = Decimal(bps) / 100
    return f"{percent:.1f}%" if bps < 1_000 else f"{percent:.0f}%" if bps < 9_950 else ">99%"


def format_percent(value: Decimal, places: int = 2) -> str:
    """Format a fraction as a percentage."""
    return f"{value * 100:.{places}f}%"


def format_share(value: Decimal) -> str:
    """Format a part of a whole in at most five cells: ``62%``, ``62.5%``."""
    text = f"{value * 100:.1f}"
    return f"{text.removesuffix('.0')}%" if text != "0.0" or not value else "<0.1%"


def format_duration(ms: int) -> str:
    """Format a duration in at most five cells: ``1,204``, ``12.3s``, ``4m10s``, ``3h12m``."""
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


def format_time_left(ms: int) -> str:
    """Format the time that is left, always with its unit."""
    return f"{-(-ms // SECOND_MS)} s" if ms < 100 * SECOND_MS else format_duration(ms)


def format_seconds(ms: int) -> str:
    """Format a duration with its unit: ``1.12s``."""
    return f"{ms / SECOND_MS:.2f}s" if ms < 10 * SECOND_MS else format_duration(ms)


def format_rate(per_second: Decimal) -> str:
    """Format a rate: ``41.2/s``."""
    return f"{per_second:,.1f}/s" if per_second < 1_000 else f"{per_second:,.0f}/s"


def format_time_of_day(at_ms: int, timezone: tzinfo = UTC) -> str:
    """Format the time of day."""
    return datetime.fromtimestamp(at_ms / SECOND_MS, tz=timezone).strftime("%H:%M:%S")


def parse_timestamp_ms(text: str) -> int:
    """Parse an API timestamp to Unix time in milliseconds."""
    at = datetime.fromisoformat(text)
    since = at - _EPOCH if at.tzinfo else at.replace(tzinfo=UTC) - _EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND_MS + since.microseconds // 1_000


def format_timestamp(at_ms: int) -> str:
    """Format a time as the API does, in UTC to the millisecond."""
    at = datetime.fromtimestamp(at_ms / SECOND_MS, tz=UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_moment(at_ms: int, timezone: tzinfo = UTC) -> str:
    """Format a date and a time of day."""
    at = datetime.fromtimestamp(at_ms / SECOND_MS, tz=timezone)
    return at.strftime("%Y-%m-%d %H:%M:%S")


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def fit_text(text: str, columns: int, *, is_right: bool = False) -> str:
    """Pad or cut a text to exactly ``columns`` cells."""
    if len(text) > columns:
        return text[:columns]
    return text.rjust(columns) if is_right else text.ljust(columns)


def draw_bar(share: Decimal, columns: int, full: str, empty: str) -> str:
    """Draw a bar that is filled by ``share`` (0 to 1)."""
    filled = int((max(min(share, Decimal(1)), Decimal(0)) * columns).to_integral_value())
    return full * filled + empty * (columns - filled)


def draw_sparkline(values: Iterable[int], shapes: str) -> str:
    """Draw one shape for each value, the tallest for the largest."""
    numbers = list(values)
    top = max(numbers, default=0)
    last = len(shapes) - 1
    return "".join(shapes[-(-n * last // top)] if top else shapes[0] for n in numbers)
