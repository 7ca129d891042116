"""The limits as a process knows them: whether orders have to be checked by the database at all.

They decide nothing: the statements that store orders and transactions read the rows themselves.
Where nobody has limits, these statements are the ones without a check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from time import monotonic
from typing import Final

import orjson

from backend.domain.amounts import Token
from backend.domain.errors import EngineError
from backend.domain.limits.order_limits import LimitName, OwnerLimits, merge_limits
from backend.domain.tokens import USDC
from backend.store.database import DatabasePool
from backend.store.limits import observe_limits

STALE_S: Final = 5.0
"""A process that has not read for so long has everything checked. Migration 0035 counts on it."""
ALL_OWNERS: Final = ""
"""The owner of the row that holds for every owner."""
READ_LIMITS: Final = """ -- read limits
SELECT owner, limits::text, set_by, since FROM order_limits ORDER BY owner
"""


class KnownLimits:
    """The limits of all owners as of the last reading, by ``TradingRules.refresh``.

    Their amounts are of the ``reference`` token.
    """

    def __init__(self, reference: Token = USDC) -> None:
        self.reference: Final = reference
        self.on_refused: Callable[[str, EngineError], None] = observe_limits.order_refused
        """Called with the owner and the error of each order that a limit refuses."""
        self._version = -1
        self._read_at_s = -inf
        self._rows: Mapping[str, OwnerLimits] = {}
        self._names: frozenset[str] = frozenset()

    @property
    def are_set(self) -> bool:
        """Whether any owner has limits, or may have some."""
        return bool(self._rows) or self._is_stale

    def is_limited(self, owner: str) -> bool:
        """Whether an owner has limits, or may have some."""
        rows = self._rows
        return owner in rows or ALL_OWNERS in rows or self._is_stale

    def has(self, name: LimitName) -> bool:
        """Whether any owner has a limit, or may have it."""
        return name in self._names or self._is_stale

    def list_owners(self) -> list[str]:
        """The owners with limits of their own; the empty name is that of all."""
        return list(self._rows)

    def find(self, owner: str) -> OwnerLimits:
        """What holds for an owner."""
        rows = self._rows
        return merge_limits((rows.get(ALL_OWNERS, {}), rows.get(owner, {})))

    async def follow(self, pool: DatabasePool, version: int, asked_at_s: float) -> None:
        """Read the limits if they have another version. Raises ``Transient``."""
        if version != self._version:
            rows = await pool.read(READ_LIMITS)
            self._rows = {row["owner"]: orjson.loads(row["limits"]) for row in rows}
            self._names = frozenset(name for row in self._rows.values() for name in row)
            self._version = version
            observe_limits.limits_changed(list(self._rows))
        self._read_at_s = asked_at_s

    @property
    def _is_stale(self) -> bool:
        return monotonic() - self._read_at_s > STALE_S


class _NoLimits(KnownLimits):
    """Nobody's, whatever time has passed."""

    @property
    def _is_stale(self) -> bool:
        return False


NO_LIMITS: Final[KnownLimits] = _NoLimits()
"""Those of parts of an engine that knows no limits."""
