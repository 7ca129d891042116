"""Quotes of a batch without placing it: each order alone, at the present prices of the pools."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import aiohttp
from rich.console import Console
from rich.table import Table

from batch.checks.routes import ROUTE_FIELDS
from batch.orders import Order, OrderList
from batch.progress import Json, Refusal
from batch.results import Row
from batch.server import RETRY_DELAY_S, RetryableError, read_refusal, read_response

_FIELDS_OF_A_SWAP = frozenset(
    {
        "tokenIn",
        "tokenOut",
        "amount",
        "amountIn",
        "minAmountOut",
        "slippageBps",
        "maxPriceImpactBps",
        *ROUTE_FIELDS,
    }
)
_NOT_QUOTED = Refusal("not_quoted", "only market orders can be quoted")


class Quote(NamedTuple):
    """The route that an order would take now."""

    token_in: str
    token_out: str
    amount_in: Decimal
    amount_out: Decimal
    dex: str
    price: str
    impact: Decimal


class BatchQuotes:
    """Requests the quotes of a batch; orders with the same terms share one."""

    def __init__(self, http: aiohttp.ClientSession, orders: OrderList) -> None:
        self._http = http
        self._orders = orders
        self._results: list[Quote | Refusal | None] = [None] * len(orders.orders)
        self._by_terms: dict[str, list[int]] = {}
        for index, order in enumerate(orders.orders):
            if str(order.get("type", "market")).lower() == "market":
                self._by_terms.setdefault(_encode_swap(order), []).append(index)
            else:
                self._results[index] = _NOT_QUOTED

    @property
    def are_complete(self) -> bool:
        """Whether every order has a quote."""
        return all(isinstance(result, Quote) for result in self._results)

    async def request(self, concurrency: int) -> None:
        """Request all quotes, so many at once."""
        terms = iter(self._by_terms.items())
        async with asyncio.TaskGroup() as senders:
            for _ in range(concurrency):
                senders.create_task(self._request_each(terms))

    async def _request_each(self, terms: Iterator[tuple[str, list[int]]]) -> None:
        for body, indices in terms:
            result = await self._request_quote(body)
            for index in indices:
                self._results[index] = result

    async def _request_quote(self, body: str) -> Quote | Refusal:
        """``POST /api/quotes``, again and again while the engine or the node is not ready."""
        headers = {"Content-Type": "application/json"}
        while True:
            try:
                async with self._http.post("/api/quotes", data=body, headers=headers) as raw:
                    response = await read_response(raw)
            except RetryableError as error:
                await asyncio.sleep(error.wait_s)
            except (aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(RETRY_DELAY_S)
            else:
                is_quoted = response.status == 200
                return _read_quote(response.body) if is_quoted else read_refusal(response.body)

    def build_rows(self) -> Iterator[Row]:
        """Build a row for each order; what cannot be quoted has the status ``refused``."""
        for line, order, result in zip(
            self._orders.lines, self._orders.orders, self._results, strict=True
        ):
            row = Row(line, None, order["clientOrderId"], "not_quoted", *[None] * 6)
            if isinstance(result, Quote):
                amount_out = f"{result.amount_out:f}"
                row = row._replace(
                    status="quoted", dex=result.dex, price=result.price, amountOut=amount_out
                )
            elif result is not None:
                row = row._replace(status="refused", code=result.code, reason=result.reason)
            yield row

    def build_summary(self) -> Json:
        """Sum the quotes up: amounts, venues and the largest price impact of each swap."""
        quotes = [result for result in self._results if isinstance(result, Quote)]
        swaps: dict[tuple[str, str], list[Quote]] = {}
        for quote in quotes:
            swaps.setdefault((quote.token_in, quote.token_out), []).append(quote)
        refused = Counter(each.code for each in self._results if isinstance(each, Refusal))
        return {
            "orders": len(self._results),
            "quoted": len(quotes),
            "refused": dict(refused.most_common()),
            "swaps": [_sum_up(*tokens, group) for tokens, group in sorted(swaps.items())],
            "amountsIn": _sum_amounts(quotes),
        }


def _encode_swap(order: Order) -> str:
    swap = {name: value for name, value in order.items() if name in _FIELDS_OF_A_SWAP}
    return json.dumps(swap, sort_keys=True)


def _read_quote(body: Json) -> Quote:
    amount_in = Decimal(body["amountIn"])
    if "legs" in body:  # its pools may be of other pairs
        amount_out = Decimal(body["expectedAmountOut"])
        price, impact = f"{amount_out / amount_in:.9g}", body["priceImpact"]
    else:
        best = next(quote for quote in body["quotes"] if quote.get("pool") == body.get("pool"))
        amount_out = Decimal(best["amountOut"])
        price, impact = best["price"], best.get("priceImpact") or 0
    return Quote(
        body["tokenIn"],
        body["tokenOut"],
        amount_in,
        amount_out,
        body["dex"],
        price,
        Decimal(impact),
    )


def _sum_up(token_in: str, token_out: str, quotes: list[Quote]) -> Json:
    return {
        "tokenIn": token_in,
        "tokenOut": token_out,
        "orders": len(quotes),
        "amountIn": f"{sum(quote.amount_in for quote in quotes):f}",
        "amountOut": f"{sum(quote.amount_out for quote in quotes):f}",
        "dex": dict(Counter(quote.dex for quote in quotes).most_common()),
        "maxPriceImpact": f"{max(quote.impact for quote in quotes):f}",
    }


def _sum_amounts(quotes: list[Quote]) -> dict[str, str]:
    totals: dict[str, Decimal] = {}
    for quote in quotes:
        totals[quote.token_in] = totals.get(quote.token_in, Decimal()) + quote.amount_in
    return {token: f"{total:f}" for token, total in sorted(totals.items())}


def print_quotes(summary: Json, console: Console) -> None:
    """Print the sum of the quotes as a table."""
    title = f"{summary['quoted']:,} of {summary['orders']:,} orders quoted, none placed"
    table = Table(title=title, caption="each quoted alone, at the pools' present prices")
    table.add_column("swap")
    for name in ("orders", "pay", "get", "impact at most"):
        table.add_column(name, justify="right")
    table.add_column("DEX")
    for swap in summary["swaps"]:
        table.add_row(
            f"{swap['tokenIn']} → {swap['tokenOut']}",
            f"{swap['orders']:,}",
            f"{Decimal(swap['amountIn']):,f} {swap['tokenIn']}",
            f"{Decimal(swap['amountOut']):,f} {swap['tokenOut']}",
            f"{Decimal(swap['maxPriceImpact']):.3%}",
            ", ".join(f"{dex} {number:,}" for dex, number in swap["dex"].items()),
        )
    console.print(table)
    amounts = summary["amountsIn"].items()
    paid = " + ".join(f"{Decimal(amount):,f} {token}" for token, amount in amounts)
    console.print(f"In total they pay {paid}." if paid else "None can be placed.")
