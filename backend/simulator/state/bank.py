"""The accounts of the chain, and the way back: what a block changed is undone whole.

An account is a value that is replaced, never changed, so a transaction is a few replaced entries
on top of the bank, and undoing a block is putting the former values back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from solders.pubkey import Pubkey

from backend.venues.venue import Account

Changes = Mapping[Pubkey, Account | None]
"""Accounts as they become; ``None`` where one ceases to be."""

UNDO_BLOCKS_MAX: Final = 512
"""Blocks that can be forgotten; older ones are final."""


@dataclass(slots=True)
class _Block:
    slot: int
    before: dict[Pubkey, Account | None] = field(default_factory=dict)


class Bank:
    """The accounts that are stored, by address."""

    def __init__(self, accounts: Mapping[Pubkey, Account]) -> None:
        self._accounts = dict(accounts)
        self._blocks: deque[_Block] = deque(maxlen=UNDO_BLOCKS_MAX)

    def get(self, key: Pubkey) -> Account | None:
        """The account at an address, as it is now."""
        return self._accounts.get(key)

    def commit(self, changes: Changes, slot: int) -> None:
        """What a transaction did, in the block of ``slot``."""
        if not self._blocks or self._blocks[-1].slot != slot:
            self._blocks.append(_Block(slot))
        before = self._blocks[-1].before
        accounts = self._accounts
        for key, account in changes.items():
            before.setdefault(key, accounts.get(key))
            if account is None:
                accounts.pop(key, None)
            else:
                accounts[key] = account

    def put(self, changes: Changes) -> None:
        """What happened outside of any block, so that no fork forgets it."""
        for key, account in changes.items():
            for block in self._blocks:
                block.before.pop(key, None)
            if account is None:
                self._accounts.pop(key, None)
            else:
                self._accounts[key] = account

    def forget(self, slot: int) -> set[Pubkey]:
        """Undo every block from ``slot`` on; the addresses that this changed."""
        changed: set[Pubkey] = set()
        while self._blocks and self._blocks[-1].slot >= slot:
            before = self._blocks.pop().before
            changed |= before.keys()
            for key, account in before.items():
                if account is None:
                    self._accounts.pop(key, None)
                else:
                    self._accounts[key] = account
        return changed

    def snapshot(self, keys: Iterable[Pubkey]) -> dict[Pubkey, Account | None]:
        """The accounts at some addresses."""
        return {key: self._accounts.get(key) for key in keys}
