"""The limits that are tried: each of an owner of its own, with orders of which not all pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from backend.domain.limits.order_limits import LimitName

Json = dict[str, Any]

_SOL: Final[Json] = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "0.1"}
_USDC: Final[Json] = {"tokenIn": "USDC", "tokenOut": "SOL", "amount": "10"}


class TrialCase(NamedTuple):
    """A limit with its value, and the orders that are placed in turn.

    ``query`` finds in the rows of the owner ``$1`` how much of the limit was taken at most;
    ``bound`` is what that must not exceed.
    """

    name: LimitName
    value: object
    orders: tuple[Json, ...]
    query: str
    bound: float


_COUNT_IN_A_SECOND: Final = """
SELECT coalesce(max(n), 0)::float8 FROM (
    SELECT count(*) OVER (
        ORDER BY created_at RANGE BETWEEN interval '999999 us' PRECEDING AND CURRENT ROW) AS n
    FROM orders WHERE owner = $1) counted
"""
_COUNT_ALL: Final = "SELECT count(*)::float8 FROM orders WHERE owner = $1"
_SIGNED: Final = "o.owner = $1 AND EXISTS (SELECT FROM order_events e WHERE e.order_id = o.id AND"
_IS_SIGNED: Final = f"{_SIGNED} e.status = 'submitted')"
_MAX_IN: Final = f"SELECT coalesce(max(amount_in), 0)::float8 FROM orders o WHERE {_IS_SIGNED}"  # noqa: S608
_SUM_IN: Final = f"SELECT coalesce(sum(amount_in), 0)::float8 FROM orders o WHERE {_IS_SIGNED}"  # noqa: S608
_OUT: Final = "(o.route->>'minAmountOut')::float8 / (1 - o.slippage_bps / 10000.0)"
_MAX_OUT: Final = f"SELECT coalesce(max({_OUT}), 0) FROM orders o WHERE {_IS_SIGNED}"  # noqa: S608
_SUM_OUT: Final = f"SELECT coalesce(sum({_OUT}), 0) FROM orders o WHERE {_IS_SIGNED}"  # noqa: S608
_MAX_SLIPPAGE: Final = "SELECT coalesce(max(slippage_bps), 0)::float8 FROM orders WHERE owner = $1"
_COUNT_BONK: Final = (
    "SELECT count(*)::float8 FROM orders WHERE owner = $1 AND 'BONK' IN (token_in, token_out)"
)

_BONK: Final[Json] = {"tokenIn": "USDC", "tokenOut": "BONK", "amount": "10"}
_WAITING: Final[Json] = {**_SOL, "type": "limit", "limitPrice": "100000"}

CASES: Final[Mapping[str, TrialCase]] = {
    "rate": TrialCase(LimitName.ORDERS_PER_SECOND, 50, (_WAITING,), _COUNT_IN_A_SECOND, 50),
    "open": TrialCase(LimitName.OPEN_ORDERS, 200, (_WAITING,), _COUNT_ALL, 200),
    "value": TrialCase(
        LimitName.ORDER_VALUE,
        "10.5",
        (_SOL, {**_SOL, "amount": "0.11"}, _USDC, {**_USDC, "amount": "10.6"}),
        _MAX_OUT,
        10.5,
    ),
    "volume": TrialCase(LimitName.DAILY_VOLUME, "1000", (_SOL,), _SUM_OUT, 1000),
    "volume-known": TrialCase(LimitName.DAILY_VOLUME, "1000", (_USDC,), _SUM_IN, 1_000_000_000),
    "impact": TrialCase(
        LimitName.PRICE_IMPACT, 1, (_SOL, {**_SOL, "amount": "1000"}), _MAX_IN, 100_000_000
    ),
    "distance": TrialCase(
        LimitName.REFERENCE_DISTANCE,
        23,
        (_SOL, {**_SOL, "amount": "0.2", "dexes": ["raydium"]}),
        _MAX_IN,
        100_000_000,
    ),
    "slippage": TrialCase(
        LimitName.SLIPPAGE,
        50,
        (_SOL, {**_SOL, "slippageBps": 51}, {**_SOL, "slippageBps": 9999}),
        _MAX_SLIPPAGE,
        50,
    ),
    "allowed": TrialCase(LimitName.ALLOWED_MINTS, ["SOL", "USDC"], (_SOL, _BONK), _COUNT_BONK, 0),
    "denied": TrialCase(LimitName.DENIED_MINTS, ["BONK"], (_SOL, _BONK), _COUNT_BONK, 0),
}
"""By the owner that has the limit."""
