"""What is no token, has no certain transfers, or no pool: it is refused by name."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from backend.api.routes.waiting import order_markets
from backend.domain.errors import Unavailable
from backend.domain.tokens import USDC, TokenRegistry
from backend.routing.mints import Mints
from backend.store.database import open_pool
from backend.venues.venue import Account
from tests.integration.apis import ORDER, UNREACHABLE_NODE, Json, run_api
from tests.integration.mint_engine import (
    BATCH,
    EXECUTE,
    NOWHERE,
    QUOTES,
    MintEngine,
    run_mint_engine,
)

TYPES: Sequence[Json] = [
    {},
    {"type": "limit", "limitPrice": "1"},
    {"type": "stop", "triggerPrice": "1"},
    {"type": "twap", "slices": 2, "intervalS": 1},
    {"bracket": {"takeProfit": {"triggerPrice": "1.1"}}},
]
ABSENT = "is not the mint of a token: the chain has no such account"


async def read_error(engine: MintEngine, path: str, body: Json) -> Json:
    problem = await engine.api.post(path, body, 422)
    [error] = problem["errors"]
    assert problem["code"] == error["code"]
    return dict(error)


async def read_wallet(engine: MintEngine) -> str:
    async with engine.node.get("/control/state") as response:
        return str((await response.json())["wallet"])


async def test_what_cannot_be_traded_is_refused_with_the_field_and_the_extension(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        hooked, wallet = await engine.launch_mint(hook=True), await read_wallet(engine)
        known = await engine.launch_mint()
        extension = (
            f"the mint {hooked} uses the extension 14 (transfer hook), with which what a transfer"
            " brings is not certain"
        )
        refused = {
            NOWHERE: ("invalid_mint", ABSENT),
            wallet: ("invalid_mint", f"{wallet} is not the mint of a token"),
            hooked: ("unsupported_mint", extension),
        }
        for field in ("tokenIn", "tokenOut"):
            for name, (code, reason) in refused.items():
                body = {**ORDER, "tokenIn": known, "tokenOut": known, field: name}
                expected = {"field": field, "code": code, "reason": reason}
                assert await read_error(engine, QUOTES, body) == expected
                for fields in TYPES:
                    assert await read_error(engine, EXECUTE, {**body, **fields}) == expected
        bodies = [{**ORDER, "tokenOut": name} for name in (*refused, known, USDC.mint)]
        answer = await engine.api.post(BATCH, {"orders": bodies})
        problems = [each.get("problem", {}).get("code") for each in answer["orders"]]
        assert problems == [*(code for code, _ in refused.values()), None, None]


async def test_a_misspelt_mint_is_told_which_one_may_be_meant(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        misspelt = USDC.mint[:-1] + "w"
        error = await read_error(engine, EXECUTE, {**ORDER, "tokenOut": misspelt})
        assert error["code"] == "invalid_mint"
        assert error["reason"] == f"{ABSENT}: did you mean {USDC.mint}, which is USDC?"


async def test_a_token_without_a_pool_is_refused_to_wait_and_fails_at_the_market(
    database_url: str, redis_url: str, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_markets, "MARKET_WAIT_S", 60.0)  # a busy machine is waited for
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        mint = await engine.launch_mint()
        body = {**ORDER, "tokenOut": mint}
        sentence = f"no venue has a pool of SOL and {mint}"
        problem = await engine.api.post(QUOTES, body, 422)
        assert (problem["code"], problem["detail"]) == ("no_pool", sentence)
        error = await read_error(engine, EXECUTE, {**body, "type": "limit", "limitPrice": "1"})
        assert error["reason"] == f"{sentence}, and only a sniper order waits for one"
        order = await engine.execute(**body)
        assert (order["status"], order["lastError"]) == ("failed", f"no_pool: {sentence}")


async def test_a_known_token_needs_no_node_and_an_unknown_one_waits_for_it(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        mint, new = await engine.launch_mint(), await engine.launch_mint()
        body = {**ORDER, "tokenOut": mint, "clientOrderId": "one"}
        first = await engine.api.post(EXECUTE, body)
        away = engine.settings.model_copy(update={"solana_rpc_url": UNREACHABLE_NODE})
        async with run_api(away) as api:
            again = await api.post(EXECUTE, body)
            assert again["orderId"] == first["orderId"]
            for path in (EXECUTE, QUOTES):
                problem = await api.post(path, {**ORDER, "tokenOut": new}, 503)
                assert problem["code"] == "node_unreachable"
            both = {"orders": [ORDER, {**ORDER, "tokenOut": new}]}
            assert (await api.post(BATCH, both, 503))["code"] == "node_unreachable"
            listed = await api.get(f"/api/orders?tokenOut={mint}")
            assert [each["orderId"] for each in listed["orders"]] == [first["orderId"]]
            # Of what nobody has named there are no orders, which needs no node either.
            assert (await api.get(f"/api/orders?tokenIn={new}"))["orders"] == []
            query = f"/api/orders?tokenIn={new}"
            async with api.session.delete(query) as response:
                assert (await response.json())["cancelled"] == []
            problem = await api.get("/api/orders?tokenIn=" + "1" * 50, 400)
            assert problem["errors"][0]["code"] == "invalid_mint"


@pytest.mark.parametrize("name", ["USDC", "usdc", USDC.mint])
async def test_a_repeat_may_name_a_token_otherwise(
    name: str, database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        first = await engine.api.post(EXECUTE, {**ORDER, "clientOrderId": "one"})
        body = {**ORDER, "tokenOut": name, "clientOrderId": "one"}
        assert (await engine.api.post(EXECUTE, body))["orderId"] == first["orderId"]


async def test_a_batch_names_more_mints_than_one_call_of_the_node_reads(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        known = [await engine.launch_mint() for _ in range(3)]
        absent = [str(Pubkey(bytes([7, number] * 16))) for number in range(240)]
        names = [*absent[:120], known[0], *absent[120:], *known[1:]]
        bodies = {"orders": [{**ORDER, "tokenIn": name} for name in names]}
        answer = await engine.api.post(BATCH, bodies, headers={"Idempotency-Key": "one"})
        assert (answer["accepted"], answer["refused"]) == (3, 240)
        placed = [each for each in answer["orders"] if "orderId" in each]
        again = await engine.api.post(BATCH, bodies, headers={"Idempotency-Key": "one"})
        assert again["batchId"] == answer["batchId"]
        for name, entry in zip(known, placed, strict=True):
            order = await engine.api.get(f"/api/orders/{entry['orderId']}")
            assert order["tokenIn"] == name


class _SilentNode:
    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey]
    ) -> tuple[int, list[Account | None]]:
        await asyncio.Event().wait()
        raise AssertionError("it does not answer")


async def test_a_node_that_does_not_answer_is_waited_for_shortly(database_url: str) -> None:
    async with open_pool(database_url, connections_max=1) as pool:
        mints = Mints(pool, _SilentNode(), TokenRegistry(), timeout_s=0.01)
        assert await mints.learn(["SOL", USDC.mint, "no mint"]) == {}
        with pytest.raises(Unavailable, match="node_timeout"):
            await mints.learn([NOWHERE])
