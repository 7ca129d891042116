"""A wallet's own account of wrapped SOL is its owner's: no order touches it or leaves one."""

from __future__ import annotations

from pathlib import Path

from solders.system_program import TransferParams, transfer

from backend.chain.rpc.client import RpcClient
from backend.chain.token_accounts import build_create_ata, derive_token_address
from backend.venues.spl import NATIVE_MINT, TOKEN_PROGRAM
from tests.integration.simulator_client import STATIC_PRICES, SimulatorClient
from tests.scenario import open_engine

PAIRS = (("SOL", "USDC"), ("USDC", "SOL"))


async def test_orders_of_sol_and_their_failures_leave_the_owners_wrapped_sol_as_it_is(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with (
        open_engine(
            database_url,
            redis_url,
            data_dir,
            options=STATIC_PRICES,
            settings={"attempts_max": 1},
        ) as engine,
        RpcClient(str(engine.node._base_url)) as rpc,
    ):
        client = SimulatorClient(rpc, engine.node)
        owner = client.wallet.address
        wrapped = derive_token_address(owner, NATIVE_MINT)
        fill = [engine.build_terms("1", pair=pair) for pair in PAIRS]
        await engine.wait_all_ended(await engine.place_orders(*fill))
        assert await client.read_account(wrapped) is None, "none was left behind"

        landed = await client.land_instructions(
            build_create_ata(owner, NATIVE_MINT, TOKEN_PROGRAM),
            transfer(TransferParams(from_pubkey=owner, to_pubkey=wrapped, lamports=10**9)),
        )
        assert landed.err is None, landed.logs
        before = await client.read_account(wrapped)
        assert before is not None
        await engine.inject_fault(fault="fail", reason="slippage", count=2)
        reverted = await engine.wait_all_ended(await engine.place_orders(*fill))
        assert [each.statuses[-1] for each in reverted] == ["failed", "failed"]
        filled = await engine.wait_all_ended(await engine.place_orders(*fill))
        assert [each.statuses[-1] for each in filled] == ["confirmed", "confirmed"]
        assert await client.read_account(wrapped) == before
