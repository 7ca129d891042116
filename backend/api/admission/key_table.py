"""The stored API keys as this process knows them: a table in memory that follows PostgreSQL.

A request looks its key up here, and asks no server. The version of the table is polled, so that
what is revoked or changed holds within ``POLL_S`` and the time of one small statement, on every
process and behind every pooler. When PostgreSQL has not answered for ``stale_max_s``, nobody knows
which keys were revoked meanwhile: stored keys are then refused until it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Final

from backend.domain.access.principals import Principal
from backend.domain.errors import Transient
from backend.store.access.key_store import KeyStore, ValidKey

POLL_S: Final = 0.4
POLL_TIMEOUT_S: Final = 2.0


class KeyTable:
    """The valid keys of the store; ``run`` must be running, after ``load``."""

    def __init__(self, store: KeyStore, *, stale_max_s: float) -> None:
        self._store = store
        self._stale_max_s = stale_max_s
        self._version = -1
        self._read_at_s = -inf
        self._by_hash: Mapping[bytes, Principal] = {}
        self._by_id: Mapping[str, Principal] = {}

    @property
    def version(self) -> int:
        """The version of the table that is known."""
        return self._version

    @property
    def owners(self) -> frozenset[str]:
        """The owners of the valid keys."""
        return frozenset(each.owner for each in self._by_hash.values())

    @property
    def has_had_keys(self) -> bool:
        """Whether a key has ever been stored, whatever became of it."""
        return self._version > 0

    @property
    def is_stale(self) -> bool:
        """Whether PostgreSQL has not answered for so long that stored keys are refused."""
        return monotonic() - self._read_at_s > self._stale_max_s

    def find(self, key_hash: bytes) -> Principal | None:
        """The principal of a key that was valid when the table was read."""
        return self._by_hash.get(key_hash)

    def find_by_id(self, key_id: str) -> Principal | None:
        """As ``find``, by the id of the key."""
        return self._by_id.get(key_id)

    async def load(self) -> None:
        """Read what has changed. Raises ``Transient``."""
        asked_at_s = monotonic()
        changes = await self._store.read_changes(self._version)
        if changes is not None:
            principals = {key.key_hash: _build_principal(key, asked_at_s) for key in changes.keys}
            self._by_hash = principals
            self._by_id = {each.key_id: each for each in principals.values()}
            self._version = changes.version
        self._read_at_s = asked_at_s

    async def run(self, on_poll: Callable[[], None]) -> None:
        """Follow the store until cancelled; ``on_poll`` is called after each poll."""
        while True:
            with suppress(Transient, TimeoutError):  # logged by the store
                async with asyncio.timeout(POLL_TIMEOUT_S):
                    await self.load()
            on_poll()
            await asyncio.sleep(POLL_S)


def _build_principal(key: ValidKey, asked_at_s: float) -> Principal:
    expires_at_s = inf if key.expires_in_s is None else asked_at_s + key.expires_in_s
    return Principal(
        key.owner,
        key.scopes,
        key.id,
        is_limited=True,
        expires_at_s=expires_at_s,
        networks=key.networks,
        signing=key.signing,
    )
