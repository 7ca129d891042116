"""The balances of the wallet, read along with the pools: no request is made for them alone.

The router reads pools through this reader. While a wallet is watched and its balances are due, its
accounts are added to such a request and taken out of the response. So they are as new as the pools
that an order is quoted from, within ``AGE_MAX_S``, and cost nothing while no order is driven. The
first order of a token that is not listed has its balance read; after that it is read along, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Final, NamedTuple

from solders.pubkey import Pubkey

from backend.chain.token_accounts import derive_token_address
from backend.domain.amounts import Token
from backend.domain.errors import EngineError, Rejected
from backend.domain.tokens import SOL
from backend.execution.wallet import observe_wallets
from backend.routing.pool_reader import KEYS_MAX, AccountReader
from backend.routing.route import Route
from backend.venues.spl import (
    TOKEN_2022_PROGRAM,
    TOKEN_ACCOUNT,
    TOKEN_PROGRAM,
    TOKEN_PROGRAMS,
    derive_ata,
    is_token_account,
    may_be_restricted,
    require_transfers,
)
from backend.venues.venue import Account

AGE_MAX_S: Final = 1.0
"""Age at which balances are due: somebody else may have changed them."""


OTHERS_S: Final = 60.0
"""So long after an order of it a token that is not listed is read along."""
OTHERS_READ_MAX: Final = 16
"""Most of these that are read along with pools."""
OTHERS_MAX: Final = 256
"""Most of these that are remembered."""
_PROGRAMS: Final = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)


@dataclass(frozen=True, slots=True)
class Balances:
    """What a wallet holds as of ``slot``: lamports, and base units of tokens by mint.

    A token is ``None`` where the wallet has no account of it. Listed tokens of Token-2022 are not
    here, and others only as long as somebody trades them. ``restricted`` are the accounts, by mint,
    that are frozen or have extensions, which may keep programs from transfers.
    """

    slot: int
    lamports: int
    tokens: Mapping[str, int | None]
    restricted: Mapping[str, Account] = field(default_factory=dict)

    def refuses(self, route: Route) -> bool:
        """Whether an account refuses what a route takes of it, or pays into it."""
        try:
            self.require_transfers(route)
        except Rejected:
            return True
        return False

    def require_transfers(self, route: Route) -> None:
        """Raise ``Rejected`` if an account refuses what a route takes of it, or pays into it."""
        for leg in route.legs if self.restricted else ():
            for token, is_debit in ((leg.token_in, True), (leg.token_out, False)):
                account = self.restricted.get(token.mint)
                if account is not None:
                    require_transfers(account, is_debit=is_debit)


_NEVER_READ: Final = Balances(0, 0, {})


class _Other:
    """A token that is not listed, with the addresses of the wallet's account of it.

    Its program is not known here: at one of them there is no account.
    """

    __slots__ = ("keys", "mint", "used_at")

    def __init__(self, wallet: Pubkey, mint: str) -> None:
        self.mint = mint
        self.keys = [derive_ata(wallet, Pubkey.from_string(mint), each) for each in _PROGRAMS]
        self.used_at = _now()


class _Refresh(NamedTuple):
    """A reading that somebody waited for: when it began, and which other tokens it read."""

    started_at: float
    mints: frozenset[str]
    outcome: Balances | EngineError


class WalletBalances:
    """Reads accounts for the router, and with them the balances of the watched wallet, if any."""

    def __init__(self, node: AccountReader) -> None:
        self._node = node
        self._keys: tuple[Pubkey, ...] = ()
        self._mints: tuple[str, ...] = ()
        self._others: dict[str, _Other] = {}
        """The tokens that are traded and not listed; those that were used last are the last."""
        self._latest: Balances | None = None
        self._read_at = float("-inf")
        self._changes = 0
        self._changes_read = -1
        self._refreshing = asyncio.Lock()
        self._last_refresh = _Refresh(float("-inf"), frozenset(), _NEVER_READ)

    @property
    def latest(self) -> Balances | None:
        """The balances as last read; ``None`` before the first response."""
        return self._latest

    def watch(self, wallet: Pubkey, tokens: Iterable[Token]) -> None:
        """Read the balances of ``wallet`` in SOL and these tokens from now on."""
        mints = [token.mint for token in tokens if token != SOL]
        addresses = [derive_token_address(wallet, Pubkey.from_string(mint)) for mint in mints]
        self._keys, self._mints, self._others = (wallet, *addresses), tuple(mints), {}
        assert len(self._keys) < KEYS_MAX

    def add_wallet(self, wallet: Pubkey, tokens: Iterable[Token]) -> WalletBalances:
        """Read the balances of one more wallet along with pools; it is asked for them by itself."""
        added = WalletBalances(self._node)
        added.watch(wallet, tokens)
        self._node = added
        return added

    def lists(self, token: Token) -> bool:
        """Whether a token is one of those that are always read."""
        return token == SOL or token.mint in self._mints

    def knows(self, token: Token) -> bool:
        """Whether the balance in a token was read last; one that is asked for remains so."""
        other = self._others.get(token.mint)
        if other is not None:
            other.used_at = _now()
        return (self._latest is not None and token.mint in self._latest.tokens) or token == SOL

    def mark_changed(self) -> None:
        """Make the balances due: a transaction of the wallet has landed."""
        self._changes += 1

    async def get_multiple_accounts(
        self, keys: Sequence[Pubkey]
    ) -> tuple[int, list[Account | None]]:
        """The accounts of ``keys``, as the node returns them."""
        room = KEYS_MAX - len(keys) - len(self._keys)
        if room < 0 or not self._is_due():
            return await self._node.get_multiple_accounts(keys)
        others = self._list_used()[: min(room // len(_PROGRAMS), OTHERS_READ_MAX)]
        return await self._read(keys, others)

    async def refresh(self, tokens: Iterable[Token] = ()) -> Balances:
        """Read the balances by a request that starts now; callers that wait share its outcome.

        Those of ``tokens`` are among them. Raises ``Transient`` or ``Rejected``.
        """
        asked_at, wanted = _now(), {each.mint for each in tokens if not self.lists(each)}
        self._include(wanted)  # also those of callers that wait are read
        async with self._refreshing:
            last = self._last_refresh
            if last.started_at < asked_at or not last.mints.issuperset(wanted):
                last = self._last_refresh = await self._read_all(wanted)
            if isinstance(last.outcome, EngineError):
                raise last.outcome
            return last.outcome

    def _include(self, mints: Collection[str]) -> list[_Other]:
        """Remember tokens that are not listed as used now."""
        for mint in mints:
            other = self._others.pop(mint, None) or _Other(self._keys[0], mint)
            other.used_at = _now()
            self._others[mint] = other
        while len(self._others) > max(OTHERS_MAX, len(mints)):
            del self._others[next(iter(self._others))]
        return [self._others[mint] for mint in mints]

    def _list_used(self) -> list[_Other]:
        """The tokens that are not listed and were used lately, the last one first."""
        since = _now() - OTHERS_S
        used = [each for each in self._others.values() if each.used_at >= since]
        return sorted(used, key=attrgetter("used_at"), reverse=True)

    def _is_due(self) -> bool:
        if not self._keys:
            return False
        return self._changes != self._changes_read or _now() - self._read_at >= AGE_MAX_S

    async def _read_all(self, wanted: Collection[str]) -> _Refresh:
        """Read the balances with those of all wanted mints, in as many requests as it takes."""
        others = self._include(wanted)
        if len(others) < OTHERS_READ_MAX:
            others = list(dict.fromkeys([*others, *self._list_used()]))[:OTHERS_READ_MAX]
        started_at, mints = _now(), frozenset(each.mint for each in others)
        room = (KEYS_MAX - len(self._keys)) // len(_PROGRAMS)
        try:
            await self._read([], others[:room])
            for at in range(room, len(others), KEYS_MAX // len(_PROGRAMS)):
                await self._read_others(others[at : at + KEYS_MAX // len(_PROGRAMS)])
        except EngineError as error:
            return _Refresh(started_at, mints, error)
        assert self._latest is not None, "they have just been read"
        return _Refresh(started_at, mints, self._latest)

    async def _read(
        self, keys: Sequence[Pubkey], others: Sequence[_Other]
    ) -> tuple[int, list[Account | None]]:
        requested_at, changes = _now(), self._changes
        wanted = [*keys, *self._keys, *(key for each in others for key in each.keys)]
        slot, accounts = await self._node.get_multiple_accounts(wanted)
        # A node that is behind does not replace what is newer, unless nothing is.
        is_outdated = requested_at - self._read_at >= AGE_MAX_S
        if self._latest is None or slot >= self._latest.slot or is_outdated:
            self._latest = self._read_balances(slot, accounts[len(keys) :], others)
            observe_wallets.lamports_read(str(self._keys[0]), self._latest.lamports)
            self._read_at, self._changes_read = requested_at, changes
        elif others:
            amounts = _read_amounts(others, accounts[len(keys) + len(self._keys) :])
            restricted = _list_restricted(others, accounts[len(keys) + len(self._keys) :])
            self._latest = replace(
                self._latest,
                tokens={**amounts, **self._latest.tokens},
                restricted={**restricted, **self._latest.restricted},
            )
        return slot, accounts[: len(keys)]

    async def _read_others(self, others: Sequence[_Other]) -> None:
        keys = [key for each in others for key in each.keys]
        _, accounts = await self._node.get_multiple_accounts(keys)
        assert self._latest is not None, "the listed tokens have been read"
        tokens = {**self._latest.tokens, **_read_amounts(others, accounts)}
        restricted = {**self._latest.restricted, **_list_restricted(others, accounts)}
        self._latest = replace(self._latest, tokens=tokens, restricted=restricted)

    def _read_balances(
        self, slot: int, accounts: Sequence[Account | None], others: Sequence[_Other]
    ) -> Balances:
        wallet, count = accounts[0], len(self._keys)
        known = {} if self._latest is None else self._latest.tokens
        tokens = {each.mint: known[each.mint] for each in self._list_used() if each.mint in known}
        tokens |= zip(self._mints, map(_read_token_amount, accounts[1:count]), strict=True)
        tokens |= _read_amounts(others, accounts[count:])
        read = {*self._mints, *(each.mint for each in others)}
        before = {} if self._latest is None else self._latest.restricted
        restricted = {mint: each for mint, each in before.items() if mint in tokens.keys() - read}
        restricted |= _select_restricted(zip(self._mints, accounts[1:count], strict=True))
        restricted |= _list_restricted(others, accounts[count:])
        return Balances(slot, 0 if wallet is None else wallet.lamports, tokens, restricted)


def _read_amounts(
    others: Sequence[_Other], accounts: Sequence[Account | None]
) -> dict[str, int | None]:
    """The balance in each token, by its account under each program, of which it has one at most."""
    amounts = map(_read_token_amount, accounts)
    pairs = zip(*[amounts] * len(_PROGRAMS), strict=True)
    return {
        each.mint: next((amount for amount in pair if amount is not None), None)
        for each, pair in zip(others, pairs, strict=True)
    }


def _list_restricted(
    others: Sequence[_Other], accounts: Sequence[Account | None]
) -> dict[str, Account]:
    mints = [each.mint for each in others for _ in _PROGRAMS]
    return _select_restricted(zip(mints, accounts, strict=True))


def _select_restricted(accounts: Iterable[tuple[str, Account | None]]) -> dict[str, Account]:
    """Those of the accounts, by mint, that may be restricted: frozen, or with extensions."""
    return {
        mint: account
        for mint, account in accounts
        if account is not None and is_token_account(account) and may_be_restricted(account)
    }


def _read_token_amount(account: Account | None) -> int | None:
    if account is None or account.owner not in TOKEN_PROGRAMS:
        return None
    return TOKEN_ACCOUNT.read(account.data).amount


def _now() -> float:
    return asyncio.get_running_loop().time()
