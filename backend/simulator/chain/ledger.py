"""The ledger in SQLite: the executed transactions and the resulting accounts.

Each block is one commit, before any client can see it, so whatever a client has read survives a
crash of the process. It need not survive a crash of the machine, which is why commits do not wait
for the disk (``synchronous = OFF``). Pools are not stored: they are a function of the time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from solders.pubkey import Pubkey

from backend.simulator.chain.address_history import ListedSignature, list_signatures
from backend.simulator.chain.ledger_rows import (
    ENTRY_COLUMNS,
    SWAP_COLUMNS,
    ExecutedTransaction,
    LedgerEntry,
    build_row,
    decode_error,
    read_entry,
    read_swaps,
)
from backend.simulator.chain.receipts import Receipt, build_receipt, decode_receipt
from backend.simulator.programs.runtime import TransactionError
from backend.simulator.state.bank import AccountChanges
from backend.venues.venue import Account

_LOCK_TIMEOUT_S: Final = 0.5
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
    owner TEXT, pool TEXT, mint_in TEXT, mint_out TEXT, amount_in TEXT, amount_out TEXT,
    swaps TEXT
);
CREATE INDEX IF NOT EXISTS transactions_slot ON transactions (slot);
"""
_ADD_SWAPS: Final = "ALTER TABLE transactions ADD COLUMN swaps TEXT"
"""Files of before transactions had several swaps have no such column."""


def _make_private(path: Path) -> None:
    """Let only its owner read a database, which may not be there yet, and what belongs to it."""
    path.touch(mode=0o600)  # SQLite gives its other files the same mode
    for file in path.parent.glob(f"{path.name}*"):
        file.chmod(0o600)


_RECENT_RECEIPTS_MAX: Final = 20_000


class LedgerInUse(Exception):
    """Another process has the ledger file open."""


class Ledger:
    """A SQLite file that only one process can have open. All methods are synchronous.

    Raises ``LedgerInUse``.
    """

    def __init__(self, path: Path) -> None:
        self._recent_receipts: dict[str, Receipt] = {}
        _make_private(path)
        self._sql = sqlite3.connect(path, isolation_level=None, timeout=_LOCK_TIMEOUT_S)
        try:
            self._sql.executescript(_PRAGMAS + _SCHEMA)
            columns = self._sql.execute("SELECT name FROM pragma_table_info('transactions')")
            if ("swaps",) not in columns.fetchall():
                self._sql.execute(_ADD_SWAPS)
        except sqlite3.OperationalError as error:
            self._sql.close()
            if "locked" in str(error):
                raise LedgerInUse(f"another node has {path} open") from None
            raise

    def close(self) -> None:
        """Close the file."""
        self._sql.close()

    def read_fact(self, name: str) -> str | None:
        """The value that ``store_fact`` stored under a name."""
        row = self._sql.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def store_fact(self, name: str, value: str) -> None:
        """Store a value under a name, replacing any previous one."""
        self._sql.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def load_accounts(self) -> dict[Pubkey, Account]:
        """Every stored account by address."""
        rows = self._sql.execute("SELECT address, owner, lamports, data FROM accounts")
        return {
            Pubkey(address): Account(Pubkey(owner), lamports, data)
            for address, owner, lamports, data in rows
        }

    def commit_block(
        self, slot: int, transactions: Sequence[ExecutedTransaction], accounts: AccountChanges
    ) -> None:
        """Commit executed transactions and changed accounts in one database transaction."""
        receipts = [build_receipt(slot, item.transaction, item.result) for item in transactions]
        self._sql.execute("BEGIN")
        try:
            self._sql.executemany(
                "INSERT INTO transactions (signature, slot, err, wire, receipt, owner, pool, "
                "mint_in, mint_out, amount_in, amount_out, swaps) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    build_row(item, receipt)
                    for item, receipt in zip(transactions, receipts, strict=True)
                ],
            )
            self._store_accounts(accounts)
        except BaseException:
            self._sql.execute("ROLLBACK")
            raise
        self._sql.execute("COMMIT")
        for item, receipt in zip(transactions, receipts, strict=True):
            self._recent_receipts[item.transaction.signature] = receipt
        while len(self._recent_receipts) > _RECENT_RECEIPTS_MAX:
            del self._recent_receipts[next(iter(self._recent_receipts))]

    def delete_blocks(self, slot: int, accounts: AccountChanges) -> None:
        """Delete the blocks from ``slot`` on and restore ``accounts`` to their previous values."""
        self._recent_receipts.clear()
        self._sql.execute("BEGIN")
        try:
            self._sql.execute("DELETE FROM transactions WHERE slot >= ?", (slot,))
            self._store_accounts(accounts)
        except BaseException:
            self._sql.execute("ROLLBACK")
            raise
        self._sql.execute("COMMIT")

    def list_transactions(self, slot: int) -> list[bytes]:
        """The serialised transactions of the blocks from ``slot`` on, in execution order."""
        rows = self._sql.execute(
            "SELECT wire FROM transactions WHERE slot >= ? ORDER BY number", (slot,)
        )
        return [row[0] for row in rows]

    def list_statuses(self, slot: int) -> Iterator[tuple[str, int, TransactionError | None]]:
        """Signature, slot and error of every transaction from ``slot`` on."""
        for signature, landed_slot, err in self._sql.execute(
            "SELECT signature, slot, err FROM transactions WHERE slot >= ? ORDER BY number", (slot,)
        ):
            yield signature, landed_slot, decode_error(err)

    def find_status(self, signature: str) -> tuple[int, TransactionError | None] | None:
        """The slot and the error of a transaction."""
        row = self._sql.execute(
            "SELECT slot, err FROM transactions WHERE signature = ?", (signature,)
        ).fetchone()
        return None if row is None else (row[0], decode_error(row[1]))

    def find_receipt(self, signature: str) -> Receipt | None:
        """The receipt of a transaction; recent ones are cached in memory."""
        recent = self._recent_receipts.get(signature)
        if recent is not None:
            return recent
        row = self._sql.execute(
            "SELECT slot, err, wire, receipt FROM transactions WHERE signature = ?", (signature,)
        ).fetchone()
        if row is None:
            return None
        slot, err, wire, encoded = row
        return decode_receipt(slot, decode_error(err), wire, encoded)

    def find_entry(self, signature: str) -> LedgerEntry | None:
        """The ledger entry of a signature."""
        rows = self._sql.execute(
            f"SELECT {ENTRY_COLUMNS} FROM transactions WHERE signature = ?",  # noqa: S608 - a constant
            (signature,),
        )
        return next((read_entry(row) for row in rows), None)

    def list_entries(self, after: int, limit: int) -> list[LedgerEntry]:
        """A page of ledger entries after a number, in execution order."""
        rows = self._sql.execute(
            f"SELECT {ENTRY_COLUMNS} FROM transactions WHERE number > ? ORDER BY number LIMIT ?",  # noqa: S608
            (after, limit),
        )
        return [read_entry(row) for row in rows]

    def list_address_signatures(
        self, address: Pubkey, *, before: str | None, until: str | None, slot_max: int, limit: int
    ) -> list[ListedSignature]:
        """A page of the history of an address, the newest transaction first."""
        return list(islice(list_signatures(self._sql, address, before, until, slot_max), limit))

    def last_slot(self) -> int:
        """The slot of the last stored block, 0 if there is none."""
        row = self._sql.execute("SELECT max(slot) FROM transactions").fetchone()
        return int(row[0] or 0)

    def _store_accounts(self, accounts: AccountChanges) -> None:
        self._sql.executemany(
            "INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?)",
            [
                (bytes(key), bytes(account.owner), account.lamports, account.data)
                for key, account in accounts.items()
                if account is not None
            ],
        )
        deleted = [(bytes(key),) for key, account in accounts.items() if account is None]
        self._sql.executemany("DELETE FROM accounts WHERE address = ?", deleted)

    def compute_totals(self) -> dict[str, object]:
        """The number of transactions, and the amount of each token that pools took in and paid out.

        Those that swap are counted once each, however many swaps they have.
        """
        tokens: dict[str, dict[str, int]] = {}
        for row in self._sql.execute(
            f"SELECT {SWAP_COLUMNS} FROM transactions WHERE err IS NULL AND pool IS NOT NULL"  # noqa: S608
        ):
            # Sums of 64-bit amounts overflow the integers of SQLite.
            for swap in read_swaps(row):
                tokens.setdefault(swap.mint_in, {"in": 0, "out": 0})["in"] += int(swap.amount_in)
                tokens.setdefault(swap.mint_out, {"in": 0, "out": 0})["out"] += int(swap.amount_out)
        total, failed, swaps = self._sql.execute(
            "SELECT count(*), count(err), count(pool) FILTER (WHERE err IS NULL) FROM transactions"
        ).fetchone()
        return {"transactions": total, "failed": failed, "swaps": swaps, "tokens": tokens}
