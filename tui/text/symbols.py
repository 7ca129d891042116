"""The symbols of the dashboard; a status is always drawn as a shape, a word and a colour together.

Two sets: one for terminals that draw geometric shapes one cell wide, one of ASCII for all others.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

STATUSES: Final = (
    "pending",
    "routing",
    "building",
    "submitted",
    "confirmed",
    "failed",
    "cancelled",
    "expired",
    "waiting",
)
"""The digit keys 1 to 9 switch them on and off: in lifecycle order, but for what waits."""
FINAL_STATUSES: Final = frozenset({"confirmed", "failed", "cancelled", "expired"})
CANCELLABLE_STATUSES: Final = frozenset({"pending", "waiting", "routing", "building"})
"""What was not sent: ``submitted`` may land at any moment."""


TYPE_LABELS: Final = {
    "market": "MKT",
    "limit": "LMT",
    "stop": "STP",
    "takeProfit": "TP",
    "stopLimit": "STL",
    "trailingStop": "TRL",
    "twap": "TWP",
    "sniper": "SNP",
}
"""The types of orders in three letters."""


@dataclass(frozen=True, slots=True)
class Symbols:
    """One set of symbols; each is one cell wide."""

    is_ascii: bool
    status: Mapping[str, str]
    spark: str
    full: str
    half: str
    empty: str
    rail: str
    cursor: str
    winner: str
    retry: str
    up: str
    down: str
    paused: str
    lost: str
    quiet: str
    enter: str
    dot: str
    arrow: str
    line: str
    dash: str
    more: str
    at_least: str
    at_most: str
    branch: str
    fill_marks: Mapping[tuple[str, bool], str]
    """A fill on a chart, by its side and whether it is a large one."""


UNICODE: Final = Symbols(
    is_ascii=False,
    status=dict(zip(STATUSES, "◌◔◑◕●✕⊘◷◇", strict=True)),
    spark="▁▂▃▄▅▆▇█",
    full="█",
    half="▌",
    empty="░",
    rail="▏",
    cursor="▶",
    winner="▸",
    retry="↻",
    up="▲",
    down="▼",
    paused="‖",
    lost="○",
    quiet="◔",
    enter="⏎",
    dot="·",
    arrow="→",
    line="─",
    dash="–",  # noqa: RUF001 - the shorter dash is meant
    more="…",
    at_least="≥",
    at_most="≤",
    branch="└",
    fill_marks={
        ("buy", True): "▲",
        ("buy", False): "▵",
        ("sell", True): "▼",
        ("sell", False): "▿",
    },
)

ASCII: Final = Symbols(
    is_ascii=True,
    status=dict(zip(STATUSES, ".>=~*x-o?", strict=True)),
    spark="_.:-=+*#",
    full="#",
    half="+",
    empty="-",
    rail="|",
    cursor=">",
    winner=">",
    retry="^",
    up="^",
    down="v",
    paused="=",
    lost="o",
    quiet=".",
    enter="ret",
    dot=".",
    arrow=">",
    line="-",
    dash="-",
    more="~",
    at_least=">=",
    at_most="<=",
    branch="`",
    fill_marks={("buy", True): "A", ("buy", False): "a", ("sell", True): "V", ("sell", False): "v"},
)


def needs_ascii(encoding: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the terminal cannot draw the shapes: no UTF-8, or double width as in CJK."""
    if encoding.lower().replace("-", "") != "utf8":
        return True
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    return locale[:2].lower() in {"zh", "ja", "ko"}
