"""What a Meteora DAMM v2 pool's own account decides under a given clock: price, fees, the swap.

The tokens' transfer fees and the vaults are not seen here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from backend.domain.amounts import U64_MAX, floor_div
from backend.domain.errors import Rejected
from backend.venues.meteora.damm_v2.accounts import (
    BASE_FEE,
    BY_SLOT,
    BY_TIME,
    MAX_FEE_E9,
    POOL,
    PRICE_SCHEDULE,
    RATE_LIMITER,
    TIME_SCHEDULE,
    VOLATILITY,
    BaseFee,
    BaseFeeMode,
    CollectFee,
    PoolState,
    PriceSchedule,
    RateLimiter,
    TimeSchedule,
    Volatility,
)
from backend.venues.meteora.damm_v2.curve import Q128, Product, Range, sqrt_price_of
from backend.venues.meteora.damm_v2.fees import (
    Moment,
    Schedule,
    Shares,
    base,
    check_limiter,
    dynamic,
    fee_of,
    limited,
    limiter_applies,
    moved,
    split,
)
from backend.venues.pool_side import along_product, check_balance
from backend.venues.spl import Clock


@dataclass(frozen=True, slots=True)
class Trade:
    """A swap as the pool sees it; ``fee_e9`` was charged on the input or on the output."""

    amount_in: int
    net_in: int
    gross_out: int
    amount_out: int
    fee_e9: int
    shares: Shares
    sqrt_price: int


@dataclass(frozen=True, slots=True)
class _Terms:
    """All of a swap that does not depend on its amount."""

    curve: Range | Product
    amounts: tuple[int, int]
    base_e9: int
    dynamic_e9: int
    cap_e9: int
    limiter: RateLimiter | None


@dataclass(frozen=True, slots=True)
class Market:
    """The records of a pool's account, and the clock they are looked at with.

    Raises ``Rejected`` (``bad_pool``) for a fee that the program cannot compute.
    """

    state: PoolState
    base_fee: BaseFee
    schedule: Schedule
    volatility: Volatility
    clock: Clock
    _terms: _Terms = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_terms", self._make_terms())

    def spot(self, *, sells_a: bool) -> tuple[int, int]:
        """What is paid, before fees, for an infinitesimal trade: a ratio of out to in."""
        b, a = self._terms.curve.spot()
        return (b, a) if sells_a else (a, b)

    def is_limited(self, *, sells_a: bool) -> bool:
        """Whether a swap pays by its size, and must be the only one of its transaction."""
        return self._terms.limiter is not None and not sells_a

    def trade(self, amount_in: int, *, sells_a: bool) -> Trade:
        """The swap of exactly ``amount_in`` of a or of b, which may pay nothing.

        Raises ``Rejected`` if the program would not do it.
        """
        self._check_open()
        fee_e9 = self._fee_e9(amount_in, sells_a)
        on_input = self._fee_on_input(sells_a)
        curve = self._terms.curve
        fee = fee_of(amount_in, fee_e9) if on_input else 0
        net = amount_in - fee
        gross, sqrt_price = curve.sell_a(net) if sells_a else curve.sell_b(net)
        if not on_input:
            fee = fee_of(gross, fee_e9)
        amount_out = gross if on_input else gross - fee
        shares = split(fee, self.state.protocol_fee_percent, self.state.compounding_fee_bps)
        a, b = self._amounts_after(net, gross, shares, sells_a)
        if isinstance(curve, Product):
            sqrt_price = sqrt_price_of(a, b)
        return Trade(amount_in, net, gross, amount_out, fee_e9, shares, sqrt_price)

    def after(self, trade: Trade, *, sells_a: bool) -> Market:
        """The market after ``trade``."""
        s, shares = self.state, trade.shares
        a, b = self._amounts_after(trade.net_in, trade.gross_out, shares, sells_a)
        lp_fee = shares.claiming + shares.compounding
        # Rounded down: the providers lose what is less than one part of their liquidity.
        per_liquidity = floor_div(shares.claiming * Q128, s.liquidity)
        if self._fee_on_a(sells_a):
            s = s._replace(
                amount_a=a,
                amount_b=b,
                sqrt_price=trade.sqrt_price,
                layout_version=1,
                protocol_fee_a=s.protocol_fee_a + shares.protocol,
                fee_a_per_liquidity=s.fee_a_per_liquidity + per_liquidity,
                total_lp_fee_a=s.total_lp_fee_a + lp_fee,
                total_protocol_fee_a=s.total_protocol_fee_a + shares.protocol,
            )
        else:
            s = s._replace(
                amount_a=a,
                amount_b=b,
                sqrt_price=trade.sqrt_price,
                layout_version=1,
                protocol_fee_b=s.protocol_fee_b + shares.protocol,
                fee_b_per_liquidity=s.fee_b_per_liquidity + per_liquidity,
                total_lp_fee_b=s.total_lp_fee_b + lp_fee,
                total_protocol_fee_b=s.total_protocol_fee_b + shares.protocol,
            )
        before, now = self.state.sqrt_price, self.clock.unix_time
        volatility = moved(self.volatility, before, trade.sqrt_price, now)
        return Market(s, self.base_fee, self.schedule, volatility, self.clock)

    def at_price(self, numerator: int, denominator: int) -> Market:
        """The market with its depth kept, at ``numerator / denominator`` b for one a.

        In a price range it moves no further than the range.
        """
        curve, (a, b) = self._terms.curve, self._terms.amounts
        if isinstance(curve, Range):
            sqrt = sqrt_price_of(denominator, numerator)
            there = replace(curve, sqrt_price=min(max(sqrt, curve.sqrt_min), curve.sqrt_max))
            sqrt = there.sqrt_price
            (old_a, old_b), (new_a, new_b) = curve.amounts(), there.amounts()
            a, b = a + new_a - old_a, b + new_b - old_b
            check_balance(max(a, b))
        else:
            a, b = along_product(a, b, numerator, denominator)
            sqrt = sqrt_price_of(a, b)
        state = self.state._replace(sqrt_price=sqrt, amount_a=a, amount_b=b, layout_version=1)
        return replace(self, state=state)

    def amounts(self) -> tuple[int, int]:
        """The reserves of a and b."""
        return self._terms.amounts

    def _make_terms(self) -> _Terms:
        s = self.state
        if s.fee_version not in MAX_FEE_E9 or s.activation_type not in {BY_SLOT, BY_TIME}:
            raise Rejected("bad_pool", "the pool is of a version that is not known")
        curve: Range | Product
        if s.collect_fee_mode == CollectFee.COMPOUNDING:
            curve = Product(s.amount_a, s.amount_b)
            amounts = s.amount_a, s.amount_b
        else:
            curve = Range(s.liquidity, s.sqrt_price, s.sqrt_min_price, s.sqrt_max_price)
            amounts = (s.amount_a, s.amount_b) if s.layout_version else curve.amounts()
        moment = Moment(self._point(), s.activation_point, s.init_sqrt_price, s.sqrt_price)
        limiter = None
        if isinstance(self.schedule, RateLimiter) and limiter_applies(self.schedule, moment):
            check_limiter(self.schedule, self.base_fee.cliff)
            limiter = self.schedule
        base_e9 = base(self.base_fee, self.schedule, moment)
        return _Terms(
            curve, amounts, base_e9, dynamic(self.volatility), MAX_FEE_E9[s.fee_version], limiter
        )

    def _point(self) -> int:
        is_by_slot = self.state.activation_type == BY_SLOT
        return self.clock.slot if is_by_slot else self.clock.unix_time

    def _check_open(self) -> None:
        s = self.state
        if s.status:
            raise Rejected("pool_disabled", "the pool is switched off")
        if self._point() < s.activation_point:
            raise Rejected("not_open", "the pool is not open yet")
        is_product = s.collect_fee_mode == CollectFee.COMPOUNDING
        if not s.liquidity or (is_product and not (s.amount_a and s.amount_b)):
            raise Rejected("no_liquidity", "the pool is empty")

    def _fee_on_input(self, sells_a: bool) -> bool:
        return self.state.collect_fee_mode != CollectFee.OUTPUT and not sells_a

    def _fee_on_a(self, sells_a: bool) -> bool:
        return self.state.collect_fee_mode == CollectFee.OUTPUT and not sells_a

    def _fee_e9(self, amount: int, sells_a: bool) -> int:
        terms = self._terms
        numerator = terms.base_e9
        if terms.limiter is not None and not sells_a:
            numerator = limited(terms.limiter, numerator, amount)
        return min(numerator + terms.dynamic_e9, terms.cap_e9)

    def _amounts_after(
        self, net_in: int, gross_out: int, shares: Shares, sells_a: bool
    ) -> tuple[int, int]:
        """The reserves afterwards; raises ``Rejected`` where a counter of the program overflows."""
        s, (a, b) = self.state, self._terms.amounts
        if self._fee_on_a(sells_a):
            owed = max(s.protocol_fee_a, s.total_protocol_fee_a)
        else:
            owed = max(s.protocol_fee_b, s.total_protocol_fee_b)
        a, b = (a + net_in, b - gross_out) if sells_a else (a - gross_out, b + net_in)
        if min(a, b) < 0 or max(a, b + shares.compounding, owed + shares.protocol) > U64_MAX:
            raise Rejected("amount_too_large", "the pool cannot move that much")
        return a, b + shares.compounding


def read_market(data: bytes, clock: Clock) -> Market:
    """The market in a pool's account.

    Raises ``Rejected`` (``bad_pool``) if it is not one that can be quoted exactly.
    """
    state, fee = POOL.read(data), BASE_FEE.read(data)
    schedule: Schedule
    match fee.mode:
        case BaseFeeMode.TIME_LINEAR | BaseFeeMode.TIME_EXPONENTIAL:
            schedule = TIME_SCHEDULE.read(data)
        case BaseFeeMode.RATE_LIMITER:
            schedule = RATE_LIMITER.read(data)
        case BaseFeeMode.PRICE_LINEAR | BaseFeeMode.PRICE_EXPONENTIAL:
            schedule = PRICE_SCHEDULE.read(data)
        case _:
            raise Rejected("bad_pool", f"the pool has the unknown base fee mode {fee.mode}")
    if state.collect_fee_mode not in set(CollectFee):
        raise Rejected("bad_pool", f"the pool has the unknown fee mode {state.collect_fee_mode}")
    return Market(state, fee, schedule, VOLATILITY.read(data), clock)


def write_market(market: Market, over: bytes = b"") -> bytes:
    """A pool's account with the records of ``market``, over the bytes they were read from."""
    data = POOL.write(market.state, over)
    data = BASE_FEE.write(market.base_fee, data)
    match market.schedule:
        case TimeSchedule() as schedule:
            data = TIME_SCHEDULE.write(schedule, data)
        case PriceSchedule() as schedule:
            data = PRICE_SCHEDULE.write(schedule, data)
        case RateLimiter() as schedule:
            data = RATE_LIMITER.write(schedule, data)
    return VOLATILITY.write(market.volatility, data)
