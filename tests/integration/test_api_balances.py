"""``GET /api/balances``: what the wallets hold, and what is reserved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from backend.domain.amounts import Token, format_amount
from backend.domain.tokens import KNOWN_TOKENS, SOL, USDC
from backend.venues.spl import TOKEN_ACCOUNT_RENT
from tests.integration.apis import Json, RunningApi, open_api
from tests.integration.full_engine import FullEngine, run_full_engine
from tests.integration.test_wallets import write_wallets

KEYS = "anna:anna-key-0123456789", "anna:another-key-0123456789"
PATH = "/api/balances"
AMOUNT_IN = 1_500_000_000
WAIT_S = 60


def headers(key: str) -> dict[str, str]:
    return {"X-API-Key": key.partition(":")[2]}


async def fund(engine: FullEngine, wallet: str, token: str, amount: int) -> None:
    body = {"owner": wallet, "token": token, "amount": amount}
    async with engine.node.post("/control/fund", json=body) as response:
        assert response.status == 200, await response.text()


async def wait_for(api: RunningApi, is_met: Callable[[Json], bool]) -> Json:
    """The balances, once they are as they should be."""
    async with asyncio.timeout(WAIT_S):
        while not is_met(balances := await api.get(PATH)):
            await asyncio.sleep(0.05)
        return balances


def find_balances(balances: Json, wallet: str) -> dict[str, Json]:
    [sheet] = [each for each in balances["wallets"] if each["wallet"] == wallet]
    return {each["token"]: each for each in sheet["balances"]}


def show(token: Token, held: int, reserved: int = 0) -> Json:
    texts = (format_amount(each, token.decimals) for each in (held, reserved, held - reserved))
    return {"token": token.symbol, **dict(zip(("held", "reserved", "free"), texts, strict=True))}


async def test_each_wallet_shows_what_it_holds_and_only_with_a_key(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    wallets = write_wallets(data_dir, 2)
    first, second = wallets.addresses
    async with run_full_engine(
        database_url,
        redis_url,
        data_dir,
        {"wallet_files": ",".join(map(str, wallets.paths))},
        api_keys=",".join(KEYS),
    ) as engine:
        await fund(engine, first, "SOL", 10**9)
        await fund(engine, first, "USDC", 1_500_000)
        await fund(engine, second, "SOL", 5)
        async with engine.api.session.get(PATH) as response:
            assert response.status == 401
            assert first not in await response.text()
        answers = []
        for key in KEYS:
            async with engine.api.session.get(PATH, headers=headers(key)) as response:
                assert response.status == 200
                answers.append(await response.json())
        for answer in answers:
            assert [each["wallet"] for each in answer["wallets"]] == [first, second]
            assert [each["ordersInFlight"] for each in answer["wallets"]] == [0, 0]
            held = find_balances(answer, first)
            assert list(held) == [token.symbol for token in KNOWN_TOKENS]
            assert (held["SOL"], held["USDC"]) == (show(SOL, 10**9), show(USDC, 1_500_000))
            assert find_balances(answer, second)["SOL"] == show(SOL, 5)
            # A token of which there is no account is one of which nothing is held.
            assert find_balances(answer, second)["USDC"] == show(USDC, 0)


async def test_what_an_order_in_flight_may_take_is_reserved_in_its_wallet_until_it_ends(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    wallets = write_wallets(data_dir, 2)
    first, second = wallets.addresses
    settings = {
        "wallet_files": ",".join(map(str, wallets.paths)),
        "priority_fee_microlamports": 0,
    }
    async with run_full_engine(database_url, redis_url, data_dir, settings) as engine:
        await fund(engine, first, "SOL", 2 * AMOUNT_IN)
        await engine.arm_fault(fault="late_landing", by_seconds=3_600)
        order_id = await engine.api.place_order(amount="1.5")
        balances = await wait_for(
            engine.api, lambda each: each["wallets"][0]["ordersInFlight"] == 1
        )
        reserved = AMOUNT_IN + 5_000 + TOKEN_ACCOUNT_RENT
        assert find_balances(balances, first)["SOL"] == show(SOL, 2 * AMOUNT_IN, reserved)
        assert find_balances(balances, first)["USDC"] == show(USDC, 0)
        assert find_balances(balances, second)["SOL"] == show(SOL, 0)
        assert balances["wallets"][1]["ordersInFlight"] == 0

        async with engine.node.delete("/control/faults") as response:
            assert response.status == 200
        async with engine.node.post("/control/advance", json={"blocks": 10_000}) as response:
            assert response.status == 200
        [*_, ended] = await engine.read_events(str(order_id))
        order = await engine.api.get(f"/api/orders/{order_id}")
        assert ended["status"] == "confirmed"
        balances = await wait_for(
            engine.api,
            lambda each: (
                each["wallets"][0]["ordersInFlight"] == 0
                and find_balances(each, first)["USDC"]["held"] == order["amountOut"]
            ),
        )
        assert (order["networkFeeLamports"], order["rentLamports"]) == (5_000, TOKEN_ACCOUNT_RENT)
        assert find_balances(balances, first)["SOL"] == show(SOL, 2 * AMOUNT_IN - reserved)


async def test_without_wallets_there_is_nothing_to_show(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:  # no node answers it
        assert await api.get(PATH) == {"wallets": [], "differences": []}


async def test_balances_that_the_node_does_not_tell_are_a_problem_and_not_zero(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        [sheet] = (await engine.api.get(PATH))["wallets"]
        assert sheet["balances"]
        async with open_api(database_url, redis_url) as blind:
            problem = await blind.get(PATH, status=503)
        assert problem["code"] == "node_unreachable"
