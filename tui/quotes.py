"""What orders would get: prices to size them by, and a dry run with the API's own quotes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from decimal import Decimal
from typing import Final

from tui.connection.client import Client, Refused, Unreachable
from tui.model.batch_plan import Plan
from tui.model.messages import WireRoute, WireTerms
from tui.model.orders import BPS
from tui.model.pairs import pair, tokens
from tui.session import Desk
from tui.text import format as as_text

_QUOTED_MAX: Final = 4


class Quoting:
    """Asks the API, and remembers the prices that it learnt."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._learnt: dict[str, Decimal] = {}

    def price(self, name: str) -> Decimal | None:
        """What a pair costs, in quote tokens for one base token."""
        return self._desk.last_price(name) or self._learnt.get(name)

    async def learn(self, plan: Plan) -> str:
        """Ask for the prices that a plan needs; why that did not work, or nothing."""
        client = self._desk.client
        missing = [name for name in plan.pairs if self.price(name) is None]
        if client is None or not plan.of_base:
            return ""
        for name in missing:
            base, quote = tokens(name, "sell")
            terms = WireTerms(tokenIn=base, tokenOut=quote, amount=f"{plan.high:f}")
            try:
                route = await client.quote(terms)
            except (Refused, Unreachable) as error:
                return f"no price of {name}: {error}"
            offered = max(Decimal(quote["amountOut"]) for quote in route["quotes"])
            self._learnt[name] = offered / plan.high
        return ""

    async def dry_run(self, orders: Iterable[WireTerms]) -> AsyncIterator[str]:
        """A line for the first order of each pair and side: how it would be routed now."""
        client = self._desk.client
        if client is None:
            yield "a recording is shown: nothing can be asked"
            return
        kinds = {(order["tokenIn"], order["tokenOut"]): order for order in reversed(list(orders))}
        for order in list(kinds.values())[:_QUOTED_MAX]:
            yield await _asked(client, order, self._desk.marks.arrow)


def in_words(order: WireTerms) -> str:
    """An order as people say it: ``sell 12.41 SOL/USDC``."""
    side = pair(order["tokenIn"], order["tokenOut"])
    given = as_text.amount(Decimal(order["amount"]))
    if side.side == "sell":
        return f"sell {given} {side.name}"
    return f"buy {side.name} with {given} {side.quote}"


async def _asked(client: Client, order: WireTerms, arrow: str) -> str:
    try:
        return f"{in_words(order)}: {_route(order, await client.quote(order), arrow)}"
    except (Refused, Unreachable) as error:
        return f"{in_words(order)}: {error}"


def _route(order: WireTerms, route: WireRoute, arrow: str) -> str:
    side = pair(order["tokenIn"], order["tokenOut"])
    outs = {quote["dex"]: Decimal(quote["amountOut"]) for quote in route["quotes"]}
    offers = []
    for dex, out in outs.items():
        price = side.price(Decimal(order["amount"]), out)
        offers.append(f"{dex} {as_text.price(price) if price else '-'}")
    offers += [f"{venue['dex']} {venue['code']}" for venue in route.get("unavailable", [])]
    others = [out for dex, out in outs.items() if dex != route["dex"] and out]
    gain = f" +{(outs[route['dex']] / max(others) - 1) * BPS:.1f} bps" if others else ""
    return f"{', '.join(offers)} {arrow} {route['dex']}{gain}"
