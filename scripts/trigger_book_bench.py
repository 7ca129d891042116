"""Measures the trigger book: bytes an order, and the time of a market that meets none or many."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from random import Random
from time import process_time
from uuid import UUID

import click
from solders.pubkey import Pubkey

from backend.domain.conditions import Limit, PriceCondition, Stop, TakeProfit, TrailingStop
from backend.domain.prices import PriceRatio
from backend.domain.tokens import SOL, USDC
from backend.triggers.book import TriggerBook, WaitingOrder
from backend.triggers.pool_market import PoolMarket
from backend.venues import CPMM, DAMM_V2

MINT_IN, MINT_OUT = (Pubkey.from_string(token.mint) for token in (SOL, USDC))


def make_market(price_e6: int, slot: int) -> PoolMarket:
    """Two deep pools of SOL and USDC, a base unit of SOL at so many millionths of USDC's."""
    depth = 50_000 * 10**9
    pools = [
        venue.create_pool(MINT_IN, MINT_OUT, depth, depth // 10, fee_e9=2_000_000).with_price(
            MINT_IN, price_e6, 10**6
        )
        for venue in (CPMM, DAMM_V2)
    ]
    return PoolMarket(MINT_IN, MINT_OUT, pools, slot)


def make_condition(random: Random) -> PriceCondition:
    """A condition some per cent away from the market at 0.1."""
    away = random.randrange(2_000, 20_000)
    kinds: list[Callable[[], PriceCondition]] = [
        lambda: Limit(PriceRatio(100_000 + away, 10**6)),
        lambda: TakeProfit(PriceRatio(100_000 + away, 10**6)),
        lambda: Stop(PriceRatio(100_000 - away, 10**6)),
        lambda: Stop(PriceRatio(100_000 - away, 10**6)),
    ]
    return TrailingStop(500) if random.random() < 0.1 else random.choice(kinds)()


def fill(books: list[TriggerBook], count: int, random: Random) -> None:
    """Insert ``count`` orders of sizes from 0.01 to 1,000 SOL."""
    for _ in range(count):
        amount = int(10 ** random.uniform(7, 12))
        order = WaitingOrder(UUID(int=random.getrandbits(128)), 2, amount, make_condition(random))
        random.choice(books).insert(order)


def measure_ms(books: list[TriggerBook], price_e6: int, slot: int) -> tuple[float, int]:
    """The milliseconds that all books take for a market, and how many orders it met."""
    market = make_market(price_e6, slot)
    started_at = process_time()
    met = sum(len(book.find_met(market, slot).met) for book in books)
    return (process_time() - started_at) * 1_000, met


@click.command()
@click.option("--orders", default=100_000, show_default=True)
@click.option("--pairs", default=20, show_default=True)
def main(orders: int, pairs: int) -> None:
    """Print the figures of a book with so many orders."""
    for count in (100, orders):
        books = [TriggerBook() for _ in range(pairs)]
        tracemalloc.start()
        fill(books, count, Random(1))  # noqa: S311 - a benchmark
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        click.echo(f"{count} orders: {size / count:.0f} bytes each")
        measure_ms(books, 100_300, 1)
        idle = [measure_ms(books, 100_300 - 10 * i, 2 + i)[0] for i in range(1, 10)]
        click.echo(f"  a move that meets none: {sorted(idle)[4]:.2f} ms")
        for i, price_e6 in enumerate((103_000, 104_000)):
            took_ms, met = measure_ms(books, price_e6, 20 + i)
            click.echo(f"  a move that meets {met}: {took_ms:.2f} ms")


if __name__ == "__main__":
    main()
