"""The exchange of chunks between the parts of a split, as long as their exact quotes gain by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from backend.routing.splits.exact_quotes import CappedQuotes

_DIVISOR: Final = 4
"""How much smaller the next chunk is once one of a size gains nothing."""


class ChunkPlan(NamedTuple):
    """The sizes of chunks in base units, from the first to the last, and most moves of them."""

    first: int
    last: int
    moves_max: int


def exchange_chunks(
    parts: Mapping[int, int], quotes: CappedQuotes, plan: ChunkPlan
) -> dict[int, int]:
    """Move chunks from the pool that loses least to the one that gains most.

    ``parts`` are amounts in by the places of their pools. No pool joins them; one whose part is no
    larger than a chunk may leave.
    """
    best = dict(parts)
    outs = {index: quotes.compute_out(index, amount) or 0 for index, amount in best.items()}
    chunk = plan.first
    for _ in range(plan.moves_max):
        if chunk < max(plan.last, 1) or len(best) == 1:
            break
        move = _find_move(best, outs, quotes, chunk)
        if move is None:
            chunk //= _DIVISOR
            continue
        source, target, amount = move
        for index, change in ((source, -amount), (target, amount)):
            best[index] += change
            outs[index] = quotes.compute_out(index, best[index]) or 0
        if not best[source]:
            del best[source], outs[source]
    return best


def _find_move(
    parts: Mapping[int, int], outs: Mapping[int, int], quotes: CappedQuotes, chunk: int
) -> tuple[int, int, int] | None:
    """The best move of a chunk: from where, to where, and how much; ``None`` if none gains."""
    losses, gains = [], []
    for index, amount in parts.items():
        less = quotes.compute_out(index, max(amount - chunk, 0))
        if less is not None and amount >= chunk:
            losses.append((outs[index] - less, index))
        more = quotes.compute_out(index, amount + chunk)
        if more is not None:
            gains.append((outs[index] - more, index))
    # The two best of each suffice: a chunk is not moved from a pool to itself.
    moves = [
        (lost + not_gained, source, target)
        for lost, source in sorted(losses)[:2]
        for not_gained, target in sorted(gains)[:2]
        if source != target
    ]
    if not moves or min(moves)[0] >= 0:
        return None
    _, source, target = min(moves)
    return source, target, chunk
