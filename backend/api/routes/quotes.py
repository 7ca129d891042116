"""The market: what an order would get now, without placing one."""

from __future__ import annotations

from backend.api.context import Api
from backend.api.routes.place_orders import json_body
from backend.api.wire.http import Answer, Call, json_answer
from backend.api.wire.request_schemas import read_quote
from backend.domain.amounts import format_amount


async def quote(api: Api, call: Call) -> Answer:
    """``POST /api/quotes``: every venue's quote, and the route that would be chosen."""
    front = api.front
    terms = read_quote(json_body(call), front.tokens, front.settings.slippage_bps)
    route = await front.router.route(terms)
    return json_answer(
        {
            "tokenIn": terms.token_in.symbol,
            "tokenOut": terms.token_out.symbol,
            "amountIn": format_amount(terms.amount_in, terms.token_in.decimals),
            "slippageBps": terms.slippage_bps,
            **route.to_json(terms),
        }
    )
