"""The tip of a transaction, and the accounts that take it, as the endpoint tells them.

They are read in the background: a transaction that is built before they are known pays no tip. An
account that the node does not know, or that cannot be paid into, is left out: a transfer to it
would fail, and the swap with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, NamedTuple
from zlib import crc32

from solders.instruction import Instruction
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from backend.domain.errors import EngineError, Unavailable
from backend.runtime import observe
from backend.venues.layout import compute_rent_exemption
from backend.venues.spl import SYSTEM_PROGRAM
from backend.venues.venue import Account

REFRESH_S: Final = 600.0
RETRY_S: Final = 1.0
RETRY_S_MAX: Final = 60.0
TIP_PROGRAM: Final = Pubkey.from_string("T1pyyaTNZsKv2WcRAB8oVnk93mLJw2XzjtVYqCsaHqt")
"""The program of Jito's tip accounts."""
_TIP_OWNERS: Final = frozenset({SYSTEM_PROGRAM, TIP_PROGRAM})
"""The owners of accounts that take tips: wallets, and those of the program. No pool, no token
account and no program is one, whatever an endpoint says."""

FetchAddresses = Callable[[], Awaitable[Sequence[Pubkey]]]
FetchAccounts = Callable[[Sequence[Pubkey]], Awaitable[tuple[int, Sequence[Account | None]]]]


class Tip(NamedTuple):
    """What a transaction pays to a tip account, in lamports."""

    account: Pubkey
    lamports: int

    def build_transfer(self, payer: Pubkey) -> Instruction:
        """Build the instruction that pays it."""
        return transfer(
            TransferParams(from_pubkey=payer, to_pubkey=self.account, lamports=self.lamports)
        )


class TipAccounts:
    """Chooses the tip of each transaction, of ``lamports``; ``run`` must be running.

    None is paid to ``wallets``, which are our own.
    """

    def __init__(
        self,
        fetch_addresses: FetchAddresses,
        fetch_accounts: FetchAccounts,
        *,
        lamports: int,
        wallets: Collection[Pubkey] = (),
    ) -> None:
        self._wallets = frozenset(wallets)
        self._fetch_addresses = fetch_addresses
        self._fetch_accounts = fetch_accounts
        self._lamports = lamports
        self._accounts: Sequence[Pubkey] = ()

    def choose(self, seed: str) -> Tip | None:
        """The tip of the transaction with a seed, by which accounts are used evenly.

        ``None`` while no account is known.
        """
        if not self._accounts:
            return None
        return Tip(self._accounts[crc32(seed.encode()) % len(self._accounts)], self._lamports)

    async def run(self) -> None:
        """Read the accounts, and again from time to time, until cancelled."""
        retry_s = RETRY_S
        while True:
            try:
                await self._read()
                wait_s, retry_s = REFRESH_S, RETRY_S
            except EngineError as error:
                observe.chain_query_failed("read tip accounts", error)
                wait_s, retry_s = retry_s, min(2 * retry_s, RETRY_S_MAX)
            await asyncio.sleep(wait_s)

    async def _read(self) -> None:
        addresses = await self._fetch_addresses()
        _, accounts = await self._fetch_accounts(addresses)
        payable = [
            address
            for address, account in zip(addresses, accounts, strict=True)
            if account is not None and address not in self._wallets and _is_payable(account)
        ]
        if not payable:
            raise Unavailable("no_tip_account", "the endpoint names no account to pay into")
        self._accounts = payable


def _is_payable(account: Account) -> bool:
    has_rent = account.lamports >= compute_rent_exemption(len(account.data))
    return has_rent and account.owner in _TIP_OWNERS
