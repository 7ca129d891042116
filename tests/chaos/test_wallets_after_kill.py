"""A worker is killed at each point of an order's way: the order stays with its wallet."""

from __future__ import annotations

from pathlib import Path

import pytest
from solders.keypair import Keypair

from backend.chain.wallet import write_keypair
from tests.chaos.engine import run_engine
from tests.chaos.test_waiting_after_kill import place_order, read_events, wait_for

LAMPORTS = 10**12
IS_STORED = "SELECT max(wallet) FROM orders WHERE status IN ('submitted', 'confirmed')"
PAYER = "SELECT wallet FROM orders"


@pytest.mark.parametrize("point", ["stored", "sent", "settled"])
async def test_an_order_stays_with_its_wallet(data_dir: Path, point: str) -> None:
    keypairs = [Keypair() for _ in range(2)]
    paths = []
    for number, keypair in enumerate(keypairs):
        path = data_dir / f"wallet-{number}.json"
        write_keypair(path, keypair)
        paths.append(str(path))
    files, swapped = ",".join(paths), ",".join(reversed(paths))
    async with run_engine(data_dir, wallet_files=files) as (system, session):
        for keypair in keypairs:
            for token in ("SOL", "USDC"):
                body = {"owner": str(keypair.pubkey()), "token": token, "amount": LAMPORTS}
                async with session.post(f"{system.chain_url}/control/fund", json=body) as response:
                    assert response.status == 200, await response.text()
        async with system.run_extra_worker("doomed", {"crash_at": f"{point}:1"}):
            order_id = await place_order(session)
            wallet = await wait_for(system, IS_STORED)
        # The heir's main wallet is the other one: what the row says decides.
        async with system.run_extra_worker("heir", {"wallet_files": swapped}):
            events = await read_events(session, order_id)
        assert events[-1]["status"] == "confirmed"
        assert float(events[-1]["amountOut"]) > 0, "it is read as its own wallet received it"
        assert await wait_for(system, PAYER) == wallet
