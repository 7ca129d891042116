"""The directions of trade in which orders wait, each with its own book.

Orders that name the pools that they may use wait in a *restricted* direction, with all that allow
the same pools.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from backend.domain.amounts import Token
from backend.domain.route_constraints import RouteConstraints, select_pool_constraints
from backend.store.waiting.market_peaks import PeaksKey
from backend.store.waiting.trigger_shards import find_shard


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """A pair of tokens in one direction of trade: one object for each, compared by identity.

    ``pair`` is the same for both directions, ``shard`` that of the pair. A restricted one has the
    constraints of pools that are ``allowed``, and the direction over all pools as ``whole``.
    """

    token_in: Token
    token_out: Token
    pair: tuple[Token, Token]
    shard: int
    allowed: RouteConstraints | None = None
    whole: Direction | None = None

    def __iter__(self) -> Iterator[Token]:
        """The token in and the token out."""
        yield self.token_in
        yield self.token_out

    @property
    def unrestricted(self) -> Direction:
        """The direction over all pools."""
        return self.whole or self

    @property
    def peaks_key(self) -> PeaksKey:
        """What its peaks are stored by."""
        return PeaksKey(self.token_in.symbol, self.token_out.symbol, self.allowed)


class Directions:
    """One object for each direction: a hundred thousand orders refer to it."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, RouteConstraints | None], Direction] = {}

    def find(self, token_in: Token, token_out: Token) -> Direction:
        """The direction over all pools."""
        key = token_in.symbol, token_out.symbol, None
        direction = self._known.get(key)
        if direction is None:
            one, other = sorted((token_in, token_out), key=lambda token: token.symbol)
            shard = find_shard(token_in.symbol, token_out.symbol)
            direction = Direction(token_in, token_out, (one, other), shard)
            self._known[key] = direction
        return direction

    def restrict(self, whole: Direction, constraints: RouteConstraints | None) -> Direction:
        """The direction over the pools that constraints allow: ``whole`` itself if these are all.

        To be forgotten when no order waits in it.
        """
        allowed = select_pool_constraints(constraints)
        if allowed is None:
            return whole
        key = whole.token_in.symbol, whole.token_out.symbol, allowed
        direction = self._known.get(key)
        if direction is None:
            direction = replace(whole, allowed=allowed, whole=whole)
            self._known[key] = direction
        return direction

    def forget(self, restricted: Iterable[Direction]) -> None:
        """Forget restricted directions, of which clients make any number."""
        for each in restricted:
            assert each.allowed is not None
            self._known.pop((each.token_in.symbol, each.token_out.symbol, each.allowed), None)
