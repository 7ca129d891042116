"""Tokens by their mint: what the chain tells of them, and what every process has to know of them.

A token is stored before the order that names it, so that every process can read that order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

from solders.pubkey import Pubkey

from backend.domain.amounts import Token
from backend.domain.errors import Rejected, Unavailable
from backend.domain.tokens import INVALID_MINT_CODE, TokenRegistry, is_address
from backend.routing.pool_reader import KEYS_MAX, AccountReader
from backend.store.database import DatabasePool
from backend.store.errors import translate_errors
from backend.store.launches.tokens import MintedToken, add_tokens, load_tokens
from backend.venues.mint import read_mint
from backend.venues.venue import Account

NO_MINT: Final = "is not the mint of a token: the chain has no such account"


class Mints:
    """Adds tokens to the registry of this process, from the store or else from the chain.

    The chain is asked for ``timeout_s`` at most, however many tokens a request names.
    """

    def __init__(
        self,
        pool: DatabasePool,
        node: AccountReader,
        tokens: TokenRegistry,
        *,
        timeout_s: float,
    ) -> None:
        self._pool = pool
        self._node = node
        self._tokens = tokens
        self._timeout_s = timeout_s

    async def learn(self, names: Collection[str]) -> Mapping[str, Rejected]:
        """Learn of the tokens that are named by a mint; returns why some cannot be used.

        What is no address is not looked at. Raises ``Transient`` if the store or the node cannot
        be reached.
        """
        if not self._list_unknown(names):
            return {}
        await translate_errors(lambda: load_tokens(self._pool, self._tokens, names))
        missing = self._list_unknown(names)
        refused: dict[str, Rejected] = {}
        try:
            async with asyncio.timeout(self._timeout_s):
                async with asyncio.TaskGroup() as tasks:
                    reads = [
                        tasks.create_task(self._read(missing[at : at + KEYS_MAX]))
                        for at in range(0, len(missing), KEYS_MAX)
                    ]
        except TimeoutError:
            reason = f"the node did not tell within {self._timeout_s:g} s what a mint is"
            raise Unavailable("node_timeout", reason) from None
        except ExceptionGroup as group:  # one of them is the reason, the others are the same
            raise group.exceptions[0] from None
        for read in reads:
            refused |= read.result()
        return refused

    async def _read(self, mints: Sequence[tuple[str, Pubkey]]) -> dict[str, Rejected]:
        """Read tokens from the chain and store them; returns why some cannot be used."""
        _, accounts = await self._node.get_multiple_accounts([key for _, key in mints])
        refused: dict[str, Rejected] = {}
        found: list[MintedToken] = []
        for (name, key), account in zip(mints, accounts, strict=True):
            try:
                found.append(_read_token(name, key, account))
            except Rejected as error:
                refused[name] = error
        if found:
            await translate_errors(lambda: add_tokens(self._pool, found))
            self._tokens.add(each.token for each in found)
        return refused

    def _list_unknown(self, names: Collection[str]) -> list[tuple[str, Pubkey]]:
        unknown = []
        for name in dict.fromkeys(names):
            if is_address(name) and name not in self._tokens:
                with suppress(ValueError):  # of base58, but not of 32 bytes
                    unknown.append((name, Pubkey.from_string(name)))
        return unknown


def _read_token(name: str, mint: Pubkey, account: Account | None) -> MintedToken:
    if account is None:
        raise Rejected(INVALID_MINT_CODE, NO_MINT)
    facts = read_mint(mint, account, 0)
    return MintedToken(Token(name, name, facts.decimals), str(facts.token_program))
