"""``GET /api/positions``: what fills did to each token, what it cost, and what it is worth now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

from backend.accounting.positions import Position, PositionBook
from backend.api.context import ApiContext
from backend.api.wire.accounting.amounts import format_optional, format_signed, format_unit_price
from backend.api.wire.http import Request, Response, json_response
from backend.api.wire.problems import Problem, to_problem
from backend.domain.amounts import Token, ceil_div
from backend.domain.errors import EngineError, InvalidInput
from backend.triggers.offers.recent_markets import MarketKey
from backend.triggers.pool_market import PoolMarket

COMPUTATION_WAIT_S: Final = 2.0
"""So long a request waits for the positions of an owner whose fills are many."""
MARKET_WAIT_S: Final = 2.0
PRICED_MAX: Final = 200
"""Most positions whose prices are read: those behind, by name, have none."""

Json = dict[str, object]


class Worth(NamedTuple):
    """What a position is worth now: its value, the slot of the price and how old that is."""

    value: int
    slot: int
    age_ms: int | None


async def get_positions(api: ApiContext, request: Request) -> Response:
    """The positions of the caller. 503 while they are computed from very many fills."""
    try:
        book = await api.services.accounts.positions.read(request.owner, wait_s=COMPUTATION_WAIT_S)
    except EngineError as error:
        raise to_problem(error) from None
    if book is None:
        reason = "the positions are being computed from all fills: ask again"
        raise Problem(503, "positions_not_ready", reason, headers={"Retry-After": "2"})
    reference = api.reference
    worths = await _find_worths(api, book, reference)
    shown = [
        _show_position(api.services.tokens.find(name, "token"), position, reference, worths)
        for name, position in sorted(book.positions.items())
    ]
    realized = sum(each.realized for each in book.positions.values())
    return json_response(
        {
            "reference": reference.symbol,
            "method": book.method.value,
            "positions": shown,
            "realized": format_signed(realized, reference.decimals),
            "networkFeeLamports": book.network_fee_lamports,
            "unknownFees": book.unknown_fee_count,
        }
    )


def _show_position(
    token: Token, position: Position, reference: Token, worths: Mapping[str, Worth]
) -> Json:
    is_reference, decimals = token == reference, reference.decimals
    amount = position.bought - position.sold if is_reference else position.amount
    cost = amount if is_reference else position.cost
    worth = Worth(amount, 0, None) if is_reference else worths.get(token.symbol)
    value = None if worth is None else worth.value
    gain = None if value is None else value - cost
    return {
        "token": token.symbol,
        "amount": format_signed(amount, token.decimals),
        "bought": format_signed(position.bought, token.decimals),
        "sold": format_signed(position.sold, token.decimals),
        "fills": position.fill_count,
        "unvaluedFills": position.unvalued_count,
        "cost": format_signed(cost, decimals),
        "averageCost": format_unit_price(cost, decimals, amount, token.decimals),
        "realized": format_signed(position.realized, decimals),
        "value": format_optional(value, decimals),
        "unrealized": format_optional(gain, decimals),
        "price": None
        if value is None
        else format_unit_price(value, decimals, amount, token.decimals),
        "priceSlot": None if worth is None or is_reference else worth.slot,
        "priceAgeMs": None if worth is None else worth.age_ms,
    }


async def _find_worths(api: ApiContext, book: PositionBook, reference: Token) -> dict[str, Worth]:
    """What open positions are worth at once; those without a known market are left out."""
    keys: dict[str, MarketKey] = {}
    for name, position in sorted(book.positions.items()):
        if name == reference.symbol or not position.amount:
            continue
        try:
            token = api.services.tokens.find(name, "token")
        except InvalidInput:
            continue
        pair = (reference, token) if position.amount < 0 else (token, reference)
        keys[name] = MarketKey(*pair)
        if len(keys) == PRICED_MAX:
            break
    recent = api.services.markets
    markets = await recent.read(set(keys.values()), wait_s=MARKET_WAIT_S) if keys else {}
    worths: dict[str, Worth] = {}
    for name, key in keys.items():
        market, age_ms = markets.get(key), recent.find_age_ms(key)
        value = None if market is None else _value(market, book.positions[name])
        if market is not None and value is not None:
            worths[name] = Worth(value, market.slot, age_ms)
        await asyncio.sleep(0)
    return worths


def _value(market: PoolMarket, position: Position) -> int | None:
    """What the best pool pays for a position, or takes, below 0, for what it lacks.

    What is lacking is valued at the price of a purchase for what its sale has brought, rounded up.
    """
    amount = position.amount
    if amount > 0:
        quote = market.quote(amount)
        return None if quote is None else quote.amount_out
    spent = abs(position.cost)
    quote = market.quote(spent) if spent else None
    return None if quote is None else -ceil_div(abs(amount) * spent, quote.amount_out)
