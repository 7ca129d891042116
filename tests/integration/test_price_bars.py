"""Bars in the database: those of several processes become one, old ones go, steps add up."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from backend.accounting.bars import Bar, PriceSample
from backend.accounting.pairs import PairName
from backend.store.database import DatabasePool, open_pool
from backend.store.prices import price_bars
from backend.store.prices.price_bars import PriceBars
from tests.integration.apis import (
    WAIT_S,
    Json,
    RunningApi,
    open_api,
    receive_hello,
    wait_until,
)
from tests.integration.full_engine import run_full_engine
from tests.integration.stored_keys import STREAM, UPGRADE
from tests.integration.test_api_documents import assert_valid
from tests.integration.test_documents import assert_valid as assert_documented

SOL_USDC, BONK_SOL = PairName("SOL", "USDC"), PairName("BONK", "SOL")
START = 1_790_000_040
LONG = timedelta(days=10_000)


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[DatabasePool]:
    async with open_pool(database_url, connections_max=3) as pool:
        yield pool


def draw_samples(random: Random, count: int) -> list[PriceSample]:
    """Samples in the order of their times; slots rise with them."""
    times = sorted(START + random.randrange(200) + random.random() for _ in range(count))
    return [
        PriceSample(
            random.choice((SOL_USDC, BONK_SOL)),
            at,
            Decimal(random.randrange(1, 10**9)) / 1000,
            number,
        )
        for number, at in enumerate(times)
    ]


def merge(shown: Sequence[Sequence[PriceSample]], step_s: int) -> dict[int, Json]:
    """What one bar of each time has to be, of the samples of several processes in their order."""
    found: defaultdict[int, list[PriceSample]] = defaultdict(list)
    for samples in shown:
        for sample in samples:
            found[int(sample.at) // step_s * step_s].append(sample)
    return {
        start: {
            "prices": {sample.price for sample in each},
            "high": max(sample.price for sample in each),
            "low": min(sample.price for sample in each),
            "close": max(each, key=lambda sample: sample.slot).price,
            "slot": max(sample.slot for sample in each),
        }
        for start, each in found.items()
    }


def check(bars: Sequence[Bar], expected: dict[int, Json]) -> None:
    assert [bar.start for bar in bars] == sorted(expected)
    for bar in bars:
        each = expected[bar.start]
        assert bar.open in each["prices"]
        assert (bar.high, bar.low, bar.slot) == (each["high"], each["low"], each["slot"])
        assert bar.close == each["close"]


@pytest.mark.parametrize("seed", range(5))
async def test_no_bar_has_a_price_that_no_read_has_shown(pool: DatabasePool, seed: int) -> None:
    random = Random(seed)
    bars = PriceBars(pool)
    samples = draw_samples(random, 300)
    added: list[list[PriceSample]] = []
    at = 0
    while at < len(samples):  # two processes, which share what is shown in a time
        size = random.randrange(1, 20)
        part, at = samples[at : at + size], at + size
        for each in (part[::2], part[1::2]):
            await bars.add(each)
            added.append(each)
    for pair in (SOL_USDC, BONK_SOL):
        own = [[sample for sample in part if sample.pair == pair] for part in added]
        for step in (1, 5, 15, 60, 300):
            start = START // step * step
            found = await bars.read(pair, start, START + 600, step)
            check(found, merge(own, step))


async def test_a_time_is_read_without_its_end(pool: DatabasePool) -> None:
    bars = PriceBars(pool)
    await bars.add([PriceSample(SOL_USDC, START + n, Decimal(n + 1), n) for n in range(5)])
    found = await bars.read(SOL_USDC, START + 1, START + 3, 1)
    assert [(bar.start - START, int(bar.open)) for bar in found] == [(1, 2), (2, 3)]
    assert await bars.read(BONK_SOL, START, START + 60, 1) == []


async def test_old_bars_and_pairs_without_any_are_deleted(
    pool: DatabasePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_bars, "DELETED_MAX", 2)
    bars = PriceBars(pool)
    now = await bars.read_clock_s()
    old = [PriceSample(BONK_SOL, now - 200_000 + n, Decimal(1), n) for n in range(5)]
    await bars.add(old)
    await bars.add([PriceSample(SOL_USDC, now, Decimal(1), 9)])
    count = "SELECT count(*) FROM price_seconds"
    for left in (4, 2, 1, 1):
        await bars.delete_old(LONG)
        assert await pool.fetchval(count) == left
    assert await pool.fetchval("SELECT count(*) FROM price_pairs") == 2
    await bars.delete_old(timedelta(days=1))
    names = await pool.fetch("SELECT base FROM price_pairs")
    assert [row["base"] for row in names] == ["SOL"]
    await bars.add(old[:1])  # it comes back
    assert await pool.fetchval("SELECT count(*) FROM price_pairs") == 2


async def test_there_is_a_bound_of_pairs(
    pool: DatabasePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(price_bars, "PAIRS_MAX", 1)
    bars = PriceBars(pool)
    for pair in (SOL_USDC, BONK_SOL):
        await bars.add([PriceSample(pair, START, Decimal(1), 1)])
    assert len(await bars.read(SOL_USDC, START, START + 1, 1)) == 1
    assert await bars.read(BONK_SOL, START, START + 1, 1) == []


async def test_prices_are_told_of_what_was_stored(database_url: str, redis_url: str) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_pool(database_url, connections_max=1) as pool,
    ):
        bars = PriceBars(pool)
        samples = [("100.5", 0), ("100.123456789", 1), ("99", 65)]
        await bars.add(
            [PriceSample(SOL_USDC, START + at, Decimal(price), at) for price, at in samples]
        )
        query = "pair=USDC/SOL&from=2026-09-21T14:14:00Z&to=2026-09-21T14:16:00Z"
        told = await api.get(f"/api/prices?{query}")
        assert_valid("Prices", told)
        assert (told["pair"], told["step"]) == ("SOL/USDC", 60)
        assert [list(each.values())[1:] for each in told["bars"]] == [
            ["100.5", "100.5", "100.123456789", "100.123456789", 1],
            ["99", "99", "99", "99", 65],
        ]
        assert [each["at"] for each in told["bars"]] == [
            "2026-09-21T14:14:00.000000Z",
            "2026-09-21T14:15:00.000000Z",
        ]
        assert len((await api.get(f"/api/prices?{query}&step=1"))["bars"]) == 3
        assert len((await api.get(f"/api/prices?{query}&step=3600"))["bars"]) == 1


@pytest.mark.parametrize(
    ("query", "field", "reason"),
    [
        ("", "pair", "is missing"),
        ("pair=SOL", "pair", "two tokens"),
        ("pair=SOL/USDC&step=7", "step", "must be one of 1, 5,"),
        ("pair=SOL/USDC&from=2026-01-02&to=2026-01-01", "from", "later than to"),
        ("pair=SOL/USDC&to=9999-12-31T23:59:59.999999Z", "to", "between 1970 and 2999"),
        ("pair=SOL/USDC&to=0001-01-01T00:00:00Z", "to", "between 1970 and 2999"),
        ("pair=SOL/USDC&from=0001-01-01T00:00:00Z", "from", "between 1970 and 2999"),
        ("pair=SOL/USDC&from=2026-01-01&to=2026-02-01", "from", "more than 2000 bars"),
    ],
)
async def test_a_wrong_query_of_prices_is_explained(
    database_url: str, redis_url: str, query: str, field: str, reason: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        problem = await api.get(f"/api/prices?{query}", 400)
        [error] = problem["errors"]
        assert error["field"] == field
        assert reason in error["reason"]


def read_told(frame: Json) -> list[tuple[str, str, str]]:
    return [(bar["pair"], bar["open"], bar["close"]) for bar in frame["prices"]]


async def test_a_stream_tells_the_bars_that_are_new_or_have_changed(
    database_url: str, redis_url: str
) -> None:
    async with (
        open_api(database_url, redis_url) as api,
        open_pool(database_url, connections_max=1) as pool,
    ):
        bars = PriceBars(pool)
        second = int(await bars.read_clock_s()) + 1
        async with (
            api.open_stream(prices="USDC/SOL") as socket,
            api.open_stream() as other,
            asyncio.timeout(WAIT_S),
        ):
            await receive_hello(socket)
            await receive_hello(other)
            await bars.add([PriceSample(SOL_USDC, second, Decimal("100.50"), 7)])
            first = await socket.receive_json()
            assert_valid("NewPrices", first)
            assert_documented("newPrices", first)
            assert read_told(first) == [("SOL/USDC", "100.5", "100.5")]
            changed = [PriceSample(SOL_USDC, second + 0.5, Decimal(99), 8)]
            await bars.add([*changed, PriceSample(BONK_SOL, second, Decimal(1), 8)])
            assert read_told(await socket.receive_json()) == [("SOL/USDC", "100.5", "99")]
            # It goes on with events and heartbeats, and nobody gets what he did not ask for.
            order = str(await api.place_order())
            for each in (socket, other):
                assert [event["orderId"] for event in await each.receive_json()] == [order]
                assert "heartbeat" in await each.receive_json()


async def test_prices_of_no_pair_open_no_stream(database_url: str, redis_url: str) -> None:
    many = ",".join(f"SOL/{'1' * 31}{n}" for n in "123456789ABCDEFGHJKLM")
    reasons = {"SOL": "two tokens", "SOL/NOPE": "NOPE", "SOL/SOL": "two tokens", many: "at most 20"}
    async with open_api(database_url, redis_url) as api:
        for pairs, reason in reasons.items():
            query = {"prices": pairs}
            async with api.session.get(STREAM, params=query, headers=UPGRADE) as response:
                assert response.status == 400
                [error] = (await response.json())["errors"]
            assert error["field"] == "prices"
            assert reason in error["reason"]


async def has_bars(api: RunningApi, pair: str) -> bool:
    return bool((await api.get(f"/api/prices?pair={pair}&step=1"))["bars"])


async def test_an_engine_samples_what_it_reads_and_values_swaps_by_it(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        api = engine.api
        sold = await api.place_order()
        await engine.read_events(str(sold))
        await wait_until(lambda: has_bars(api, "SOL/USDC"))
        told = await api.get("/api/prices?pair=SOL/USDC&step=1")
        assert_valid("Prices", told)
        [fill] = (await api.get("/api/fills"))["fills"]
        for bar in told["bars"]:
            assert Decimal(bar["low"]) <= Decimal(bar["open"]) <= Decimal(bar["high"])
            assert abs(Decimal(bar["close"]) / Decimal(fill["price"]) - 1) < Decimal("0.02")
        other = await api.place_order(tokenIn="BONK", tokenOut="SOL", amount="50000")
        await engine.read_events(str(other))
        [swap, _] = (await api.get("/api/fills"))["fills"]
        rate = Decimal(swap["value"]) / Decimal(swap["amountOut"])
        assert abs(rate / Decimal(fill["price"]) - 1) < Decimal("0.02")
        positions = (await api.get("/api/positions"))["positions"]
        assert {each["token"]: each["unvaluedFills"] for each in positions} == dict.fromkeys(
            ("BONK", "SOL", "USDC"), 0
        )
        # Nobody trades it, and whoever asks has it read.
        await wait_until(lambda: has_bars(api, "RAY/USDC"))
