"""The stored accounts of the chain, with an undo log for the rollback of whole blocks.

Accounts are immutable values: a transaction replaces a few entries, and rolling a block back
restores the previous values.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from solders.pubkey import Pubkey

from backend.venues.venue import Account

AccountChanges = Mapping[Pubkey, Account | None]
"""New values of accounts by address; ``None`` deletes one."""

ROLLBACK_BLOCKS_MAX: Final = 512
"""Blocks that can be rolled back; older ones are final."""


@dataclass(slots=True)
class _BlockUndo:
    slot: int
    previous: dict[Pubkey, Account | None] = field(default_factory=dict)


class Bank:
    """The stored accounts by address."""

    def __init__(self, accounts: Mapping[Pubkey, Account]) -> None:
        self._accounts = dict(accounts)
        self._blocks: deque[_BlockUndo] = deque(maxlen=ROLLBACK_BLOCKS_MAX)

    def get(self, key: Pubkey) -> Account | None:
        """The current account at an address."""
        return self._accounts.get(key)

    def list_owned(self, program: Pubkey) -> list[Pubkey]:
        """The addresses of the accounts that a program owns."""
        return [key for key, account in self._accounts.items() if account.owner == program]

    def commit(self, changes: AccountChanges, slot: int) -> None:
        """Apply the changes of a transaction in the block of ``slot``."""
        if not self._blocks or self._blocks[-1].slot != slot:
            self._blocks.append(_BlockUndo(slot))
        previous = self._blocks[-1].previous
        accounts = self._accounts
        for key, account in changes.items():
            previous.setdefault(key, accounts.get(key))
            if account is None:
                accounts.pop(key, None)
            else:
                accounts[key] = account

    def override(self, changes: AccountChanges) -> None:
        """Set accounts outside of any block: no rollback reverts these values."""
        for key, account in changes.items():
            for block in self._blocks:
                block.previous.pop(key, None)
            if account is None:
                self._accounts.pop(key, None)
            else:
                self._accounts[key] = account

    def roll_back(self, slot: int) -> set[Pubkey]:
        """Undo every block from ``slot`` on. Returns the addresses that this changed."""
        changed: set[Pubkey] = set()
        while self._blocks and self._blocks[-1].slot >= slot:
            previous = self._blocks.pop().previous
            changed |= previous.keys()
            for key, account in previous.items():
                if account is None:
                    self._accounts.pop(key, None)
                else:
                    self._accounts[key] = account
        return changed

    def snapshot(self, keys: Iterable[Pubkey]) -> dict[Pubkey, Account | None]:
        """The current accounts at some addresses."""
        return {key: self._accounts.get(key) for key in keys}
