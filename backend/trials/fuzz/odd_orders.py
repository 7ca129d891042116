"""Draws orders that are valid, or would be but for a few of their fields."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from backend.domain.tokens import SOL
from backend.simulator.market.mints import FEE_TOKEN
from backend.venues.spl import SYSTEM_PROGRAM, TOKEN_PROGRAM

Json = dict[str, Any]

SOON, FAR, PAST = "2030-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z"
_EXPIRY: Final = {"timeInForce": "gtd", "expiresAt": SOON}
_TOKENS: Final = ("SOL", "USDC", "USDT", "JUP", "BONK", "RAY", "WETH", "WBTC", "eth", "sol")

MINTS: Final = (
    "8opHzTAnfzRpPEx21XtnrVTX28YQuCpAjcn1PczScKh",
    str(SYSTEM_PROGRAM),
    str(TOKEN_PROGRAM),
    SOL.mint,
    FEE_TOKEN.mint,
)
"""Mints, and addresses that are none: of nothing, and of programs."""

TEMPLATES: Final[tuple[Json, ...]] = (
    {},
    {"type": "market", "minAmountOut": "0.000001", "slippageBps": 300},
    {"timeInForce": "ioc", "maxPriceImpactBps": 100},
    {"dexes": ["raydium", "meteora/damm_v2"], "maxLegs": 2, "onlyDirect": True},
    {"type": "limit", "limitPrice": "1000000"},
    {"type": "limit", "limitPrice": 0.000001, "priceOf": "tokenOut"},
    {"type": "limit", "minAmountOut": 10**6, **_EXPIRY},
    {"type": "limit", "limitPrice": "1e6", "timeInForce": "fok"},
    {"type": "stop", "triggerPrice": "0.000001", "confirmations": 3},
    {"type": "stop", "stopPrice": 1e-6, "slippage": 0.03},
    {"type": "stopLimit", "triggerPrice": "0.000001", "limitPrice": "0.0000009"},
    {"type": "takeProfit", "triggerPrice": "1000000", "then": "market"},
    {"type": "takeProfit", "triggerPrice": "1000000", "priceOf": "tokenIn", **_EXPIRY},
    {"type": "trailingStop", "trailBps": 500},
    {"type": "trailingStop", "trailBps": 5_000, "activationPrice": "1000000"},
    {"type": "twap", "slices": 5, "intervalS": 3_600, "jitterBps": 1_000},
    {"type": "twap", "slices": 1_000, "intervalS": 86_400, "limitPrice": "1000000"},
    {"type": "sniper", "minLiquidity": "1000", "maxPriceImpactBps": 500, "looks": 3},
    {"type": "sniper", "mintAuthorityRevoked": True, "dexes": ["raydium"], "maxPoolAgeS": 60},
    {
        "type": "limit",
        "limitPrice": "1000000",
        "bracket": {
            "takeProfit": {"triggerPrice": "1.1", "then": "limit"},
            "stop": {"triggerPrice": "0.9", "slippageBps": 300, "confirmations": 2},
        },
    },
    {"bracket": {"stop": {"trailBps": 500, "activationPrice": "1.2", "priceOf": "tokenOut"}}},
    {"type": "limit", "limitPrice": "1000000", "ocoGroup": "pair"},
    {"type": "stop", "triggerPrice": "0.000001", "ocoGroup": "pair"},
)
"""Orders of every type, most of which wait: what is accepted should cost little."""

FIELDS: Final = tuple(
    dict.fromkeys(
        [
            *("tokenIn", "tokenOut", "amount", "clientOrderId", "type", "orderType", "amountIn"),
            *(name for template in TEMPLATES for name in template),
            *("excludeDexes", "pools", "maxHops", "dex"),
            *("freezeAuthorityNone", "maxTransferFeeBps", "maxFeeBps", "lpLockedMinBps"),
            *("parentId", "status", "price", "trailingPercent", "", "a b", "__proto__", "Type"),
        ]
    )
)
ODD_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, 2, 0.5, 1.5, -0.0, 1e-9, 1e18, 1e308, -1e308, 10**40, 2**64),
    *(float("nan"), float("inf"), "", " ", "0", "1", "-1", "0.5", "1e5", "1e999999999", "NaN"),
    *("1_000", "١٢", "0x10", "1,5", "+1", ".5", "5.", "9" * 41, "0." + "1" * 5_000, "x" * 5_000),
    *("\x00", "\ud800", "\u202e", "💥", "a\nb", "'; DROP TABLE orders; --", "%s%n", "{{7*7}}"),
    *([], {}, [1], ["SOL"], {"a": 1}, [[[[]]]], {"takeProfit": {}}, {"stop": []}, [{}]),
    *("market", "limit", "stop", "takeProfit", "stopLimit", "trailingStop", "twap", "sniper"),
    *("MARKET", "oco", "gtc", "gtd", "ioc", "fok", "GTD", "tokenIn", "tokenOut", "raydium"),
    *(SOON, FAR, PAST, "2030-02-30T00:00:00Z", "2030-01-01", "2030-01-01T00:00:00+14:00", "now"),
    *("SOL", "DOGE", "So11111111111111111111111111111111111111112", "1" * 44, "0" * 44),
    *MINTS,
    *("01a20172-0000-7000-8000-000000000000", "all", "50%", "100%", "0%", "-5%", 49, 50, 5_001),
    *(9_999, 10_000, 10_001, 86_400, 86_401, 1_000, 1_001, -(2**63), 2**63 - 1, 2**31),
)


def draw_order(random: Random, name: str) -> Any:
    """Draw an order, valid or not; ``name`` is its client order id, if it has one."""
    token_in, token_out = random.sample(_TOKENS, 2)
    if random.random() < 0.1:
        token_out = random.choice(MINTS)
    order: Json = {
        "tokenIn": token_in,
        "tokenOut": token_out,
        "amount": f"{random.uniform(0.001, 2):.5f}",
        **random.choice(TEMPLATES),
    }
    if random.random() < 0.3:
        order["clientOrderId"] = name
    for _ in range(random.choice((0, 0, 1, 1, 1, 2, 3))):
        _spoil(random, order)
    return order if random.random() < 0.99 else random.choice(ODD_VALUES)


def _spoil(random: Random, target: Json) -> None:
    """Change one field of an object, or of one in it."""
    field = random.choice(list(target) or FIELDS)
    inner = target.get(field)
    if isinstance(inner, dict) and inner and random.random() < 0.7:
        target[field] = copied = dict(inner)
        _spoil(random, copied)
        return
    match random.randrange(4):
        case 0:
            target.pop(field, None)
        case 1:
            target[random.choice(FIELDS)] = random.choice(ODD_VALUES)
        case 2:  # what belongs to another type
            target.update(random.choice(TEMPLATES))
        case _:
            target[field] = random.choice(ODD_VALUES)
