"""Pricing of a Meteora DAMM v2 pool from its own account and the clock: price, fees, swap.

The tokens' transfer fees and the vaults are handled by ``pool``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from backend.domain.amounts import U64_MAX, floor_div
from backend.domain.errors import Rejected
from backend.venues.meteora.damm_v2.accounts import (
    BY_SLOT,
    BY_TIME,
    MAX_FEE_E9,
    BaseFee,
    CollectFeeMode,
    PoolState,
    RateLimiter,
    Volatility,
)
from backend.venues.meteora.damm_v2.curve import (
    Q128,
    ConstantProduct,
    PriceRange,
    compute_sqrt_price,
)
from backend.venues.meteora.damm_v2.fees import (
    FeeContext,
    FeeShares,
    Schedule,
    check_limiter,
    compute_base_rate,
    compute_dynamic_rate,
    compute_fee,
    compute_limiter_rate,
    is_limiter_active,
    split_fee,
    update_volatility,
)
from backend.venues.pool_side import check_balance, move_along_product
from backend.venues.spl import Clock

_FAR_FROM_OVERFLOW: Final = 2**62


@dataclass(frozen=True, slots=True)
class Trade:
    """A swap without the tokens' transfer fees; ``fee_e9`` is charged on the input or output."""

    amount_in: int
    net_in: int
    gross_out: int
    amount_out: int
    fee_e9: int
    shares: FeeShares
    sqrt_price: int


@dataclass(frozen=True, slots=True)
class _PricingInputs:
    """The inputs of a swap that do not depend on its amount."""

    curve: PriceRange | ConstantProduct
    reserves: tuple[int, int]
    base_e9: int
    dynamic_e9: int
    cap_e9: int
    limiter: RateLimiter | None


@dataclass(frozen=True, slots=True)
class PoolPricing:
    """The records of a pool's account, and the cluster time that they are priced at.

    Raises ``Rejected`` (``bad_pool``) for a fee that the program cannot compute.
    """

    state: PoolState
    base_fee: BaseFee
    schedule: Schedule
    volatility: Volatility
    clock: Clock
    _inputs: _PricingInputs = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_inputs", self._compute_inputs())

    def spot_price(self, *, sells_a: bool) -> tuple[int, int]:
        """The price of an infinitesimal trade before fees, as a ratio of out to in."""
        b, a = self._inputs.curve.spot_price()
        return (b, a) if sells_a else (a, b)

    def is_rate_limited(self, *, sells_a: bool) -> bool:
        """Whether the fee depends on the size of a swap, which is limited to one a transaction."""
        return self._inputs.limiter is not None and not sells_a

    def pays_at_least(self, other: PoolPricing, *, sells_a: bool) -> bool:
        """Whether the price is no worse, on the same curve, and the fee is no higher.

        The outputs of a range rise with √price for a and fall with it for b, rounded as they are.
        """
        ours, theirs = self._inputs, other._inputs
        fee_e9, other_fee_e9 = (
            min(each.base_e9 + each.dynamic_e9, each.cap_e9) for each in (ours, theirs)
        )
        (a, b), (other_a, other_b) = ours.reserves, theirs.reserves
        is_deep = a <= other_a and b >= other_b if sells_a else a >= other_a and b <= other_b
        return (
            is_deep
            and fee_e9 <= other_fee_e9
            and self._is_like(other)
            and ours.curve.pays_at_least(theirs.curve, sells_a=sells_a)
        )

    def _is_like(self, other: PoolPricing) -> bool:
        """Whether nothing but price, fee and reserves differs, and it is open if the other is."""
        s, o = self.state, other.state
        return (
            s.status == o.status
            and s.collect_fee_mode == o.collect_fee_mode
            and s.protocol_fee_percent == o.protocol_fee_percent
            and s.compounding_fee_bps == o.compounding_fee_bps
            and s.activation_point == o.activation_point
            and s.activation_type == o.activation_type
            and self._get_point() >= min(other._get_point(), o.activation_point)
            and max(s.total_protocol_fee_a, s.total_protocol_fee_b) < _FAR_FROM_OVERFLOW
            and max(s.protocol_fee_a, s.protocol_fee_b) < _FAR_FROM_OVERFLOW
        )

    def compute_trade(self, amount_in: int, *, sells_a: bool) -> Trade:
        """Compute the swap of exactly ``amount_in`` of a or of b, whose output may be 0.

        Raises ``Rejected`` if the program would not execute it.
        """
        self._check_open()
        fee_e9 = self._compute_fee_e9(amount_in, sells_a)
        is_on_input = self._is_fee_on_input(sells_a)
        curve = self._inputs.curve
        fee = compute_fee(amount_in, fee_e9) if is_on_input else 0
        net = amount_in - fee
        gross, sqrt_price = curve.sell_a(net) if sells_a else curve.sell_b(net)
        if not is_on_input:
            fee = compute_fee(gross, fee_e9)
        amount_out = gross if is_on_input else gross - fee
        shares = split_fee(fee, self.state.protocol_fee_percent, self.state.compounding_fee_bps)
        a, b = self._compute_reserves(net, gross, shares, sells_a)
        if isinstance(curve, ConstantProduct):
            sqrt_price = compute_sqrt_price(a, b)
        return Trade(amount_in, net, gross, amount_out, fee_e9, shares, sqrt_price)

    def after_trade(self, trade: Trade, *, sells_a: bool) -> PoolPricing:
        """The pricing after ``trade``."""
        s, shares = self.state, trade.shares
        a, b = self._compute_reserves(trade.net_in, trade.gross_out, shares, sells_a)
        lp_fee = shares.claiming + shares.compounding
        # Rounded down: the providers lose the remainder per unit of liquidity.
        per_liquidity = floor_div(shares.claiming * Q128, s.liquidity)
        if self._is_fee_on_a(sells_a):
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
        volatility = update_volatility(self.volatility, before, trade.sqrt_price, now)
        return PoolPricing(s, self.base_fee, self.schedule, volatility, self.clock)

    def with_price(self, numerator: int, denominator: int) -> PoolPricing:
        """The pricing at ``numerator / denominator`` b for one a, with the same depth.

        A price range clamps the price to its bounds.
        """
        curve, (a, b) = self._inputs.curve, self._inputs.reserves
        if isinstance(curve, PriceRange):
            sqrt = compute_sqrt_price(denominator, numerator)
            moved = replace(curve, sqrt_price=min(max(sqrt, curve.sqrt_min), curve.sqrt_max))
            sqrt = moved.sqrt_price
            (old_a, old_b), (new_a, new_b) = curve.reserves(), moved.reserves()
            a, b = a + new_a - old_a, b + new_b - old_b
            check_balance(max(a, b))
        else:
            a, b = move_along_product(a, b, numerator, denominator)
            sqrt = compute_sqrt_price(a, b)
        state = self.state._replace(sqrt_price=sqrt, amount_a=a, amount_b=b, layout_version=1)
        return replace(self, state=state)

    def reserves(self) -> tuple[int, int]:
        """The reserves of a and b."""
        return self._inputs.reserves

    def _compute_inputs(self) -> _PricingInputs:
        s = self.state
        if s.fee_version not in MAX_FEE_E9 or s.activation_type not in {BY_SLOT, BY_TIME}:
            raise Rejected("bad_pool", "the pool is of an unknown version")
        curve: PriceRange | ConstantProduct
        if s.collect_fee_mode == CollectFeeMode.COMPOUNDING:
            curve = ConstantProduct(s.amount_a, s.amount_b)
            reserves = s.amount_a, s.amount_b
        else:
            curve = PriceRange(s.liquidity, s.sqrt_price, s.sqrt_min_price, s.sqrt_max_price)
            reserves = (s.amount_a, s.amount_b) if s.layout_version else curve.reserves()
        context = FeeContext(self._get_point(), s.activation_point, s.init_sqrt_price, s.sqrt_price)
        limiter = None
        if isinstance(self.schedule, RateLimiter) and is_limiter_active(self.schedule, context):
            check_limiter(self.schedule, self.base_fee.cliff)
            limiter = self.schedule
        base_e9 = compute_base_rate(self.base_fee, self.schedule, context)
        return _PricingInputs(
            curve,
            reserves,
            base_e9,
            compute_dynamic_rate(self.volatility),
            MAX_FEE_E9[s.fee_version],
            limiter,
        )

    def _get_point(self) -> int:
        # The program's term: the slot or the time, whichever the pool's activation counts in.
        is_by_slot = self.state.activation_type == BY_SLOT
        return self.clock.slot if is_by_slot else self.clock.unix_time

    def _check_open(self) -> None:
        s = self.state
        if s.status:
            raise Rejected("pool_disabled", "the pool is switched off")
        if self._get_point() < s.activation_point:
            raise Rejected("not_open", "the pool is not open yet")
        is_product = s.collect_fee_mode == CollectFeeMode.COMPOUNDING
        if not s.liquidity or (is_product and not (s.amount_a and s.amount_b)):
            raise Rejected("no_liquidity", "the pool is empty")

    def _is_fee_on_input(self, sells_a: bool) -> bool:
        return self.state.collect_fee_mode != CollectFeeMode.OUTPUT and not sells_a

    def _is_fee_on_a(self, sells_a: bool) -> bool:
        return self.state.collect_fee_mode == CollectFeeMode.OUTPUT and not sells_a

    def _compute_fee_e9(self, amount: int, sells_a: bool) -> int:
        inputs = self._inputs
        rate_e9 = inputs.base_e9
        if inputs.limiter is not None and not sells_a:
            rate_e9 = compute_limiter_rate(inputs.limiter, rate_e9, amount)
        return min(rate_e9 + inputs.dynamic_e9, inputs.cap_e9)

    def _compute_reserves(
        self, net_in: int, gross_out: int, shares: FeeShares, sells_a: bool
    ) -> tuple[int, int]:
        """The reserves after a swap; raises ``Rejected`` where a program counter overflows."""
        s, (a, b) = self.state, self._inputs.reserves
        if self._is_fee_on_a(sells_a):
            owed = max(s.protocol_fee_a, s.total_protocol_fee_a)
        else:
            owed = max(s.protocol_fee_b, s.total_protocol_fee_b)
        a, b = (a + net_in, b - gross_out) if sells_a else (a - gross_out, b + net_in)
        if min(a, b) < 0 or max(a, b + shares.compounding, owed + shares.protocol) > U64_MAX:
            raise Rejected("amount_too_large", "the pool cannot move that much")
        return a, b + shares.compounding
