"""The waterfall of an order: every exchange, wait and step with its median time; pure.

Orders are traced one at a time, so whatever happens between an order's POST and its last event
belongs to it, in whichever process.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

from backend.runtime.trace import TraceEntry

SHARE_MIN: Final = 0.5
"""What happens in fewer of the orders is left out: it is not on the usual path."""
BAR_WIDTH: Final = 40
CLIENT: Final = "client"


class OrderWindow(NamedTuple):
    """When an order was posted and when its last event was received, in seconds."""

    posted_s: float
    confirmed_s: float


class WaterfallStep(NamedTuple):
    """A line of the waterfall: the medians over all orders, counted from the POST.

    ``share`` is the part of the orders in which it happens.
    """

    process: str
    what: str
    starts_ms: float
    takes_ms: float
    share: float


def build_waterfall(
    entries: Sequence[TraceEntry], windows: Sequence[OrderWindow]
) -> list[WaterfallStep]:
    """The steps of an order in order of their start; ``entries`` are in order of theirs.

    What happens several times in an order is a step each time.
    """
    starts = [entry.started_s for entry in entries]
    times: dict[tuple[str, str, int], list[tuple[float, float]]] = defaultdict(list)
    for window in windows:
        seen: Counter[tuple[str, str]] = Counter()
        for entry in entries[bisect_left(starts, window.posted_s) :]:
            if entry.started_s > window.confirmed_s:
                break
            key = entry.process, entry.what
            seen[key] += 1
            times[*key, seen[key]].append(
                (entry.started_s - window.posted_s, entry.ended_s - entry.started_s)
            )
    steps = [
        WaterfallStep(
            process,
            what if (process, what, 2) not in times else f"{what} ({number})",
            median(start for start, _ in found) * 1_000,
            median(took for _, took in found) * 1_000,
            len(found) / len(windows),
        )
        for (process, what, number), found in times.items()
        if len(found) >= SHARE_MIN * len(windows)
    ]
    return sorted(steps, key=lambda step: step.starts_ms)


def draw_bar(step: WaterfallStep, total_ms: float) -> str:
    """The step as a bar on a line of ``BAR_WIDTH`` characters for ``total_ms``."""
    scale = BAR_WIDTH / total_ms
    at = min(round(step.starts_ms * scale), BAR_WIDTH - 1)
    width = max(round(step.takes_ms * scale), 1)
    mark = "=" if step.takes_ms else "|"
    return (" " * at + mark * width)[:BAR_WIDTH]
