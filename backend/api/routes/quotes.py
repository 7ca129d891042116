"""Quotes: what a swap would return now on every venue, without placing an order."""

from __future__ import annotations

from backend.api.context import ApiContext
from backend.api.wire.http import Request, Response, json_response, read_json_body
from backend.api.wire.request_schemas import read_quote
from backend.domain.amounts import format_amount


async def get_quotes(api: ApiContext, request: Request) -> Response:
    """``POST /api/quotes``: every venue's quote, and the route that an order would take."""
    services = api.services
    terms = read_quote(read_json_body(request), services.tokens, services.settings.slippage_bps)
    route = await services.router.route(terms)
    return json_response(
        {
            "tokenIn": terms.token_in.symbol,
            "tokenOut": terms.token_out.symbol,
            "amountIn": format_amount(terms.amount_in, terms.token_in.decimals),
            "slippageBps": terms.slippage_bps,
            **route.to_json(terms),
        }
    )
