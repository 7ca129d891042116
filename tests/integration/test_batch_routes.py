"""What the orders of a file ask of their routes: checked, quoted and placed by the batch script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from backend.domain.tokens import TokenRegistry
from backend.venues import CPMM
from tests.bad_routes import POOL
from tests.integration.apis import UNREACHABLE_NODE, Json
from tests.integration.full_engine import run_full_engine
from tests.integration.simulator_client import mint_address
from tests.integration.test_submit_batch import run_for_summary, run_script

COLUMNS = "tokenIn,tokenOut,amount,dexes,excludeDexes,pools,maxLegs,maxHops,onlyDirect"


async def test_check_names_what_no_route_can_be(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(
        f"{COLUMNS}\n"
        f"SOL,USDC,1,Raydium meteora/dlmm,raydium/cpmm,{POOL},4,1,TRUE\n"
        "SOL,USDC,1,raydium orca,,,,,\n"
        "SOL,USDC,1,raydium,Raydium,,,,\n"
        f"SOL,USDC,1,,,{POOL} SOL,5,0,yes\n"
        "SOL,USDC,1,,,,2,2,true\n"
    )
    code, output, errors = await run_script(UNREACHABLE_NODE, "--file", str(file), "--check")
    assert code == 2
    assert "5 orders: 7 values are wrong" in output
    assert [line.split(", raydium/cpmm")[0] for line in errors.splitlines()] == [
        "line 3: dexes: 'orca' is none of raydium, meteora",
        "line 4: excludeDexes: excludes all that dexes allows: no program is left to swap in",
        "line 5: maxHops: 0 must be a whole number from 1 to 3",
        "line 5: maxLegs: 5 must be a whole number from 1 to 4",
        "line 5: onlyDirect: 'yes' must be true or false",
        "line 5: pools: 'SOL' is not the address of a pool (32 bytes in base58)",
        "line 6: onlyDirect: is true, a maxHops of 1, and maxHops is 2: give one of them",
    ]


async def test_the_orders_of_a_file_ask_what_it_says(
    database_url: str, redis_url: str, data_dir: Path, tmp_path: Path
) -> None:
    """In both forms it is the same order, which is placed once."""
    order: Json = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": "1"}
    asked: Json = {"dexes": ["raydium", "meteora"], "excludeDexes": ["raydium/amm_v4"]}
    lines = tmp_path / "orders.jsonl"
    lines.write_text(json.dumps({**order, **asked, "maxLegs": 1, "onlyDirect": True}) + "\n")
    cells = tmp_path / "orders.csv"
    cells.write_text(f"{COLUMNS}\nSOL,USDC,1,raydium meteora,raydium/amm_v4,,1,,true\n")
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        for file, repeats in ((lines, 0), (cells, 1)):
            code, report = await run_for_summary(engine.api.url, "--file", str(file), "--dry-run")
            assert (code, report["quoted"]) == (0, 1)
            code, report = await run_for_summary(engine.api.url, "--file", str(file))
            assert (code, report["byStatus"], report["replayed"]) == (0, {"confirmed": 1}, repeats)
        [placed] = (await engine.api.get("/api/orders"))["orders"]
        shown = {**asked, "maxLegs": 1, "maxHops": 1}
        assert {name: placed[name] for name in shown} == shown


async def test_a_dry_run_quotes_a_route_through_another_token(
    database_url: str, redis_url: str, data_dir: Path, tmp_path: Path
) -> None:
    pairs = (("JUP", "SOL"), ("SOL", "RAY"))
    pools = [str(CPMM.derive_pool_address(*map(mint_of, pair))) for pair in pairs]
    file = tmp_path / "orders.jsonl"
    order = {"tokenIn": "JUP", "tokenOut": "RAY", "amount": "100", "pools": pools}
    file.write_text(json.dumps(order) + "\n")
    out = tmp_path / "quotes.jsonl"
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        arguments = ("--file", str(file), "--dry-run", "--out", str(out))
        code, report = await run_for_summary(engine.api.url, *arguments)
        assert (code, report["quoted"], report["refused"]) == (0, 1, {})
        quoted = json.loads(out.read_text())
        code, report = await run_for_summary(engine.api.url, "--file", str(file))
        assert (code, report["byStatus"]) == (0, {"confirmed": 1})
        [placed] = (await engine.api.get("/api/orders"))["orders"]
        assert [leg["pool"] for leg in placed["route"]["legs"]] == pools
        assert quoted["dex"] == placed["dex"] == "raydium"
        assert float(quoted["price"]) == pytest.approx(float(placed["executedPrice"]), rel=0.1)
        assert len(placed["route"]["residuals"]) == 1


def mint_of(symbol: str) -> Pubkey:
    return mint_address(TokenRegistry().find(symbol, "token"))
