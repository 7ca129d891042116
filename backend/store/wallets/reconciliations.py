"""What orders explain of the balances of wallets, and the differences that they do not."""

# ruff: noqa: S608 - every part of the SQL is a constant of this file; all values are arguments

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

import asyncpg
import orjson

from backend.domain.tokens import KNOWN_TOKENS
from backend.store.database import DatabasePool
from backend.store.origin.found_transactions import read_wallet_changes

_SYMBOLS: Final = {token.mint: token.symbol for token in KNOWN_TOKENS}
DIFFERENCES_MAX: Final = 20
"""So many of the latest differences are read."""

_READ_BASELINE: Final = """
SELECT token, balance::text, slot, horizon, read_at <= now() - $2::float8 * interval '1 second'
    OR read_at > now() AS is_due
FROM wallet_balances WHERE wallet = $1
"""
_EVENT_COST: Final = """
({0}->>'networkFeeLamports')::bigint + coalesce(({0}->>'tipLamports')::bigint, 0)
    + coalesce(({0}->>'rentLamports')::bigint, 0)
"""
# Of files with events that the baseline does not cover: usually there is none.
_IS_NEWLY_ARCHIVED: Final = """
wallet = $1 AND file_number = ANY(ARRAY(SELECT number FROM archive_files WHERE last_txid >= $2))
"""
_IS_ARCHIVED_FILL: Final = "(status = 'confirmed' AND type <> 'twap')"
# Of an attempt that moved nothing, only the fee is known, and not its slot. What an order has cost
# beyond the costs that its events tell, a late amount has told. Each order is in one of the two
# tables; of attempts of an archived one only that which moved something is known, with its slot.
_READ_CHANGES: Final = f""" -- read changes of a wallet
SELECT o.token_in, o.token_out, o.amount_in::text, o.amount_out::text, e.data->'residuals' AS left,
       CASE WHEN e.status = 'confirmed' AND e.data->>'networkFeeLamports' IS NULL
           THEN o.network_fee_lamports + o.tip_lamports + o.rent_lamports - coalesce((
               SELECT sum((t.data->>'networkFeeLamports')::bigint) FROM order_events t
               WHERE t.order_id = o.id), 0)
           ELSE {_EVENT_COST.format("e.data")}
       END::bigint AS cost,
       e.status = 'confirmed' AS is_filled, (e.data->>'slot')::bigint AS slot
FROM order_events e JOIN orders o ON o.id = e.order_id
WHERE e.txid >= $2 AND o.wallet = $1 AND CASE
    WHEN e.status = 'confirmed'
        THEN (e.data->>'slot')::bigint >= $3 AND (e.data->>'slot')::bigint <= $4
    ELSE e.status IN ('failed', 'routing', 'waiting', 'expired') AND e.data ? 'networkFeeLamports'
END
UNION ALL
SELECT token_in, token_out, amount_in::text, amount_out::text, data->'residuals',
       CASE WHEN data->>'networkFeeLamports' IS NULL
           THEN network_fee_lamports + tip_lamports + rent_lamports
           ELSE {_EVENT_COST.format("data")}
       END::bigint,
       true, (data->>'slot')::bigint
FROM archived_orders WHERE {_IS_NEWLY_ARCHIVED} AND {_IS_ARCHIVED_FILL}
    AND (data->>'slot')::bigint >= $3 AND (data->>'slot')::bigint <= $4
"""
# No file has what a baseline does not cover, unless nobody has read the wallet for days. An hour is
# more than a transaction is open, and more than clocks are apart.
_READ_UNKNOWN_FEES: Final = f""" -- read fees that a baseline may not cover
SELECT coalesce(sum(network_fee_lamports - coalesce(
    CASE WHEN {_IS_ARCHIVED_FILL} THEN (data->>'networkFeeLamports')::bigint END, 0
)), 0)::bigint AS lamports
FROM archived_orders WHERE {_IS_NEWLY_ARCHIVED}
    AND NOT ({_IS_ARCHIVED_FILL} AND signatures IS NULL)
    AND ended_at >= (
        SELECT min(read_at) - interval '1 h' FROM wallet_balances WHERE wallet = $1
    )
"""
_STORE: Final = """
WITH input AS (
    SELECT * FROM unnest($2::text[], $3::numeric[], $4::numeric[]) AS i(token, balance, amount)
), moved AS (
    INSERT INTO wallet_balances AS b (wallet, token, balance, slot, horizon)
    SELECT $1, token, balance, $5, $6 FROM input
    ON CONFLICT (wallet, token) DO UPDATE SET balance = excluded.balance, slot = excluded.slot,
        horizon = excluded.horizon, read_at = now()
    WHERE b.slot = $7 RETURNING token
)
INSERT INTO wallet_differences (wallet, token, amount, slot)
SELECT $1, token, amount, $5 FROM input JOIN moved USING (token) WHERE amount <> 0
RETURNING token, amount::text
"""
_READ_DIFFERENCES: Final = """
SELECT at, wallet, token, amount::text, slot FROM wallet_differences ORDER BY id DESC LIMIT $1
"""


class Baseline(NamedTuple):
    """Balances up to which everything is explained, by tokens' names; ``None``: no account.

    ``is_due`` is whether they are as old as they may be.
    """

    balances: Mapping[str, int | None]
    slot: int
    horizon: int
    is_due: bool


class OrderChange(NamedTuple):
    """What an attempt of an order did to its wallet, in base units; ``amount_out`` may be unknown.

    One that is not ``is_filled`` has paid its fee only; others have paid tips and rent as well.
    """

    token_in: str
    token_out: str
    amount_in: int
    amount_out: int | None
    cost_lamports: int
    residuals: Sequence[Mapping[str, str]]
    is_filled: bool
    slot: int | None


class BalanceDifference(NamedTuple):
    """A change of a balance in base units that no order explains."""

    at: datetime
    wallet: str
    token: str
    amount: int
    slot: int


async def read_baseline(pool: DatabasePool, wallet: str, interval_s: float) -> Baseline | None:
    """The baseline of a wallet; ``None`` if it has none yet. Raises ``Transient``."""
    rows = await pool.read(_READ_BASELINE, wallet, interval_s)
    if not rows:
        return None
    balances = {
        row["token"]: None if row["balance"] is None else int(row["balance"]) for row in rows
    }
    first = rows[0]
    return Baseline(balances, first["slot"], first["horizon"], first["is_due"])


async def read_changes(
    pool: DatabasePool, wallet: str, baseline: Baseline, slot: int
) -> list[OrderChange]:
    """What orders did from the slot of a baseline to another one. Raises ``Transient``.

    Among them are those of which the journal has only what the chain showed, and archived ones.
    """
    rows = await pool.read(_READ_CHANGES, wallet, baseline.horizon, baseline.slot, slot)
    found = await read_wallet_changes(pool, wallet, baseline.slot, slot)
    return [
        *(
            _build_change(mint, change, found_slot)
            for found_slot, changes in found
            for mint, change in changes.items()
        ),
        *map(_parse_change, rows),
    ]


async def read_unknown_fees(pool: DatabasePool, wallet: str, baseline: Baseline) -> int:
    """Fees in lamports that a baseline covers or not: nobody knows. Raises ``Transient``.

    They are of archived orders: of their attempts that failed, the times are not known any more.
    """
    [row] = await pool.read(_READ_UNKNOWN_FEES, wallet, baseline.horizon)
    lamports: int = row["lamports"]
    return lamports


def _build_change(mint: str, change: int, slot: int) -> OrderChange:
    """The change of one token, as what an order paid, or received for nothing."""
    name = _SYMBOLS.get(mint, mint)
    paid, received = max(-change, 0), max(change, 0)
    return OrderChange(name, name, paid, received, 0, (), is_filled=True, slot=slot)


def _parse_change(row: asyncpg.Record) -> OrderChange:
    return OrderChange(
        row["token_in"],
        row["token_out"],
        int(row["amount_in"]),
        None if row["amount_out"] is None else int(row["amount_out"]),
        row["cost"] or 0,
        [] if row["left"] is None else orjson.loads(row["left"]),
        row["is_filled"],
        row["slot"],
    )


async def store_baseline(
    pool: DatabasePool,
    wallet: str,
    balances: Mapping[str, int | None],
    differences: Mapping[str, int],
    *,
    slot: int,
    horizon: int,
    earlier_slot: int,
) -> list[tuple[str, int]]:
    """Replace the baseline of a slot, and store the differences to it, unless somebody has.

    Returns the differences that were stored. Raises ``Transient``.
    """
    rows = await pool.read(
        _STORE,
        wallet,
        list(balances),
        [None if each is None else Decimal(each) for each in balances.values()],
        [Decimal(differences.get(name, 0)) for name in balances],
        slot,
        horizon,
        earlier_slot,
    )
    return [(row["token"], int(row["amount"])) for row in rows]


async def read_differences(pool: DatabasePool) -> list[BalanceDifference]:
    """The latest differences, the last one first. Raises ``Transient``."""
    rows = await pool.read(_READ_DIFFERENCES, DIFFERENCES_MAX)
    return [
        BalanceDifference(row["at"], row["wallet"], row["token"], int(row["amount"]), row["slot"])
        for row in rows
    ]
