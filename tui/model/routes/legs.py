"""The legs of a route, and the paths of tokens that they lead through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, NamedTuple

from tui.model.routes.venues import Venue

_FIELDS: Final = ("tokenIn", "tokenOut", "amountIn", "amountOut", "share", "fee", "priceImpact")


class Leg(NamedTuple):
    """One swap of a route; amounts are the text that the API sent.

    ``share`` (of the order's amount in), ``fee`` and ``impact`` are fractions, or ``None`` where
    the record does not have them.
    """

    venue: Venue
    token_in: str
    token_out: str
    amount_in: str
    amount_out: str
    share: Decimal | None
    fee: Decimal | None
    impact: Decimal | None


class Path(NamedTuple):
    """Tokens from the one that is sold to the one that is bought, and the legs that swap them."""

    tokens: tuple[str, ...]
    legs: tuple[Leg, ...]


def pack_leg(record: Mapping[str, Any]) -> str:
    """Pack what a leg's record has beside its venue into one line."""
    return "\t".join(record.get(name) or "" for name in _FIELDS)


def unpack_leg(venue: Venue, line: str) -> Leg:
    """Unpack the line of ``pack_leg``."""
    token_in, token_out, amount_in, amount_out, *rates = line.split("\t")
    share, fee, impact = (Decimal(rate) if rate else None for rate in rates)
    return Leg(venue, token_in, token_out, amount_in, amount_out, share, fee, impact)


def group_by_path(legs: Sequence[Leg], token_in: str, token_out: str) -> list[Path]:
    """Group legs by the tokens that they lead through; a leg that several share is in the first.

    Legs that do not lead from ``token_in`` to ``token_out`` are in a last path without tokens.
    """
    hops = dict.fromkeys((leg.token_in, leg.token_out) for leg in legs)
    rest, paths = list(legs), []
    for tokens in _find_paths((token_in,), token_out, hops):
        steps = list(pairwise(tokens))
        own = [leg for leg in rest if (leg.token_in, leg.token_out) in steps]
        if own:
            rest = [leg for leg in rest if leg not in own]
            own.sort(key=lambda leg: steps.index((leg.token_in, leg.token_out)))
            paths.append(Path(tokens, tuple(own)))
    if rest:
        paths.append(Path((), tuple(rest)))
    return paths


def _find_paths(
    tokens: tuple[str, ...], end: str, hops: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, ...]]:
    """Find the ways from the last of ``tokens`` to ``end`` that pass no token twice."""
    if tokens[-1] == end:
        yield tokens
        return
    for start, to in hops:
        if start == tokens[-1] and to not in tokens:
            yield from _find_paths((*tokens, to), end, hops)
