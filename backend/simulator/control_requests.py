"""The bodies of requests to the control interface of the node, and of its responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from backend.domain.quotes import Dex
from backend.simulator.faults import PriceMoveBps, TokenPair, TokenSymbol

JsonObject = Mapping[str, object]
"""The body of a response."""
BALANCE_MAX: Final = 2**62
"""The limit of an account balance: larger ones could overflow the columns of the ledger."""
_PAGE_ENTRIES_MAX: Final = 10_000
_BLOCKS_MAX: Final = 1_000_000
_PRICES_MAX: Final = 1_000


HexText = Annotated[str, Field(pattern=r"^([0-9a-f]{2})*$", max_length=20_000)]


class ControlRequest(BaseModel):
    """A request; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PriceChange(ControlRequest):
    """A move of the price of a pair, of one venue or of all."""

    pair: TokenPair
    bps: PriceMoveBps
    venue: Dex | None = None


class PriceRequest(PriceChange):
    """Move the price of a pair, permanently or for the next swaps only."""

    when: Literal["now", "before_swaps"] = "now"
    count: Annotated[int, Field(ge=1, le=1_000_000)] = 1


class FundRequest(ControlRequest):
    """Credit an owner with base units of a token."""

    owner: str
    token: TokenSymbol
    amount: Annotated[int, Field(ge=1, le=BALANCE_MAX)]


class PayersRequest(ControlRequest):
    """Have the transactions of one fee payer follow each other, so many a slot; ``null``: not."""

    transactions_per_slot: Annotated[int, Field(ge=1, le=100_000)] | None


class CongestionRequest(ControlRequest):
    """Let transactions wait that pay less for a compute unit, in micro-lamports; 0 ends that.

    The price of each block is a random one within ``wander_bps`` around it.
    """

    unit_price: Annotated[int, Field(ge=0, le=10**12)]
    wander_bps: Annotated[int, Field(ge=0, le=10_000)] = 0


class AdvanceRequest(ControlRequest):
    """Let blocks pass; ``prices`` are moved with them, so that no block has some of the moves."""

    blocks: Annotated[int, Field(ge=1, le=_BLOCKS_MAX)]
    prices: Annotated[tuple[PriceChange, ...], Field(max_length=_PRICES_MAX)] = ()


class ForkRequest(ControlRequest):
    """Roll the last blocks back; their transactions land again or are dropped."""

    blocks: Annotated[int, Field(ge=1, le=_BLOCKS_MAX)]
    reland: bool = False


class PageRequest(ControlRequest):
    """A page of the ledger, behind an entry."""

    after: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1, le=_PAGE_ENTRIES_MAX)] = 1_000
