"""Tokens of Token-2022 with extensions, odd decimals and supplies: traded exactly, or refused.

What is refused is refused by its name, before anything is signed.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from backend.domain.amounts import U64_MAX
from backend.simulator.chain.genesis import PAPER_WALLET
from backend.simulator.market.mints import encode_extension, encode_mint
from backend.venues.spl import (
    TOKEN_2022_PROGRAM,
    TOKEN_ACCOUNT,
    TOKEN_PROGRAM,
    derive_ata,
)
from tests.integration.apis import Json
from tests.integration.mint_engine import BATCH, EXECUTE, QUOTES, MintEngine, run_mint_engine
from tests.integration.test_refused_mints import read_error
from tests.integration.test_traded_mints import trade_exactly

WALLET = PAPER_WALLET.pubkey()
SOMEBODY = bytes(range(32))
FEE: Json = {"decimals": 6, "transfer_fee_bps": 125}
REFUSED = {
    "accounts are frozen by default": (6, b"\2"),
    "not transferable": (9, b""),
    "transfer hook": (14, bytes(32) + SOMEBODY),
    "confidential minting and burning": (24, SOMEBODY + bytes(164)),
    "paused": (26, SOMEBODY + b"\1"),
    "not known here": (28, SOMEBODY),
}
EXACT = {
    "close authority": (3, SOMEBODY),
    "confidential transfers": (4, SOMEBODY + b"\1" + SOMEBODY),
    "accounts are usable by default": (6, b"\1"),
    "interest-bearing": (10, SOMEBODY + bytes(8) + b"\xff\x7f" * 6),
    "permanent delegate": (12, SOMEBODY),
    "a hook that is not named": (14, SOMEBODY + bytes(32)),
    "fees of confidential transfers": (16, SOMEBODY * 2 + b"\1" + bytes(64)),
    "metadata": (18, SOMEBODY * 2),
    "group": (20, SOMEBODY * 2),
    "no confidential minting": (24, bytes(196)),
    "scaled amounts": (25, SOMEBODY + bytes(6) + b"\xf0\x3f" + bytes(8) + bytes(6) + b"\0\x40"),
    "not paused": (26, SOMEBODY + b"\0"),
}


def describe_token(*extensions: tuple[int, bytes], **traits: object) -> Json:
    described = [{"kind": kind, "value": value.hex()} for kind, value in extensions]
    return {"decimals": 6, "extensions": described, **traits}


async def call_node(engine: MintEngine, method: str, *params: object) -> Json:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with engine.node.post("/", json=request) as response:
        return dict((await response.json())["result"])


async def read_data(engine: MintEngine, address: Pubkey) -> bytes | None:
    found = await call_node(engine, "getAccountInfo", str(address), {"encoding": "base64"})
    return None if found["value"] is None else b64decode(found["value"]["data"][0])


async def read_held(engine: MintEngine, mint: str, program: Pubkey = TOKEN_2022_PROGRAM) -> int:
    """What the wallet holds of a token on chain, in base units."""
    data = await read_data(engine, derive_ata(WALLET, Pubkey.from_string(mint), program))
    return 0 if data is None else TOKEN_ACCOUNT.read(data).amount


async def count_transactions(engine: MintEngine) -> int:
    async with engine.node.get("/control/ledger?limit=10000") as response:
        return len((await response.json())["transactions"])


async def trade_to_the_unit(
    engine: MintEngine, token_in: str, token_out: str, amount: str, decimals: int
) -> str:
    """Trade as quoted, with what arrives on chain; returns the amount out."""
    before = await read_held(engine, token_out)
    bought = await trade_exactly(engine, token_in, token_out, amount)
    gained = await read_held(engine, token_out) - before
    assert Decimal(bought).scaleb(decimals) == gained
    return bought


async def test_what_makes_transfers_uncertain_is_refused_by_its_name_before_anything_is_sent(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        before = await count_transactions(engine)
        for words, extension in REFUSED.items():
            mint = await engine.launch_mint(**describe_token(extension))
            reason = f"the mint {mint} uses the extension {extension[0]} ({words})"
            for body in (
                {"tokenIn": "USDC", "tokenOut": mint, "amount": "1"},
                {"tokenIn": mint, "tokenOut": "USDC", "amount": "1"},
            ):
                for path in (QUOTES, EXECUTE):
                    error = await read_error(engine, path, body)
                    assert error["code"] == "unsupported_mint"
                    assert error["reason"].startswith(reason)
                answer = await engine.api.post(BATCH, {"orders": [body]}, 422)
                assert answer["orders"][0]["problem"]["code"] == "unsupported_mint"
        assert await count_transactions(engine) == before
        assert (await engine.api.get("/api/orders"))["orders"] == []


@pytest.mark.parametrize("extension", EXACT.values(), ids=EXACT)
async def test_what_changes_no_transfer_is_traded_to_the_base_unit(
    extension: tuple[int, bytes], database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        mint = (await engine.launch_pool(token=describe_token(extension)))["mint"]
        bought = await trade_to_the_unit(engine, "USDC", mint, "500.5", 6)
        assert await trade_exactly(engine, mint, "USDC", bought)
        assert await read_held(engine, mint) == 0


async def test_a_token_with_the_extensions_of_a_stablecoin_is_traded_to_the_base_unit(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    names = (
        *("close authority", "permanent delegate", "confidential transfers"),
        *("a hook that is not named", "fees of confidential transfers", "metadata"),
    )
    token = describe_token(*(EXACT[name] for name in names), transfer_fee_bps=0)
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        for program in ("cpmm", "clmm"):
            mint = (await engine.launch_pool(token=token, program=program))["mint"]
            bought = await trade_to_the_unit(engine, "USDC", mint, "500.5", 6)
            assert await trade_exactly(engine, mint, "USDC", bought)


@pytest.mark.parametrize("program", ["cpmm", "clmm", "damm_v2"])
@pytest.mark.parametrize("fee_max", [U64_MAX, 1_000], ids=["share", "maximum"])
async def test_both_tokens_may_withhold_fees_to_the_base_unit(
    program: str, fee_max: int, database_url: str, redis_url: str, data_dir: Path
) -> None:
    venue = "meteora" if program == "damm_v2" else "raydium"
    kind = {"venue": venue, "program": program}
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        fee = {**FEE, "transfer_fee_max": fee_max}
        first = (await engine.launch_pool(token=fee, amount=10**12, **kind))["mint"]
        second = await engine.launch_mint(**{**fee, "transfer_fee_bps": 300})
        both = {"mint": second, "quote": first, "amount": 10**12, "quote_amount": 2 * 10**12}
        await engine.launch_pool(**kind, **both)
        bought = await trade_to_the_unit(engine, "USDC", first, "5000.25", 6)
        swapped = await trade_to_the_unit(engine, first, second, bought, 6)
        assert await read_held(engine, first) == 0
        await trade_to_the_unit(engine, second, first, swapped, 6)
        assert await read_held(engine, second) == 0


@pytest.mark.parametrize(
    ("decimals", "reserve"),
    [(0, 10**9), (0, U64_MAX // 2), (9, 10**18), (12, 10**19), (18, U64_MAX // 2)],
)
async def test_odd_decimals_and_supplies_near_the_largest_are_traded_to_the_base_unit(
    decimals: int, reserve: int, database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        for extensions in ((), ((3, SOMEBODY),)):
            token = describe_token(*extensions, decimals=decimals)
            pool = await engine.launch_pool(token=token, amount=reserve, program="cpmm")
            mint, sale = pool["mint"], {"tokenIn": pool["mint"], "tokenOut": "USDC"}
            bought = await trade_exactly(engine, "USDC", mint, "500.5")
            held = Decimal(bought).scaleb(decimals)
            assert held == await read_held(
                engine, mint, TOKEN_2022_PROGRAM if extensions else TOKEN_PROGRAM
            )
            assert await trade_exactly(engine, mint, "USDC", bought)
            too_fine = f"{bought}1" if "." in bought else f"{bought}.5"
            too_large = f"{Decimal(U64_MAX + 1).scaleb(-decimals):f}"
            for amount in (too_fine, too_large):
                error = await read_error(engine, EXECUTE, {**sale, "amount": amount})
                assert error["field"] == "amount"


def restrict(data: bytes, kind: int) -> bytes:
    """A token account with an extension that is switched on; 0: it is frozen."""
    if kind == 0:
        return TOKEN_ACCOUNT.write(replace(TOKEN_ACCOUNT.read(data), state=2), data)
    return data[: TOKEN_ACCOUNT.size] + b"\2" + encode_extension(kind, b"\1")


RESTRICTIONS = {
    "account_frozen": (0, {"buy", "sell"}),
    "memo_required": (8, {"buy"}),
    "cpi_guard": (11, {"sell"}),
}


@pytest.mark.parametrize("code", RESTRICTIONS)
async def test_an_account_that_refuses_transfers_is_named_before_anything_is_signed(
    code: str, database_url: str, redis_url: str, data_dir: Path
) -> None:
    kind, refused = RESTRICTIONS[code]
    token = describe_token(EXACT["close authority"], freeze_authority=True)
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        mint = (await engine.launch_pool(token=token))["mint"]
        swaps = {
            "buy": {"tokenIn": "USDC", "tokenOut": mint, "amount": "500"},
            "sell": {"tokenIn": mint, "tokenOut": "USDC", "amount": "0.001"},
        }
        assert (await engine.execute(**swaps["buy"]))["status"] == "confirmed"
        address = derive_ata(WALLET, Pubkey.from_string(mint), TOKEN_2022_PROGRAM)
        data = await read_data(engine, address)
        assert data is not None
        await change_account(engine, address, restrict(data, kind))
        before = await count_transactions(engine)
        for side in sorted(refused):
            order = await engine.execute(**swaps[side])
            assert order["status"] == "failed"
            assert order["lastError"].startswith(f"{code}: the token account")
            assert order["txHash"] is None
        assert await count_transactions(engine) == before
        await change_account(engine, address, data)
        for side in sorted(refused):
            order = await engine.execute(**swaps[side])
            assert order["status"] == "confirmed", order["lastError"]


async def change_account(engine: MintEngine, address: Pubkey, data: bytes) -> None:
    await engine.control("account", {"address": str(address), "data": data.hex()})
    await engine.control("advance", {"blocks": 2})


async def test_a_token_that_is_paused_after_it_was_traded_is_refused_by_its_name(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_mint_engine(database_url, redis_url, data_dir) as engine:
        mint = (await engine.launch_pool(token=describe_token(EXACT["not paused"])))["mint"]
        swap = {"tokenIn": "USDC", "tokenOut": mint, "amount": "5"}
        assert (await engine.execute(**swap))["status"] == "confirmed"
        before = await count_transactions(engine)
        paused = encode_mint(10**15, 6, [encode_extension(*REFUSED["paused"])])
        await change_account(engine, Pubkey.from_string(mint), paused.data)
        order = await engine.execute(**swap)
        assert order["status"] == "failed"
        assert order["lastError"].startswith("no_route: ")
        assert "uses the extension 26 (paused)" in order["lastError"]
        assert await count_transactions(engine) == before
