"""Quotes: what a swap would return now on every venue, without placing an order."""

from __future__ import annotations

from backend.api.context import ApiContext
from backend.api.routes.place_orders import learn_mints
from backend.api.wire.http import Request, Response, json_response, read_json_body
from backend.api.wire.problems import to_problem
from backend.api.wire.request_schemas import read_quote
from backend.domain.amounts import format_amount
from backend.domain.errors import EngineError
from backend.routing.quote_choice import quotes_to_json


async def get_quotes(api: ApiContext, request: Request) -> Response:
    """``POST /api/quotes``: every venue's quote, and the route that an order would take.

    Where an order would be refused, the problem of that, with the quotes that there are.
    """
    services, settings = api.services, api.services.settings
    raw = read_json_body(request)
    terms = read_quote(
        raw,
        services.tokens,
        settings.slippage_bps,
        settings.max_price_impact_bps,
        await learn_mints(api, [raw]),
    )
    offers = await services.router.collect_offers(terms)
    try:
        route = await services.router.choose_route(offers)
    except EngineError as error:
        problem = to_problem(error)
        if offers.quotes:
            problem.members = {"quotes": quotes_to_json(terms, offers.quotes)}
        raise problem from None
    return json_response(
        {
            "tokenIn": terms.token_in.symbol,
            "tokenOut": terms.token_out.symbol,
            "amountIn": format_amount(terms.amount_in, terms.token_in.decimals),
            "slippageBps": terms.slippage_bps,
            "maxPriceImpactBps": terms.max_price_impact_bps,
            **route.to_json(terms),
        }
    )
