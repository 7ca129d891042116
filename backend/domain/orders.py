"""Orders as clients request them, as workers lease them, and as they are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from backend.domain.amounts import BPS, U64_MAX, Token
from backend.domain.conditions import Condition, Release, get_release
from backend.domain.errors import INSUFFICIENT_FUNDS, NO_POOL_CODE, EngineError
from backend.domain.fees.order_fees import OrderFees
from backend.domain.groups.brackets import Bracket
from backend.domain.lifecycle import Status
from backend.domain.limits.measures import RateLeft
from backend.domain.prices import PriceOf, PriceRatio
from backend.domain.quotes import Dex
from backend.domain.route_constraints import RouteConstraints, select_pool_constraints
from backend.domain.waiting.shares import SHARE_TYPES
from backend.domain.waiting.slices import SliceProgress


class OrderType(StrEnum):
    """When an order is executed: immediately, when its price is met, or when its pool opens."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    TAKE_PROFIT = "takeProfit"
    STOP_LIMIT = "stopLimit"
    TRAILING_STOP = "trailingStop"
    SNIPER = "sniper"
    TWAP = "twap"
    """Executed in slices over time, which are orders of their own."""


PRICED_TYPES: Final = frozenset(OrderType) - {OrderType.MARKET, OrderType.SNIPER, OrderType.TWAP}
"""The types of orders that wait for a price, and can be in a group."""


class TimeInForce(StrEnum):
    """How long an order is tried, in the terms of FIX (tag 59)."""

    GTC = "gtc"
    """Good till cancelled: until it is filled or its attempts are used up."""
    GTD = "gtd"
    """Good till date: the same, but at most until its expiry."""
    IOC = "ioc"
    """Immediate or cancel: one attempt, now."""
    FOK = "fok"
    """Fill or kill: as ``IOC``, since a swap is executed as a whole or not at all."""

    @property
    def has_one_attempt(self) -> bool:
        """Whether an order expires when its first attempt does not fill it."""
        return self in _ONE_ATTEMPT


_ONE_ATTEMPT = frozenset({TimeInForce.IOC, TimeInForce.FOK})


@dataclass(frozen=True, slots=True)
class OrderTerms:
    """What an order swaps. Amounts are base units.

    ``slippage_bps`` is the tolerance relative to the quote, ``min_amount_out`` the client's own
    minimum, ``max_price_impact_bps`` the cap on a quote's price impact; orders that were accepted
    before there was a cap have none of their own. ``condition`` is what is waited for, with a price
    that its client wrote for the token of ``price_of``; without one the order is executed at once.
    With ``amount_in_bps`` it sells that share of what the wallet holds free once it is released:
    until then, ``amount_in`` is an estimate. ``constraints`` restrict its route, ``fees`` what its
    transactions pay.
    """

    type: OrderType
    token_in: Token
    token_out: Token
    amount_in: int
    min_amount_out: int | None
    slippage_bps: int
    max_price_impact_bps: int | None = None
    condition: Condition | None = None
    price_of: PriceOf = PriceOf.TOKEN_IN
    amount_in_bps: int | None = None
    constraints: RouteConstraints | None = None
    fees: OrderFees | None = None

    def __post_init__(self) -> None:
        assert self.token_in != self.token_out
        assert 0 < self.amount_in <= U64_MAX
        assert self.min_amount_out is None or 0 < self.min_amount_out <= U64_MAX
        assert 0 <= self.slippage_bps <= BPS
        assert self.max_price_impact_bps is None or 0 <= self.max_price_impact_bps <= BPS
        if self.amount_in_bps is not None:
            assert self.type.value in SHARE_TYPES
            assert 0 < self.amount_in_bps <= BPS


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order that is about to be stored.

    ``idempotency_key`` and ``client_order_id`` each identify one request of their owner forever;
    ``request_hash`` distinguishes an idempotent retry from a different request under the same key.
    It is not submitted any more from ``expires_at`` on, by the database's clock. It comes to be of
    the order ``parent_id``. At most one of the two orders of an ``oco_group`` is executed. A
    ``bracket`` is placed for what it receives.
    """

    id: UUID
    owner: str
    terms: OrderTerms
    request_hash: bytes
    client_order_id: str | None = None
    idempotency_key: str | None = None
    batch_id: UUID | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    expires_at: datetime | None = None
    parent_id: UUID | None = None
    oco_group: UUID | None = None
    bracket: Bracket | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits for its condition: what has one attempt is tried at once."""
        return self.terms.condition is not None and not self.time_in_force.has_one_attempt


@dataclass(frozen=True, slots=True)
class AcceptedOrder:
    """A stored order: of an earlier request with the same key if ``is_replay``, with the ``status``
    that it had when this request was read. ``rate`` is what is left of its owner's."""

    id: UUID
    created_at: datetime
    is_replay: bool = False
    status: Status = Status.PENDING
    rate: RateLeft | None = None


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A signed transaction, stored before it is sent.

    It can land up to ``last_valid_height``; who signed it knows ``fee_lamports``, its most.
    """

    signature: str
    wire: bytes
    last_valid_height: int
    fee_lamports: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class LeasedOrder:
    """An order under a worker's lease. ``epoch`` fences every write of the worker for it.

    ``waited_s`` is how long this attempt has waited for the end of an outage under earlier leases,
    ``route_min_out`` the minimum of the route of a submitted order, as a decimal of the token out.
    ``can_expire`` tells that it has an expiry; when that has passed, only the database knows.
    ``status_s`` is for how many seconds it had been in the status that its claim found.
    ``wallet`` is the address of the one that signed for it. It ``lacks_units`` if it exceeded them.
    """

    id: UUID
    terms: OrderTerms
    status: Status
    seq: int
    attempt: int
    epoch: int
    dex: Dex | None = None
    signed: SignedTransaction | None = None
    waited_s: float = 0.0
    route_min_out: str | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    can_expire: bool = False
    oco_group: UUID | None = None
    bracket: Bracket | None = None
    wallet: str | None = None
    lacks_units: bool = False
    status_s: float = field(default=0.0, compare=False)

    @property
    def has_waited(self) -> bool:
        """Whether it is executed because its condition was met: no bound of attempts counts."""
        return self._release is not None

    @property
    def waits_again(self) -> bool:
        """Whether it waits for its price again when that cannot be had."""
        release = self._release
        return release is not None and release.limit is not None

    @property
    def is_latched(self) -> bool:
        """Whether it is tried until it is filled, as its trigger was met."""
        release = self._release
        return release is not None and release.limit is None

    def lacks_share(self, error: EngineError) -> bool:
        """Whether the wallet holds its share no more: it waits again, to be released with less."""
        return self.terms.amount_in_bps is not None and error.code == INSUFFICIENT_FUNDS

    def lacks_pool(self, error: EngineError) -> bool:
        """Whether the pools that it names are gone, or not known here, since they released it."""
        is_restricted = select_pool_constraints(self.terms.constraints) is not None
        return self.has_waited and is_restricted and error.code == NO_POOL_CODE

    @property
    def _release(self) -> Release | None:
        """What it became when its condition was met; ``None`` for what has never waited."""
        if self.terms.condition is None or self.time_in_force.has_one_attempt:
            return None
        return get_release(self.terms.condition)


class OrderEvent(NamedTuple):
    """One stored transition. ``data`` holds the details of the new status as JSON text.

    ``txid`` is the database transaction that wrote it; ``dex`` is the order's current route. It is
    a tuple as each process makes one of every event: that takes a seventh of the time.
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


class OrderRecord(NamedTuple):
    """The stored row of an order. Tokens are symbols, amounts base units, ``route`` JSON text.

    ``last_valid_height`` is the last block height at which a submitted order can land,
    ``condition`` what it was accepted to wait for, ``high_water`` the highest price since. It came
    to be of the order ``parent_id``; of ``oco_group`` at most one order is executed. ``progress``
    is that of a TWAP order. It waits for ``outage_code`` ``waiting_since``, if for an outage.
    """

    id: UUID
    client_order_id: str | None
    batch_id: UUID | None
    type: OrderType
    token_in: str
    token_out: str
    amount_in: int
    min_amount_out: int | None
    slippage_bps: int
    max_price_impact_bps: int | None
    time_in_force: TimeInForce
    expires_at: datetime | None
    status: Status
    seq: int
    attempts: int
    dex: Dex | None
    route: str | None
    tx_hash: str | None
    amount_out: int | None
    executed_price: Decimal | None
    network_fee_lamports: int | None
    priority_fee_lamports: int | None
    tip_lamports: int | None
    rent_lamports: int | None
    costs_unknown: bool | None
    last_error: str | None
    last_valid_height: int | None
    cancel_reason: str | None
    next_attempt_at: datetime | None
    created_at: datetime
    updated_at: datetime
    condition: Condition | None
    is_triggered: bool
    high_water: PriceRatio | None
    high_water_slot: int | None
    parent_id: UUID | None
    oco_group: UUID | None
    bracket: Bracket | None
    price_of: PriceOf
    progress: SliceProgress | None = None
    next_slice_at: datetime | None = None
    amount_in_bps: int | None = None
    constraints: RouteConstraints | None = None
    wallet: str | None = None
    fees: OrderFees | None = None
    outage_code: str | None = None
    waiting_since: datetime | None = None
