"""Fetches evidence: from the database, the chain's ledger and the wallet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

import aiohttp
import asyncpg
from solders.pubkey import Pubkey

from backend.chain.rpc.client import SEND_BATCH_MAX, RpcClient
from backend.chain.rpc.results import LandedTransaction
from backend.domain.amounts import Token, parse_amount
from backend.domain.conditions import Launch
from backend.domain.lifecycle import Status
from backend.domain.tokens import KNOWN_TOKENS, SOL, TokenRegistry
from backend.domain.waiting.guards import Guards
from backend.simulator.market.mints import FEE_TOKEN
from backend.simulator.programs.token import read_amount
from backend.store.waiting.condition_rows import decode_condition
from backend.trials.audit.records import (
    ExecutedSwap,
    LaunchedPoolTraits,
    OrderRelease,
    OrderRow,
    OrderTransition,
    SlicePlacing,
    SwapLeg,
)
from backend.venues.spl import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, derive_ata

LEDGER_PAGE: Final = 10_000

_ORDERS_SQL: Final = """
SELECT id::text, status::text, seq, tx_hash, token_in, token_out, amount_in, amount_out,
       min_amount_out, lease_until IS NOT NULL AS is_leased, attempts, open, created_at,
       cancel_reason, parent_id::text, oco_group::text,
       (SELECT count(*) FROM jsonb_object_keys(bracket)) AS bracket_size,
       type = 'twap' AS is_sliced,
       CASE WHEN type = 'sniper' THEN condition::text END AS launch,
       EXISTS (
           SELECT FROM order_events e WHERE e.order_id = o.id AND e.status = 'submitted'
               AND e.at > o.expires_at + interval '5 s'
       ) AS is_submitted_late
FROM orders o WHERE created_at >= $1
"""
_JOURNAL_SQL: Final = """
SELECT e.order_id::text, e.seq, e.status::text, e.at, e.data->>'txHash' AS signature,
       e.data->>'code' AS code, e.data->>'reason' AS reason,
       e.data->>'executablePrice' AS executable_price, e.data->>'triggerPrice' AS trigger_price,
       e.data->>'limitPrice' AS limit_price,
       (e.data->>'slice')::int AS slice, e.data->>'childId' AS child_id,
       e.data->>'amountIn' AS slice_amount, o.token_in,
       o.type::text, e.status = 'routing' AND EXISTS (
           SELECT FROM order_events p
           WHERE p.order_id = e.order_id AND p.seq = e.seq - 1 AND p.status = 'waiting'
       ) AS is_release
FROM order_events e JOIN orders o ON o.id = e.order_id
WHERE o.created_at >= $1 ORDER BY e.txid, e.order_id, e.seq
"""
_TOLD_PRICES: Final = ("limit_price", "trigger_price")
_TOKENS_SQL: Final = "SELECT mint, decimals FROM tokens"
_UNSETTLED_COUNT_SQL: Final = """
SELECT count(*) FROM orders WHERE created_at >= $1
    AND ((open AND (trigger_shard IS NULL OR type = 'twap'
                    OR expires_at <= now() + interval '20 seconds'))
         OR ($2 AND amount_pending))
"""


class EvidenceMark(NamedTuple):
    """The positions of clock, ledger, feed and wallet from which on evidence is collected."""

    at: datetime
    ledger_position: int
    cursor: str
    balances: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class DatabaseSnapshot:
    """The stored orders created since a mark, and their journal.

    ``failure_by_order``: the code and reason of the last failure of each order that had one.
    """

    rows: Mapping[str, OrderRow]
    journal: Sequence[OrderTransition]
    order_by_signature: Mapping[str, str]
    created_at: Mapping[str, datetime]
    ended_at: Mapping[str, datetime]
    failure_by_order: Mapping[str, str]
    releases: Sequence[OrderRelease] = ()
    slices: Sequence[SlicePlacing] = ()
    guards: Mapping[str, Guards] = field(default_factory=dict)


async def fetch_database_time(database_url: str) -> datetime:
    """Return the time of the database's clock. Raises asyncpg's errors, as all of these do."""
    time: datetime = await _fetch_value(database_url, "SELECT clock_timestamp()")
    return time


async def count_unsettled_orders(database_url: str, since: datetime, *, needs_amounts: bool) -> int:
    """Count the orders created since a time that are open, or lack an amount that must follow.

    What waits for a price is settled: it may wait for ever. What is executed in slices is not,
    nor is what expires so soon that the end would come among the events of the next turn.
    """
    count: int = await _fetch_value(database_url, _UNSETTLED_COUNT_SQL, since, needs_amounts)
    return count


async def fetch_orders(database_url: str, since: datetime) -> DatabaseSnapshot:
    """Fetch the orders created since a time, and their transitions."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(_ORDERS_SQL, since)
        events = await connection.fetch(_JOURNAL_SQL, since)
        minted = await connection.fetch(_TOKENS_SQL)
    finally:
        await connection.close()
    tokens = TokenRegistry()
    tokens.add(Token(row["mint"], row["mint"], row["decimals"]) for row in minted)
    return DatabaseSnapshot(
        rows={row["id"]: _parse_row(row, tokens) for row in rows},
        journal=[OrderTransition(e["order_id"], e["seq"], e["status"]) for e in events],
        order_by_signature={
            e["signature"]: e["order_id"] for e in events if e["status"] == "submitted"
        },
        created_at={row["id"]: row["created_at"] for row in rows},
        ended_at={e["order_id"]: e["at"] for e in events if Status(e["status"]).is_final},
        failure_by_order={
            e["order_id"]: f"({e['code']}: {e['reason']})" for e in events if e["code"] is not None
        },
        releases=list(_list_releases(events)),
        slices=[_parse_slice(e, tokens) for e in events if e["slice"] is not None],
        guards={row["id"]: _parse_guards(row["launch"]) for row in rows if row["launch"]},
    )


def _list_releases(events: Iterable[asyncpg.Record]) -> Iterator[OrderRelease]:
    """The releases of orders, each with the price of which its owner was told before.

    That is at its acceptance, or when it was amended.
    """
    told: defaultdict[str, dict[str, str]] = defaultdict(dict)
    released: set[str] = set()
    for e in events:
        order_id, prices = e["order_id"], told[e["order_id"]]
        if e["is_release"]:
            # A stop-limit that was released once waits for its limit.
            is_limit = e["type"] == "limit" or (e["type"] == "stopLimit" and order_id in released)
            told_price = prices.get("limit_price" if is_limit else "trigger_price")
            released.add(order_id)
            yield OrderRelease(
                order_id,
                e["type"],
                e["executable_price"],
                e["trigger_price"],
                told_price,
                is_limit,
            )
        elif e["status"] in {Status.PENDING, Status.WAITING}:
            prices |= {name: e[name] for name in _TOLD_PRICES if e[name] is not None}


def _parse_guards(text: str) -> Guards:
    condition, _ = decode_condition(text)
    assert isinstance(condition, Launch)
    return condition.guards


async def fetch_launched(session: aiohttp.ClientSession, url: str) -> dict[str, LaunchedPoolTraits]:
    """Fetch the pools that the node has launched, by address."""
    async with session.get(f"{url}/control/launches") as response:
        pools = (await response.json())["pools"]
    return {
        each["pool"]: LaunchedPoolTraits(
            each["venue"],
            each["feeBps"],
            each["lockedBps"],
            int(each["quoteUnits"]),
            each["mintAuthority"],
            each["freezeAuthority"],
            each["transferFeeBps"],
        )
        for each in pools
    }


async def fetch_ledger(
    session: aiohttp.ClientSession, url: str, after: int
) -> tuple[list[Any], int]:
    """Fetch the transactions in the node's ledger behind a position, and its newest position."""
    entries: list[Any] = []
    while True:
        path = f"{url}/control/ledger?after={after}&limit={LEDGER_PAGE}"
        async with session.get(path) as response:
            page = await response.json()
        entries += page["transactions"]
        after = page["next"]
        if len(page["transactions"]) < LEDGER_PAGE:
            return entries, after


def parse_swaps(entries: Sequence[Any]) -> list[ExecutedSwap]:
    """Parse what transactions of the ledger swapped, those that succeeded."""
    return [
        ExecutedSwap(
            e["signature"],
            e["mint_in"],
            e["mint_out"],
            int(e["amount_in"]),
            int(e["amount_out"]),
            e["pool"],
            _parse_legs(e["swaps"]) if len(e["swaps"]) > 1 else (),
        )
        for e in entries
        if e["err"] is None and e["pool"] is not None
    ]


def _parse_legs(swaps: Sequence[Any]) -> tuple[SwapLeg, ...]:
    return tuple(
        SwapLeg(e["pool"], e["mint_in"], e["mint_out"], int(e["amount_in"]), int(e["amount_out"]))
        for e in swaps
    )


async def fetch_balances(url: str, owner: Pubkey) -> dict[str, int]:
    """Fetch a wallet's balance of each mint, in base units; 0 of a token that the node has not."""
    programs = {token: TOKEN_PROGRAM for token in KNOWN_TOKENS if token != SOL}
    programs[FEE_TOKEN] = TOKEN_2022_PROGRAM
    keys = [owner]
    keys += [derive_ata(owner, Pubkey.from_string(t.mint), each) for t, each in programs.items()]
    async with RpcClient(url) as rpc:
        _, (native, *accounts) = await rpc.get_multiple_accounts(keys)
    token_balances = {
        token.mint: 0 if account is None else read_amount(account)
        for token, account in zip(programs, accounts, strict=True)
    }
    return {SOL.mint: 0 if native is None else native.lamports, **token_balances}


async def fetch_fees(url: str, entries: Sequence[Any]) -> int:
    """Sum the fees of these transactions of the ledger, in lamports."""
    return sum(landed.fee_lamports for landed in await fetch_landed(url, entries))


async def fetch_landed(url: str, entries: Sequence[Any]) -> list[LandedTransaction]:
    """Fetch these transactions of the ledger as a client of the node sees them."""
    found: list[LandedTransaction] = []
    async with RpcClient(url) as rpc:
        for start in range(0, len(entries), SEND_BATCH_MAX):
            signatures = [entry["signature"] for entry in entries[start : start + SEND_BATCH_MAX]]
            for landed in await rpc.get_transactions(signatures):
                assert isinstance(landed, LandedTransaction), "in the ledger but not at the node"
                found.append(landed)
    return found


async def _fetch_value(database_url: str, query: str, *args: object) -> Any:
    connection = await asyncpg.connect(database_url)
    try:
        return await connection.fetchval(query, *args)
    finally:
        await connection.close()


def _parse_slice(event: asyncpg.Record, tokens: TokenRegistry) -> SlicePlacing:
    decimals = tokens.find(event["token_in"], "token_in").decimals
    amount_in = parse_amount(event["slice_amount"], decimals)
    return SlicePlacing(event["order_id"], event["slice"], event["child_id"], amount_in)


def _parse_row(row: asyncpg.Record, tokens: TokenRegistry) -> OrderRow:
    return OrderRow(
        id=row["id"],
        status=Status(row["status"]),
        seq=row["seq"],
        signature=row["tx_hash"],
        mint_in=tokens.find(row["token_in"], "token_in").mint,
        mint_out=tokens.find(row["token_out"], "token_out").mint,
        amount_in=int(row["amount_in"]),
        amount_out=None if row["amount_out"] is None else int(row["amount_out"]),
        is_leased=row["is_leased"],
        attempts=row["attempts"],
        min_amount_out=None if row["min_amount_out"] is None else int(row["min_amount_out"]),
        is_submitted_late=row["is_submitted_late"],
        cancel_reason=row["cancel_reason"],
        parent_id=row["parent_id"],
        oco_group=row["oco_group"],
        bracket_size=row["bracket_size"],
        is_sliced=row["is_sliced"],
    )
