"""The route of an order: its legs, what it pays, and the quotes that it was chosen from.

Tens of thousands are held in memory and few are displayed: what a pool says is packed into lines
of text, and the venues, which are the same again and again, are shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from sys import intern
from typing import Any, Final

from tui.model.routes.legs import Leg, pack_leg, unpack_leg
from tui.model.routes.quotes import MissingQuote, Quote, QuoteGap
from tui.model.routes.venues import Venue, read_venue, share_venues

_FIGURES: Final = ("amountOut", "fee", "priceImpact")
"""What is kept of a quote beside its venue, in this order."""


def has_route(record: Mapping[str, Any]) -> bool:
    """Whether an event or a response has a route: then its amounts are expected, not received."""
    return bool(record.get("quotes") or record.get("legs"))


class Route:
    """A route, which never changes; fields that a record does not have are ``None`` or empty.

    ``venue`` is that of the leg that pays most, ``leg_venues`` are those of all legs: none in a
    record that names only the exchange. ``amount_out`` and ``min_out`` are the text that the API
    sent, ``left_out`` is the number of pools that were not quoted,
    ``residuals`` are what it is expected to leave of the tokens in between.
    """

    __slots__ = (
        "_figures",
        "_impact",
        "_improvement",
        "_legs",
        "_quoted",
        "amount_out",
        "fees",
        "left_out",
        "leg_venues",
        "min_out",
        "missing",
        "residuals",
        "venue",
    )

    def __init__(self, record: Mapping[str, Any]) -> None:
        quotes, legs = record.get("quotes") or (), record.get("legs") or ()
        offers = [quote for quote in quotes if "refused" not in quote]
        missing = [quote for quote in quotes if "refused" in quote]
        missing += record.get("unavailable") or ()
        self.venue = read_venue(record)
        self.amount_out: str | None = record.get("expectedAmountOut")
        self.min_out: str | None = record.get("minAmountOut")
        self.left_out: int = record.get("leftOut") or 0
        self.leg_venues = share_venues(tuple(map(read_venue, legs)))
        self.missing = tuple(map(MissingQuote.read, missing))
        self.fees = tuple(
            (intern(fee["token"]), fee["amount"]) for fee in record.get("venueFees") or ()
        )
        self.residuals = tuple(
            (intern(left["token"]), left["amount"]) for left in record.get("residuals") or ()
        )
        self._impact: str | None = record.get("priceImpact")
        self._improvement: str | None = record.get("improvementBps")
        self._legs = "\n".join(map(pack_leg, legs))
        self._quoted = share_venues(tuple(map(read_venue, offers)))
        self._figures = "\n".join("\t".join(quote[name] for quote in offers) for name in _FIGURES)

    @property
    def main_venue(self) -> Venue:
        """The venue of the leg that pays most, with its program if a quote names it."""
        chosen = self._find_chosen()
        return self.venue if self.venue.program or chosen is None else self._quoted[chosen]

    @property
    def venues(self) -> tuple[Venue, ...]:
        """The venues of all legs: of one leg, a record may have only that of its quote."""
        return self.leg_venues or (self.main_venue,)

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The swaps of the transaction, in their order."""
        return tuple(map(unpack_leg, self.leg_venues, self._legs.split("\n")))

    @property
    def quotes(self) -> tuple[Quote, ...]:
        """The quotes of single pools that could have been chosen, as the record orders them."""
        amounts, fees, impacts = map(self._list_figures, range(len(_FIGURES)))
        return tuple(map(Quote, self._quoted, fees, amounts, impacts))

    @property
    def quoted_dexes(self) -> frozenset[str]:
        """The exchanges of which at least one pool has a quote."""
        return frozenset(venue.dex for venue in self._quoted)

    @property
    def has_pools(self) -> bool:
        """Whether the record names pools, and not only exchanges."""
        named = (*self._quoted, *(each.venue for each in self.missing))
        return any(venue.pool for venue in named)

    @property
    def impact(self) -> Decimal | None:
        """The price impact of all legs together, as a fraction."""
        return None if self._impact is None else Decimal(self._impact)

    @property
    def improvement_bps(self) -> Decimal | None:
        """How much more it pays than the best single pool; only of a route of several legs."""
        if self._improvement is None or len(self.leg_venues) < 2:
            return None
        return Decimal(self._improvement)

    @property
    def expected_amount_out(self) -> Decimal | None:
        """What it pays by the quotes."""
        if self.amount_out is not None:
            return Decimal(self.amount_out)
        chosen = self._find_chosen()
        return None if chosen is None else self._list_figures(0)[chosen]

    @property
    def gap(self) -> QuoteGap | None:
        """How it compares with the best that was not chosen; ``None`` if there was nothing else."""
        amount_out = self.expected_amount_out
        if not amount_out:
            return None
        if len(self.leg_venues) > 1:
            bps = self.improvement_bps
            return None if bps is None else QuoteGap.from_bps(amount_out, bps)
        chosen = self._find_chosen()
        amounts = enumerate(self._list_figures(0))
        others = [amount for index, amount in amounts if index != chosen]
        if chosen is None or not any(others):
            return None
        return QuoteGap(amount_out, amount_out - max(others))

    def uses(self, venue: Venue) -> bool:
        """Whether a pool is that of a leg; an exchange, if the record names only that."""
        if self.leg_venues:
            return any(venue.pool == each.pool for each in self.leg_venues)
        return venue.pool == self.venue.pool if self.venue.pool else venue.dex == self.venue.dex

    def _find_chosen(self) -> int | None:
        """The position of the quote of the pool that pays most."""
        pool, dex = self.venue.pool, self.venue.dex
        return next(
            (
                index
                for index, each in enumerate(self._quoted)
                if (each.pool == pool if pool else each.dex == dex)
            ),
            None,
        )

    def _list_figures(self, row: int) -> list[Decimal]:
        """One of the ``_FIGURES`` of each quote."""
        figures = self._figures.split("\n")[row]
        return [Decimal(figure) for figure in figures.split("\t")] if figures else []
