"""Orders of every kind for tokens that only their mint names, on a node that launches them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from backend.simulator.market.mints import FEE_TOKEN
from tests.integration.apis import Json, run_api, wait_until
from tests.integration.mint_engine import BATCH, EXECUTE, NOWHERE, MintEngine, run_mint_engine
from tests.integration.test_submit_batch import run_for_summary

POOLS: dict[str, Json] = {
    "cpmm": {"program": "cpmm"},
    "clmm": {"program": "clmm"},
    "amm_v4": {"program": "amm_v4", "default": False},
    "damm_v2": {"venue": "meteora", "program": "damm_v2"},
    "dlmm": {"venue": "meteora", "program": "dlmm"},
}
FEE: Json = {"decimals": 6, "transfer_fee_bps": 125, "transfer_fee_max": 10**9}


async def trade_exactly(engine: MintEngine, token_in: str, token_out: str, amount: str) -> str:
    """Trade at the market, exactly as quoted; returns the amount out."""
    body = {"tokenIn": token_in, "tokenOut": token_out, "amount": amount}
    quote = await engine.quote(**body)
    offered = max(Decimal(each["amountOut"]) for each in quote["quotes"])
    offered = Decimal(quote.get("expectedAmountOut", offered))
    assert (quote["tokenIn"], quote["tokenOut"], quote["amountIn"]) == (token_in, token_out, amount)
    order = await engine.execute(**body)
    assert order["status"] == "confirmed", order["lastError"]
    assert Decimal(order["amountOut"]) == offered
    assert (order["tokenIn"], order["tokenOut"]) == (token_in, token_out)
    return str(order["amountOut"])


@pytest.mark.parametrize("program", POOLS)
async def test_a_token_is_bought_and_sold_for_what_was_quoted(
    program: str, database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        mint = (await engine.launch_pool(**POOLS[program]))["mint"]
        bought = await trade_exactly(engine, "USDC", mint, "500.5")
        assert await trade_exactly(engine, mint, "USDC", bought)


@pytest.mark.parametrize("program", ["cpmm", "clmm", "damm_v2"])
async def test_a_transfer_fee_is_part_of_the_quote_in_and_out(
    program: str, database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        pool = {"token": FEE, "amount": 10**12, **POOLS[program]}
        mint = (await engine.launch_pool(**pool))["mint"]
        plain = (await engine.launch_pool(**pool | {"token": {"decimals": 6}}))["mint"]
        bought = await trade_exactly(engine, "USDC", mint, "500.5")
        assert Decimal(bought) < Decimal(await trade_exactly(engine, "USDC", plain, "500.5"))
        first = await trade_exactly(engine, mint, "USDC", bought)
        # What Token-2022 withheld is gone: of the same tokens the other pool pays more.
        assert Decimal(first) < Decimal(await trade_exactly(engine, plain, "USDC", bought))


@pytest.mark.parametrize("other", ["SOL", "USDC"])
async def test_a_market_of_many_pools_of_a_token_with_a_fee_pays_what_is_quoted(
    other: str, database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir, pools="many") as engine:
        bought = await trade_exactly(engine, other, FEE_TOKEN.mint, "2.5")
        assert await trade_exactly(engine, FEE_TOKEN.mint, other, bought)


async def test_a_pool_that_is_at_no_default_address_is_found_by_the_first_order(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        traded, waited, quoted = [
            (await engine.launch_pool(program="clmm", default=False))["mint"] for _ in range(3)
        ]
        order = await engine.execute(tokenIn="USDC", tokenOut=traded, amount="10")
        assert (order["status"], order["attempts"]) == ("confirmed", 1)
        body = {"tokenIn": "USDC", "tokenOut": waited, "amount": "10", "limitPrice": "0.001"}
        order = await engine.execute(type="limit", **body)
        assert order["status"] == "confirmed"
        assert (await engine.quote(tokenIn="USDC", tokenOut=quoted, amount="100"))["program"] == (
            "clmm"
        )


def build_orders(mint: str) -> list[Json]:
    """Orders of all types but snipers, which the market meets at 100 USDC for a token."""
    sale = {"tokenIn": mint, "tokenOut": "USDC", "amount": "1.5"}
    once = {"confirmations": 1}
    stop = {**sale, **once, "type": "stop", "triggerPrice": "1000"}
    limit = {**sale, "type": "limit", "limitPrice": "10"}
    return [
        sale,
        {**sale, "timeInForce": "ioc"},
        limit,
        stop,
        {**sale, **once, "type": "takeProfit", "triggerPrice": "10"},
        {**sale, "type": "stopLimit", **once, "triggerPrice": "1000", "limitPrice": "10"},
        {**sale, "type": "twap", "slices": 2, "intervalS": 1},
        {**stop, "amount": "50%"},
        {**limit, "ocoGroup": "a"},
        {**stop, "triggerPrice": "1", "ocoGroup": "a"},
        {**sale, "bracket": {"takeProfit": {**once, "triggerPrice": "0.001"}}},
        {
            "tokenIn": "USDC",
            "tokenOut": mint,
            "amount": "15",
            "type": "limit",
            "limitPrice": "0.001",
        },
    ]


async def test_orders_of_every_type_are_placed_in_a_batch_and_end(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        mint = (await engine.launch_pool())["mint"]
        await engine.execute(tokenIn="USDC", tokenOut=mint, amount="10000")
        batch = await engine.api.post(BATCH, {"orders": build_orders(mint)})
        assert [each.get("problem") for each in batch["orders"]] == [None] * 12
        ended = [await engine.wait_for_end(each["orderId"]) for each in batch["orders"]]
        statuses = [each["status"] for each in ended]
        assert statuses == ["confirmed"] * 9 + ["cancelled", "confirmed", "confirmed"]
        [child] = [
            each["orderId"]
            for each in (await engine.api.get(f"/api/orders?parentId={ended[10]['orderId']}"))[
                "orders"
            ]
        ]
        assert (await engine.wait_for_end(child))["status"] == "confirmed"


async def test_waiting_orders_outlive_the_processes_that_know_their_token(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        mint = (await engine.launch_pool(program="cpmm"))["mint"]
        bought = {"tokenIn": "USDC", "tokenOut": mint, "amount": "10000000"}
        await engine.execute(**bought, maxPriceImpactBps=5_000)  # a token is 121 USDC from now on
        sale = {"tokenIn": mint, "tokenOut": "USDC", "amount": "1.5"}
        trailing = {**sale, "type": "trailingStop", "trailBps": 500, "confirmations": 1}
        trailing_id = (await engine.api.post(EXECUTE, trailing))["orderId"]
        stop = {**sale, "type": "stop", "triggerPrice": "110", "confirmations": 1}
        stop_id = (await engine.api.post(EXECUTE, stop))["orderId"]

        async def is_followed() -> bool:
            order = await engine.api.get(f"/api/orders/{trailing_id}")
            return "highestPrice" in order and "executablePrice" in order

        await wait_until(is_followed)
        await engine.restart_worker()
        async with run_api(engine.settings) as other:
            listed = await other.get(f"/api/orders?tokenIn={mint}&status=waiting")
            assert {each["orderId"] for each in listed["orders"]} == {trailing_id, stop_id}
            [first] = (await other.get(f"/api/orders?tokenOut={mint}"))["orders"]
            assert (first["status"], first["amountIn"]) == ("confirmed", "10000000")
            dump = {**sale, "amount": "60000", "maxPriceImpactBps": 5_000}
            await other.post(EXECUTE, dump)  # a token is 107 USDC from now on
        for order_id in (trailing_id, stop_id):
            assert (await engine.wait_for_end(order_id))["status"] == "confirmed"


async def test_a_file_of_orders_names_mints(
    database_url: str, redis_url: str, data_dir: Path, tmp_path: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        mint = (await engine.launch_pool())["mint"]
        file = tmp_path / "orders.csv"
        file.write_text(f"tokenIn,tokenOut,amount\nUSDC,{mint},25\nUSDC,{NOWHERE},25\n")
        code, report = await run_for_summary(engine.api.url, "--file", str(file))
        assert (code, report["byStatus"], report["refused"]) == (
            1,
            {"confirmed": 1},
            {"invalid_mint": 1},
        )


@pytest.mark.parametrize("token", [{"decimals": 3}, FEE], ids=["token", "token_2022"])
async def test_what_the_wallet_holds_is_known_of_tokens_of_both_programs(
    token: Json, database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        mint = (await engine.launch_pool(token=token))["mint"]
        sale = {"tokenIn": mint, "tokenOut": "USDC"}
        share = {**sale, "amount": "all", "type": "stop", "triggerPrice": "1e9", "confirmations": 1}
        problem = await engine.api.post(EXECUTE, share, 422)
        assert problem["errors"][0]["code"] == "nothing_held"
        bought = (await engine.execute(tokenIn="USDC", tokenOut=mint, amount="100"))["amountOut"]
        refused = await engine.execute(**sale, amount=str(2 * Decimal(bought)))
        assert refused["status"] == "failed"
        assert f"the wallet holds {bought}: {bought} {mint} are missing" in refused["lastError"]
        assert refused["txHash"] is None, "nothing was signed"
        sold = await engine.execute(**share)
        assert (sold["status"], sold["amountIn"]) == ("confirmed", bought)
        problem = await engine.api.post(EXECUTE, share, 422)
        assert problem["errors"][0]["code"] == "nothing_held"
