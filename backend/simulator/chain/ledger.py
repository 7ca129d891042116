"""What is kept on disk: the transactions that really happened, and the accounts they left.

One commit for each block, before anybody can see the block, so whatever a client was told
survives the death of the process. It need not survive the death of the machine, which is why
nothing waits for the disk. Pools are not here: they follow from the time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from solders.pubkey import Pubkey

from backend.simulator.chain.receipts import Receipt, read_receipt, receipt_of, written
from backend.simulator.programs.runtime import Err, Outcome
from backend.simulator.state.bank import Changes
from backend.simulator.wire.transaction_parser import Parsed
from backend.venues.venue import Account

_LOCK_S: Final = 0.5
_PRAGMAS: Final = """
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -65536;
BEGIN EXCLUSIVE;
COMMIT;
"""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accounts (
    address BLOB PRIMARY KEY, owner BLOB NOT NULL, lamports INTEGER NOT NULL, data BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transactions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    signature TEXT NOT NULL UNIQUE,
    slot INTEGER NOT NULL,
    err TEXT,
    wire BLOB NOT NULL,
    receipt BLOB NOT NULL,
    owner TEXT, pool TEXT, mint_in TEXT, mint_out TEXT, amount_in TEXT, amount_out TEXT
);
CREATE INDEX IF NOT EXISTS transactions_slot ON transactions (slot);
"""


@dataclass(frozen=True, slots=True)
class Executed:
    """A transaction in a block."""

    parsed: Parsed
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Entry:
    """A transaction as the ledger tells it; the amounts are of the swap that it asked for."""

    number: int
    signature: str
    slot: int
    err: Err | None
    owner: str | None
    pool: str | None
    mint_in: str | None
    mint_out: str | None
    amount_in: str | None
    amount_out: str | None


_RECENT_MAX: Final = 20_000

_ENTRY: Final = (
    "number, signature, slot, err, owner, pool, mint_in, mint_out, amount_in, amount_out"
)


class LedgerInUse(Exception):
    """Another process has the file open."""


class Ledger:
    """A SQLite file that one process has open. Every method is done when it returns.

    Raises ``LedgerInUse``.
    """

    def __init__(self, path: Path) -> None:
        self._recent: dict[str, Receipt] = {}
        self._sql = sqlite3.connect(path, isolation_level=None, timeout=_LOCK_S)
        try:
            self._sql.executescript(_PRAGMAS + _SCHEMA)
        except sqlite3.OperationalError as error:
            self._sql.close()
            if "locked" in str(error):
                raise LedgerInUse(f"another node has {path} open") from None
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._sql.close()

    def fact(self, name: str) -> str | None:
        """A remembered word."""
        row = self._sql.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def remember(self, name: str, value: str) -> None:
        """Remember a word."""
        self._sql.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def accounts(self) -> dict[Pubkey, Account]:
        """Every stored account."""
        rows = self._sql.execute("SELECT address, owner, lamports, data FROM accounts")
        return {
            Pubkey(address): Account(Pubkey(owner), lamports, data)
            for address, owner, lamports, data in rows
        }

    def commit(self, slot: int, executed: Sequence[Executed], accounts: Changes) -> None:
        """A block: what was executed in it, and the accounts that it left different."""
        receipts = [receipt_of(slot, item.parsed, item.outcome) for item in executed]
        self._sql.execute("BEGIN")
        try:
            self._sql.executemany(
                "INSERT INTO transactions (signature, slot, err, wire, receipt, owner, pool, "
                "mint_in, mint_out, amount_in, amount_out) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_row(item, receipt) for item, receipt in zip(executed, receipts, strict=True)],
            )
            self._store(accounts)
        except BaseException:
            self._sql.execute("ROLLBACK")
            raise
        self._sql.execute("COMMIT")
        for item, receipt in zip(executed, receipts, strict=True):
            self._recent[item.parsed.signature] = receipt
        while len(self._recent) > _RECENT_MAX:
            del self._recent[next(iter(self._recent))]

    def forget(self, slot: int, accounts: Changes) -> None:
        """The blocks from ``slot`` on never were; ``accounts`` are as they were before."""
        self._recent.clear()
        self._sql.execute("BEGIN")
        try:
            self._sql.execute("DELETE FROM transactions WHERE slot >= ?", (slot,))
            self._store(accounts)
        except BaseException:
            self._sql.execute("ROLLBACK")
            raise
        self._sql.execute("COMMIT")

    def wires(self, slot: int) -> list[bytes]:
        """The transactions of the blocks from ``slot`` on, in order."""
        rows = self._sql.execute(
            "SELECT wire FROM transactions WHERE slot >= ? ORDER BY number", (slot,)
        )
        return [row[0] for row in rows]

    def statuses(self, slot: int) -> Iterator[tuple[str, int, Err | None]]:
        """Signature, slot and error of every transaction from ``slot`` on."""
        for signature, at, err in self._sql.execute(
            "SELECT signature, slot, err FROM transactions WHERE slot >= ? ORDER BY number", (slot,)
        ):
            yield signature, at, _err(err)

    def status(self, signature: str) -> tuple[int, Err | None] | None:
        """The slot and the error of a transaction."""
        row = self._sql.execute(
            "SELECT slot, err FROM transactions WHERE signature = ?", (signature,)
        ).fetchone()
        return None if row is None else (row[0], _err(row[1]))

    def receipt(self, signature: str) -> Receipt | None:
        """Everything about a transaction; a recent one is at hand."""
        recent = self._recent.get(signature)
        if recent is not None:
            return recent
        row = self._sql.execute(
            "SELECT slot, err, wire, receipt FROM transactions WHERE signature = ?", (signature,)
        ).fetchone()
        if row is None:
            return None
        slot, err, wire, text = row
        return read_receipt(slot, _err(err), wire, text)

    def entry(self, signature: str) -> Entry | None:
        """One transaction of the ledger."""
        rows = self._sql.execute(
            f"SELECT {_ENTRY} FROM transactions WHERE signature = ?",  # noqa: S608 - a constant
            (signature,),
        )
        return next((_entry(row) for row in rows), None)

    def entries(self, after: int, limit: int) -> list[Entry]:
        """The transactions after one number, in the order of their execution."""
        rows = self._sql.execute(
            f"SELECT {_ENTRY} FROM transactions WHERE number > ? ORDER BY number LIMIT ?",  # noqa: S608
            (after, limit),
        )
        return [_entry(row) for row in rows]

    def last_slot(self) -> int:
        """The slot of the last block that is stored."""
        row = self._sql.execute("SELECT max(slot) FROM transactions").fetchone()
        return int(row[0] or 0)

    def _store(self, accounts: Changes) -> None:
        self._sql.executemany(
            "INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?)",
            [
                (bytes(key), bytes(account.owner), account.lamports, account.data)
                for key, account in accounts.items()
                if account is not None
            ],
        )
        gone = [(bytes(key),) for key, account in accounts.items() if account is None]
        self._sql.executemany("DELETE FROM accounts WHERE address = ?", gone)

    def totals(self) -> dict[str, object]:
        """How many transactions there are, and how much of each token was swapped."""
        tokens: dict[str, dict[str, int]] = {}
        succeeded = "SELECT mint_in, mint_out, amount_in, amount_out FROM transactions"
        for mint_in, mint_out, amount_in, amount_out in self._sql.execute(
            f"{succeeded} WHERE err IS NULL AND pool IS NOT NULL"
        ):
            # Sums of 64-bit amounts do not fit SQLite's integers.
            tokens.setdefault(mint_in, {"in": 0, "out": 0})["in"] += int(amount_in)
            tokens.setdefault(mint_out, {"in": 0, "out": 0})["out"] += int(amount_out)
        total, failed, swaps = self._sql.execute(
            "SELECT count(*), count(err), count(pool) FILTER (WHERE err IS NULL) FROM transactions"
        ).fetchone()
        return {"transactions": total, "failed": failed, "swaps": swaps, "tokens": tokens}


def _row(item: Executed, receipt: Receipt) -> tuple[str | int | bytes | None, ...]:
    parsed, swap = item.parsed, item.outcome.swap
    err = None if receipt.err is None else orjson.dumps(receipt.err).decode()
    row = (parsed.signature, receipt.slot, err, receipt.wire, written(parsed, item.outcome))
    if swap is None:
        return (*row, str(parsed.keys[0]), None, None, None, None, None)
    return (
        *row,
        str(swap.owner),
        str(swap.pool),
        str(swap.mint_in),
        str(swap.mint_out),
        str(swap.amount_in),
        str(swap.amount_out),
    )


def _entry(row: Sequence[Any]) -> Entry:
    number, signature, slot, err, *rest = row
    return Entry(number, signature, slot, _err(err), *rest)


def _err(text: str | None) -> Err | None:
    err: Err | None = None if text is None else orjson.loads(text)
    return err
