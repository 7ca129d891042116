"""Tip accounts as an endpoint names them: only those that take a tip and are not ours are paid."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from solders.pubkey import Pubkey

from backend.chain.bundles.tips import TIP_PROGRAM, TipAccounts
from backend.venues import CPMM
from backend.venues.spl import SYSTEM_PROGRAM, TOKEN_PROGRAM
from backend.venues.venue import Account

OURS, WALLET, OF_PROGRAM, POOL, VAULT, MISSING = (Pubkey(bytes([n] * 32)) for n in range(1, 7))
ACCOUNTS = {
    OURS: Account(SYSTEM_PROGRAM, 10**9, b""),
    WALLET: Account(SYSTEM_PROGRAM, 10**9, b""),
    OF_PROGRAM: Account(TIP_PROGRAM, 10**9, b""),
    POOL: Account(CPMM.program, 10**9, b"state"),
    VAULT: Account(TOKEN_PROGRAM, 10**9, bytes(165)),
}


async def list_tipped(addresses: Sequence[Pubkey]) -> set[Pubkey]:
    async def fetch_addresses() -> Sequence[Pubkey]:
        return addresses

    async def fetch_accounts(keys: Sequence[Pubkey]) -> tuple[int, list[Account | None]]:
        return 1, [ACCOUNTS.get(key) for key in keys]

    tips = TipAccounts(fetch_addresses, fetch_accounts, lamports=5, wallets=[OURS])
    running = asyncio.ensure_future(tips.run())  # noqa: TID251 - it is cancelled below
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    chosen = (tips.choose(f"{number:08x}") for number in range(100))
    return {tip.account for tip in chosen if tip is not None}


async def test_only_accounts_that_take_tips_and_are_not_ours_are_paid() -> None:
    assert await list_tipped([*ACCOUNTS, MISSING]) == {WALLET, OF_PROGRAM}
    assert await list_tipped([OURS, POOL, VAULT, MISSING]) == set()
