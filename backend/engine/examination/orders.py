"""The orders of an examination: market orders of pairs and amounts, with the engine's defaults."""

from __future__ import annotations

from typing import NamedTuple

from backend.domain.amounts import format_amount, parse_amount
from backend.domain.errors import InvalidInput
from backend.domain.orders import OrderTerms, OrderType
from backend.domain.route_constraints import RouteConstraints
from backend.engine.examination.market_services import MarketServices


class Pair(NamedTuple):
    """The names of a token that is sold and of one that is bought."""

    token_in: str
    token_out: str

    def __str__(self) -> str:
        """As it is written: ``SOL/USDC``."""
        return f"{self.token_in}/{self.token_out}"


def parse_pair(text: str) -> Pair:
    """Parse ``SOL/USDC``: the first is sold. Raises ``ValueError`` with a sentence."""
    token_in, separator, token_out = (part.strip() for part in text.partition("/"))
    if not (token_in and separator and token_out):
        raise ValueError(f"{text!r} is no pair: two tokens are, the sold one first: SOL/USDC")
    if token_in == token_out:
        raise ValueError(f"{text!r} names the same token twice")
    return Pair(token_in, token_out)


async def build_terms(
    market: MarketServices, pair: Pair, amount: str, hops_max: int | None = None
) -> OrderTerms:
    """Build a market order that sells an amount, in units of its token.

    With ``hops_max`` it looks for routes through other tokens, of so many swaps at most.

    Raises ``EngineError``: ``InvalidInput`` for what is wrong with the pair or the amount.
    """
    token_in = await market.find_token(pair.token_in, "pair")
    token_out = await market.find_token(pair.token_out, "pair")
    if token_in == token_out:
        raise InvalidInput("pair", f"{pair} names the same token twice")
    try:
        amount_in = parse_amount(amount, token_in.decimals)
    except ValueError as error:
        raise InvalidInput("amount", f"{error} ({token_in.symbol})") from None
    return OrderTerms(
        OrderType.MARKET,
        token_in,
        token_out,
        amount_in,
        None,
        market.settings.slippage_bps,
        constraints=None if hops_max is None else RouteConstraints(max_hops=hops_max),
    )


def describe_amount(terms: OrderTerms) -> str:
    """What an order sells and buys, in words."""
    amount = format_amount(terms.amount_in, terms.token_in.decimals)
    return f"{amount} {terms.token_in.symbol} for {terms.token_out.symbol}"
