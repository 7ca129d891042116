"""Collecting facts once a turn is over: from the database, from the ledger and from the wallet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import aiohttp
import asyncpg
from solders.pubkey import Pubkey

from backend.chain.rpc_client import BATCH_MAX, Rpc
from backend.chain.rpc_results import Landed
from backend.chain.wallet import paper_wallet
from backend.domain.lifecycle import Status
from backend.domain.tokens import KNOWN, SOL, Tokens
from backend.simulator.programs.token import amount_of
from backend.trials.chaos.audit import Row, Step, Swap
from backend.venues.spl import ata

LEDGER_PAGE: Final = 10_000

_ROWS: Final = """
SELECT id::text, status::text, seq, tx_hash, token_in, token_out, amount_in, amount_out,
       lease_until IS NOT NULL AS is_leased, open, created_at
FROM orders WHERE created_at >= $1
"""
_JOURNAL: Final = """
SELECT e.order_id::text, e.seq, e.status::text, e.at, e.data->>'txHash' AS signature
FROM order_events e JOIN orders o ON o.id = e.order_id
WHERE o.created_at >= $1 ORDER BY e.txid, e.order_id, e.seq
"""
_OPEN: Final = "SELECT count(*) FROM orders WHERE created_at >= $1 AND open"


class Mark(NamedTuple):
    """A moment from which on facts are collected."""

    at: datetime
    ledger: int
    cursor: str
    wallet: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Database:
    """What the database holds of the orders that were made since a mark."""

    rows: Mapping[str, Row]
    journal: Sequence[Step]
    signed: Mapping[str, str]
    created_at: Mapping[str, datetime]
    ended_at: Mapping[str, datetime]


async def now(database_url: str) -> datetime:
    """The time on the database's clock. Raises what asyncpg raises, as all of these do."""
    moment: datetime = await _value(database_url, "SELECT clock_timestamp()")
    return moment


async def still_open(database_url: str, since: datetime) -> int:
    """How many of the orders that were made since then have not ended."""
    count: int = await _value(database_url, _OPEN, since)
    return count


async def database(database_url: str, since: datetime) -> Database:
    """Every order that was made since then, and its transitions."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(_ROWS, since)
        events = await connection.fetch(_JOURNAL, since)
    finally:
        await connection.close()
    tokens = Tokens()
    return Database(
        rows={row["id"]: _row(row, tokens) for row in rows},
        journal=[Step(e["order_id"], e["seq"], e["status"]) for e in events],
        signed={e["signature"]: e["order_id"] for e in events if e["status"] == "submitted"},
        created_at={row["id"]: row["created_at"] for row in rows},
        ended_at={e["order_id"]: e["at"] for e in events if Status(e["status"]).is_end},
    )


async def ledger(session: aiohttp.ClientSession, url: str, after: int) -> tuple[list[Any], int]:
    """Every transaction in the node's ledger behind a number, and the newest number."""
    entries: list[Any] = []
    while True:
        path = f"{url}/control/ledger?after={after}&limit={LEDGER_PAGE}"
        async with session.get(path) as response:
            page = await response.json()
        entries += page["transactions"]
        after = page["next"]
        if len(page["transactions"]) < LEDGER_PAGE:
            return entries, after


def swaps(entries: Sequence[Any]) -> list[Swap]:
    """The swaps among transactions of the ledger that succeeded."""
    return [
        Swap(e["signature"], e["mint_in"], e["mint_out"], int(e["amount_in"]), int(e["amount_out"]))
        for e in entries
        if e["err"] is None and e["pool"] is not None
    ]


async def wallet(url: str) -> dict[str, int]:
    """What the paper wallet holds of each mint, in base units."""
    owner = paper_wallet().address
    others = [token for token in KNOWN if token != SOL]
    keys = [owner, *(ata(owner, Pubkey.from_string(token.mint)) for token in others)]
    async with Rpc(url) as rpc:
        _, (own, *accounts) = await rpc.get_multiple_accounts(keys)
    held = {
        token.mint: 0 if account is None else amount_of(account)
        for token, account in zip(others, accounts, strict=True)
    }
    return {SOL.mint: 0 if own is None else own.lamports, **held}


async def fees(url: str, entries: Sequence[Any]) -> int:
    """What these transactions of the ledger cost the wallet in fees, in lamports."""
    total = 0
    async with Rpc(url) as rpc:
        for at in range(0, len(entries), BATCH_MAX):
            signatures = [entry["signature"] for entry in entries[at : at + BATCH_MAX]]
            for landed in await rpc.get_transactions(signatures):
                assert isinstance(landed, Landed), "the ledger has it, and the node does not"
                total += landed.fee_lamports
    return total


async def _value(database_url: str, query: str, *args: object) -> Any:
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(query, *args)
    finally:
        await connection.close()


def _row(row: asyncpg.Record, tokens: Tokens) -> Row:
    return Row(
        id=row["id"],
        status=Status(row["status"]),
        seq=row["seq"],
        signature=row["tx_hash"],
        mint_in=tokens.find(row["token_in"], "token_in").mint,
        mint_out=tokens.find(row["token_out"], "token_out").mint,
        amount_in=int(row["amount_in"]),
        amount_out=None if row["amount_out"] is None else int(row["amount_out"]),
        is_leased=row["is_leased"],
    )
