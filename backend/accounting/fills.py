"""Fills: what the chain says of confirmed orders, in base units."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from backend.accounting.pairs import PairName, Side, find_side, name_pair
from backend.domain.amounts import Token, floor_div

FEE_NAMES: Final = ("priorityFeeLamports", "tipLamports", "rentLamports")
"""What a transaction may cost beside the network's fee, by the names that clients are told."""
FeeAmount = tuple[Token, int]
"""Base units of a token."""


class FillRecord(NamedTuple):
    """The fill of a confirmed order; one slice of a TWAP order is an order of its own.

    ``at`` is the time at which the journal has recorded its amount, by which fills are sorted and
    booked. ``amount_out`` is ``None`` as long as no node has told it: then nothing is booked.
    ``quoted_out`` is what the chosen route was quoted to pay, ``second_quote`` the best quote that
    was passed over. ``venue_fees`` are part of the quote; ``residuals`` are what a route of several
    hops left of the tokens in between. ``route_value`` is what the swap is worth in the reference
    token by its own route, where neither of its tokens is that one. ``fees`` are those that the
    chain showed, in lamports by name; ``None`` where nobody has read them.
    """

    order_id: UUID
    client_order_id: str | None
    batch_id: UUID | None
    parent_id: UUID | None
    type: str
    token_in: Token
    token_out: Token
    amount_in: int
    amount_out: int | None
    price: str | None
    dex: str
    program: str | None
    pools: tuple[str, ...]
    quoted_out: int | None
    second_quote: int | None
    venue_fees: tuple[FeeAmount, ...]
    residuals: tuple[FeeAmount, ...]
    network_fee_lamports: int | None
    fees: Mapping[str, int] | None
    route_value: int | None
    slot: int | None
    signature: str
    wallet: str | None
    accepted_at: datetime
    submitted_at: datetime | None
    confirmed_at: datetime
    at: datetime

    @property
    def pair(self) -> PairName:
        """The pair that was traded."""
        return name_pair(self.token_in.symbol, self.token_out.symbol)

    @property
    def side(self) -> Side:
        """What the swap did with the base of the pair."""
        return find_side(self.token_in.symbol, self.token_out.symbol)

    @property
    def saved(self) -> int | None:
        """How much more the chosen route was quoted to pay than the best one passed over.

        ``None`` if there was no other quote. Below 0 where a constraint forbade the better one.
        """
        if self.quoted_out is None or self.second_quote is None:
            return None
        return self.quoted_out - self.second_quote

    @property
    def missing(self) -> int | None:
        """How much less than its quote the swap paid: below 0 if it paid more."""
        if self.quoted_out is None or self.amount_out is None:
            return None
        return self.quoted_out - self.amount_out

    def compute_value(self, reference: str) -> int | None:
        """What the swap is worth in base units of the reference token; ``None`` if unknown.

        That is the amount of the reference token itself, if it is one of the two.
        """
        if self.amount_out is None:
            return None
        if self.token_in.symbol == reference:
            return self.amount_in
        if self.token_out.symbol == reference:
            return self.amount_out
        return self.route_value

    def convert(self, amount_out: int | None, value: int | None) -> int | None:
        """An amount of the token out in the reference token, at the price of the fill.

        ``value`` is that of the whole fill. Rounded down.
        """
        if amount_out is None or value is None or not self.amount_out:
            return None
        return floor_div(amount_out * value, self.amount_out)
