"""The balances of the wallet, read along with the pools: no request is made for them alone.

The router reads pools through this reader. While a wallet is watched and its balances are due, its
accounts are added to such a request and taken out of the response. So they are as new as the pools
that an order is quoted from, within ``AGE_MAX_S``, and cost nothing while no order is driven.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from solders.pubkey import Pubkey

from backend.chain.token_accounts import derive_token_address
from backend.domain.amounts import Token
from backend.domain.errors import EngineError
from backend.domain.tokens import SOL
from backend.routing.pool_reader import KEYS_MAX, AccountReader
from backend.venues.spl import TOKEN_ACCOUNT, TOKEN_PROGRAM
from backend.venues.venue import Account

AGE_MAX_S: Final = 1.0
"""Age at which balances are due: somebody else may have changed them."""


@dataclass(frozen=True, slots=True)
class Balances:
    """What a wallet holds as of ``slot``: lamports, and base units of tokens by mint.

    A token is ``None`` where the wallet has no account of it. Tokens of Token-2022 are not here.
    """

    slot: int
    lamports: int
    tokens: Mapping[str, int | None]


class WalletBalances:
    """Reads accounts for the router, and with them the balances of the watched wallet, if any."""

    def __init__(self, node: AccountReader) -> None:
        self._node = node
        self._keys: tuple[Pubkey, ...] = ()
        self._mints: tuple[str, ...] = ()
        self._latest: Balances | None = None
        self._read_at = float("-inf")
        self._changes = 0
        self._changes_read = -1
        self._refreshing = asyncio.Lock()
        self._last_refresh: tuple[float, EngineError | None] = float("-inf"), None

    @property
    def latest(self) -> Balances | None:
        """The balances as last read; ``None`` before the first response."""
        return self._latest

    def watch(self, wallet: Pubkey, tokens: Iterable[Token]) -> None:
        """Read the balances of ``wallet`` in SOL and these tokens from now on."""
        mints = [token.mint for token in tokens if token != SOL]
        addresses = [derive_token_address(wallet, Pubkey.from_string(mint)) for mint in mints]
        self._keys, self._mints = (wallet, *addresses), tuple(mints)
        assert len(self._keys) < KEYS_MAX

    def mark_changed(self) -> None:
        """Make the balances due: a transaction of the wallet has landed."""
        self._changes += 1

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey]
    ) -> tuple[int, list[Account | None]]:
        """The accounts of ``keys``, as the node returns them."""
        if len(keys) + len(self._keys) > KEYS_MAX or not self._is_due():
            return await self._node.get_multiple_accounts(keys)
        return await self._read(keys)

    async def refresh(self) -> None:
        """Read the balances by a request that starts now; callers that wait share its outcome.

        Raises ``Transient`` or ``Rejected``.
        """
        asked_at = _now()
        async with self._refreshing:
            started_at, error = self._last_refresh
            if started_at < asked_at:
                started_at, error = _now(), None
                try:
                    await self._read([])
                except EngineError as failure:
                    error = failure
                self._last_refresh = started_at, error
            if error is not None:
                raise error

    def _is_due(self) -> bool:
        if not self._keys:
            return False
        return self._changes != self._changes_read or _now() - self._read_at >= AGE_MAX_S

    async def _read(self, keys: Sequence[Pubkey]) -> tuple[int, list[Account | None]]:
        requested_at, changes = _now(), self._changes
        slot, accounts = await self._node.get_multiple_accounts([*keys, *self._keys])
        # A node that is behind does not replace what is newer, unless nothing is.
        is_outdated = requested_at - self._read_at >= AGE_MAX_S
        if self._latest is None or slot >= self._latest.slot or is_outdated:
            self._latest = self._read_balances(slot, accounts[len(keys) :])
            self._read_at, self._changes_read = requested_at, changes
        return slot, accounts[: len(keys)]

    def _read_balances(self, slot: int, accounts: Sequence[Account | None]) -> Balances:
        wallet, *token_accounts = accounts
        amounts = map(_read_token_amount, token_accounts)
        tokens = dict(zip(self._mints, amounts, strict=True))
        return Balances(slot, 0 if wallet is None else wallet.lamports, tokens)


def _read_token_amount(account: Account | None) -> int | None:
    if account is None or account.owner != TOKEN_PROGRAM:
        return None
    return TOKEN_ACCOUNT.read(account.data).amount


def _now() -> float:
    return asyncio.get_running_loop().time()
