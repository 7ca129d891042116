"""Counts what was signed on a day (UTC), durably: a crash never permits more.

What is counted is stored ahead: a row holds more than what was signed, by a hundredth of the limit
at most, and is written again only once that is used up. So few signatures wait for the disk, and a
signer that is killed has lost that much of its day, and permits less, never more.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from solders.pubkey import Pubkey

from backend.chain.signing.signer import SIGNER_DAY_LIMIT, SIGNER_UNAVAILABLE
from backend.domain.errors import Rejected, Unavailable
from backend.signer.amounts import LAMPORTS, find_unit
from backend.signer.policy import Spending
from backend.venues.spl import TOKEN_2022_ACCOUNT_RENT_MAX

DAY_S: Final = 86_400
_AHEAD: Final = 100
"""The part of a limit that is stored ahead: one of so many."""
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS spent (day INTEGER NOT NULL, wallet TEXT NOT NULL,"
    " item TEXT NOT NULL, amount TEXT NOT NULL, PRIMARY KEY (wallet, item))"
)

_Key = tuple[str, str]


class CountFileError(Exception):
    """The file of the count cannot be used; the message says why."""


class DayCount:
    """What each wallet has spent today, of ``limits`` by mint and of ``lamports_max``.

    ``now`` returns the Unix time. The day never goes back with it. Raises ``CountFileError`` if the
    file at ``path`` cannot be used, also if another signer uses it.
    """

    def __init__(
        self,
        path: Path,
        limits: Mapping[Pubkey, int],
        lamports_max: int,
        now: Callable[[], float],
    ) -> None:
        self._path = path
        self._limits = {LAMPORTS: lamports_max} | {str(mint): n for mint, n in limits.items()}
        self._now = now
        with self._report_errors():
            self._database = _open_database(path)
            self._day, stored = _read(self._database)
        self._used: dict[_Key, int] = dict(stored)
        self._stored: dict[_Key, int] = stored
        self._opened: set[Pubkey] = set()

    def add(self, wallet: str, spending: Spending) -> None:
        """Count what a transaction of a wallet spends, before it is signed.

        Raises ``Rejected`` (``signer_day_limit``), and ``Unavailable`` if it cannot be stored.
        """
        self._begin_day()
        opened = [each for each in spending.opened if each not in self._opened]
        rent = len(opened) * TOKEN_2022_ACCOUNT_RENT_MAX
        amounts = {str(mint): amount for mint, amount in spending.sold.items() if amount}
        amounts[LAMPORTS] = spending.fee_lamports + rent
        used = {(wallet, item): self._require(wallet, item, n) for item, n in amounts.items()}
        ahead = {
            key: min(self._limits[key[1]], amount + self._limits[key[1]] // _AHEAD)
            for key, amount in used.items()
            if amount > self._stored.get(key, 0)
        }
        if ahead:
            self._store(ahead)
        self._used |= used
        self._opened.update(opened)

    def describe(self, wallet: str) -> dict[str, dict[str, str]]:
        """What a wallet has spent today, and may spend: by mint, and ``lamports``."""
        self._begin_day()
        return {
            item: {"spent": str(self._used.get((wallet, item), 0)), "limit": str(limit)}
            for item, limit in self._limits.items()
        }

    def close(self) -> None:
        """Store what was used exactly, and close the file."""
        used = {key: amount for key, amount in self._used.items() if amount != self._stored[key]}
        try:
            if used:
                self._store(used)
        except Unavailable:
            pass  # what is stored is more
        finally:
            self._database.close()

    def _require(self, wallet: str, item: str, amount: int) -> int:
        used, limit = self._used.get((wallet, item), 0), self._limits[item]
        if used + amount > limit:
            unit = find_unit(item)
            most, left, asked = (unit.format(each) for each in (limit, limit - used, amount))
            reason = f"the signer permits {most} {unit.name} a day, of which {left} are left: not"
            raise Rejected(SIGNER_DAY_LIMIT, f"{reason} {asked}")
        return used + amount

    def _begin_day(self) -> None:
        day = int(self._now() // DAY_S)
        if day > self._day:
            self._day = day
            self._used.clear()
            self._stored.clear()
            self._opened.clear()

    def _store(self, amounts: Mapping[_Key, int]) -> None:
        rows = [(self._day, *key, str(amount)) for key, amount in amounts.items()]
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO spent VALUES (?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            reason = f"the signer cannot store what it has counted: {error}"
            raise Unavailable(SIGNER_UNAVAILABLE, reason) from None
        self._stored |= amounts

    @contextmanager
    def _report_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CountFileError(f"{self._path} cannot be used: {error.strerror}") from None
        except (sqlite3.Error, ValueError) as error:
            raise CountFileError(
                f"{self._path} cannot be used, perhaps as another signer uses it: {error}"
            ) from None


def _open_database(path: Path) -> sqlite3.Connection:
    """Open the file for this process alone."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    database = sqlite3.connect(path, timeout=0)
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("PRAGMA synchronous = FULL")
    with database:
        database.execute("BEGIN EXCLUSIVE")  # and from now on
        database.execute(_TABLE)
    return database


def _read(database: sqlite3.Connection) -> tuple[int, dict[_Key, int]]:
    """The newest day in the file, and what is stored for it."""
    rows = database.execute("SELECT day, wallet, item, amount FROM spent").fetchall()
    newest = max((day for day, *_ in rows), default=0)
    return newest, {
        (wallet, item): int(amount) for day, wallet, item, amount in rows if day == newest
    }
