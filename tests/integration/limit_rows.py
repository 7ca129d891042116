"""Limits as rows, set before anything starts that has to know them; and cases of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from backend.domain.limits.order_limits import parse_limits
from backend.domain.tokens import USDC, TokenRegistry
from backend.store.audit_log.entries import Actor
from backend.store.database import open_pool
from backend.store.limits.limit_store import ALL_OWNERS, LimitStore
from tests.integration.apis import Json

OPERATOR: Final = Actor("operator")
SALE: Final[Json] = {"tokenIn": "USDC", "tokenOut": "SOL", "amount": "10"}
"""Worth 10 of the reference token, whatever its route."""


async def store_limits(
    database_url: str, limits: Mapping[str, object], owner: str = ALL_OWNERS
) -> None:
    parsed = parse_limits(limits, TokenRegistry(), USDC)
    async with open_pool(database_url, connections_max=1) as pool:
        await LimitStore(pool, USDC).replace(owner, parsed, OPERATOR)


class LimitCase(NamedTuple):
    """A limit, an order, how many of it pass, and members of the problem of the next one."""

    limits: Json
    order: Json
    passing: int
    members: Json


INTAKE_CASES: Final = {
    "maxOrdersPerSecond": LimitCase(
        {"maxOrdersPerSecond": 2}, SALE, 2, {"limit": "2", "value": "3", "left": "0"}
    ),
    "maxOpenOrders": LimitCase(
        {"maxOpenOrders": 3}, SALE, 3, {"limit": "3", "value": "4", "left": "0"}
    ),
    "maxOrderValue": LimitCase(
        {"maxOrderValue": "9.999999"},
        SALE,
        0,
        {"limit": "9.999999", "value": "10", "left": "9.999999", "token": "USDC"},
    ),
    "maxDailyVolume": LimitCase(
        {"maxDailyVolume": "25"},
        SALE,
        2,
        {"limit": "25", "value": "10", "left": "5", "token": "USDC"},
    ),
    "maxSlippageBps": LimitCase(
        {"maxSlippageBps": 20},
        {**SALE, "slippageBps": 21},
        0,
        {"limit": "20", "value": "21", "left": "20"},
    ),
    "allowedMints": LimitCase({"allowedMints": ["USDC", "JUP"]}, SALE, 0, {"value": "SOL"}),
    "deniedMints": LimitCase({"deniedMints": ["USDC"]}, SALE, 0, {"value": "USDC"}),
}
"""Limits that an order exceeds whatever its route."""
