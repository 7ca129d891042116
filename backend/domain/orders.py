"""Orders: what a client asked for, and what a worker holds while it drives one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from backend.domain.amounts import BPS, U64_MAX, Token
from backend.domain.lifecycle import Status
from backend.domain.quotes import Dex


class OrderType(StrEnum):
    """When an order is executed: at once, at a price, or when its pool opens."""

    MARKET = "market"
    LIMIT = "limit"
    SNIPER = "sniper"


@dataclass(frozen=True, slots=True)
class Terms:
    """What is to be swapped. Amounts are base units; ``slippage_bps`` guards against the quote,
    ``min_amount_out`` is the client's own floor."""

    type: OrderType
    token_in: Token
    token_out: Token
    amount_in: int
    min_amount_out: int | None
    slippage_bps: int

    def __post_init__(self) -> None:
        assert self.token_in != self.token_out
        assert 0 < self.amount_in <= U64_MAX
        assert self.min_amount_out is None or 0 < self.min_amount_out <= U64_MAX
        assert 0 <= self.slippage_bps <= BPS


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order about to be accepted.

    ``idempotency_key`` and ``client_order_id`` each name one request of their owner for ever;
    ``request_hash`` tells a repeat from another request under the same name.
    """

    id: UUID
    owner: str
    terms: Terms
    request_hash: bytes
    client_order_id: str | None = None
    idempotency_key: str | None = None
    batch_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """An order that is stored. ``replayed`` if an earlier request with the same name stored it."""

    id: UUID
    created_at: datetime
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction, as it is stored before it is sent.

    ``last_valid_height`` is the block height after which it can never land.
    """

    signature: str
    wire: bytes
    last_valid_height: int


@dataclass(frozen=True, slots=True)
class Held:
    """An order under a worker's lease. ``epoch`` fences every write the worker makes for it."""

    id: UUID
    terms: Terms
    status: Status
    seq: int
    attempt: int
    epoch: int
    dex: Dex | None = None
    signed: Signed | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """What the chain says was received, in base units of the token out."""

    amount_out: int
    slot: int
    fee_lamports: int


@dataclass(frozen=True, slots=True)
class Event:
    """One transition as it was stored. ``data`` is what that status knows, as JSON text.

    ``txid`` is the transaction that wrote it; ``dex`` is where its order is routed by now.
    """

    order_id: UUID
    seq: int
    status: Status
    at: datetime
    attempt: int
    data: str
    txid: int
    owner: str
    batch_id: UUID | None
    dex: Dex | None


@dataclass(frozen=True, slots=True)
class Record:
    """An order as it is stored. Tokens are symbols, amounts base units, ``route`` JSON text."""

    id: UUID
    client_order_id: str | None
    batch_id: UUID | None
    type: OrderType
    token_in: str
    token_out: str
    amount_in: int
    min_amount_out: int | None
    slippage_bps: int
    status: Status
    seq: int
    attempts: int
    dex: Dex | None
    route: str | None
    tx_hash: str | None
    amount_out: int | None
    executed_price: Decimal | None
    last_error: str | None
    next_attempt_at: datetime | None
    created_at: datetime
    updated_at: datetime
