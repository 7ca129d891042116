"""The check of a commit that stores signed transactions: do the wallets pay for them all?

It is made under a lock that whoever spends within a budget shares: so all that was spent is
committed and seen. What fits is stored by the same transaction. What is free counts orders in
flight, and those that have ended since the balances were read, unless they landed in a slot before
that of the balances, which may not have been over. An order that has just landed may count twice
for a moment, none is ever missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import asyncpg

from backend.domain.amounts import Token
from backend.domain.tokens import SOL
from backend.store.database import DatabaseConnection, DatabasePool
from backend.store.transitions import Transition
from backend.store.wallets.spending import (
    ORDERS_MIN,
    PARTS,
    BalanceSnapshot,
    Budget,
    Spend,
    WalletBudgets,
)

BUDGETS: Final = """budgets AS MATERIALIZED (
    SELECT wallet_budgets_hold($30::text[], $31::text[], $32::bigint[]) AS hold
), """
WITHIN_BUDGETS: Final = """
        AND (i.reserved_lamports IS NULL OR (SELECT hold FROM budgets))"""
"""Parts of the statement that records transitions: none is stored that a void budget pays for."""
NO_BUDGETS: Final[Sequence[Sequence[object]]] = ((), (), ())
"""The arguments of these parts where nothing is paid from a budget."""

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('spending of ' || $1::text, 0))"

# The index of the orders that workers execute, so that it is used whatever the statistics are.
# An attempt that ended without a fill has taken its fee at most, and the rent of accounts.
_READ_RESERVED: Final = """ -- read what is reserved
SELECT token_in, sum(amount_in)::text AS amount, sum(lamports)::bigint AS lamports,
       count(*) AS orders
FROM (
    (SELECT token_in, amount_in::numeric, reserved_lamports AS lamports FROM orders
     WHERE open AND trigger_shard IS NULL AND status = 'submitted' AND wallet = $1
     ORDER BY owner, id LIMIT 1000000)
    UNION ALL
    SELECT o.token_in, CASE WHEN e.status = 'confirmed' THEN o.amount_in ELSE 0 END::numeric,
           CASE WHEN e.status <> 'confirmed' AND o.token_in = $4
                THEN greatest(o.reserved_lamports - o.amount_in, 0) ELSE o.reserved_lamports END
    FROM order_events e JOIN orders o ON o.id = e.order_id
    WHERE e.txid >= $2 AND e.status IN ('confirmed', 'failed', 'routing', 'waiting', 'expired')
      AND o.wallet = $1
      AND (e.status = 'confirmed' AND (e.data->>'slot')::bigint < $3) IS NOT TRUE
) reserved
GROUP BY token_in
"""
_READ_HORIZON: Final = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon"
_READ_BUDGETS: Final = """
SELECT token, generation, part::text, parts_left FROM wallet_budgets
WHERE wallet = $1 AND token = ANY($2::text[])
"""
_STORE_BUDGETS: Final = """
INSERT INTO wallet_budgets (wallet, token, generation, part, parts_left)
SELECT $1, token, generation, part, parts_left
FROM unnest($2::text[], $3::bigint[], $4::numeric[], $5::int[])
    AS i(token, generation, part, parts_left)
ON CONFLICT (wallet, token) DO UPDATE SET
    generation = excluded.generation, part = excluded.part, parts_left = excluded.parts_left
"""
_FIND_REVOKED: Final = """
SELECT i.wallet FROM unnest($1::text[], $2::text[], $3::bigint[]) AS i(wallet, token, generation)
LEFT JOIN wallet_budgets b ON b.wallet = i.wallet AND b.token = i.token
WHERE b.generation IS DISTINCT FROM i.generation
"""


class Reserved(NamedTuple):
    """What orders in flight take of a wallet: lamports, and base units by tokens' names in rows."""

    lamports: int
    amounts: Mapping[str, int]
    orders: int

    def find(self, token: Token) -> int:
        """What they take of a token."""
        return self.lamports if token == SOL else self.amounts.get(token.symbol, 0)


class _Row(NamedTuple):
    token: str
    generation: int
    part: int
    parts_left: int


class CheckedSpends:
    """The transitions of one wallet that fit, and the budgets that follow once they are stored."""

    def __init__(
        self,
        fitting: Sequence[Transition],
        unpaid: Sequence[Transition],
        budgets: WalletBudgets,
        snapshot: BalanceSnapshot,
    ) -> None:
        self.fitting = fitting
        self.unpaid = unpaid
        self._budgets = budgets
        self._snapshot = snapshot
        self._granted: dict[str, Budget] = {}

    def grant(self, name: str, budget: Budget) -> None:
        """Have the process spend within ``budget`` after the commit."""
        self._granted[name] = budget

    def apply(self) -> None:
        """Take note that the commit is made."""
        for name, budget in self._granted.items():
            self._budgets.grant(name, budget, self._snapshot)


async def read_horizon(pool: DatabasePool) -> int:
    """A transaction id: all transactions before it have ended. Raises ``Transient``."""
    rows = await pool.read(_READ_HORIZON)
    return int(rows[0]["horizon"])


async def read_reserved(pool: DatabasePool, wallet: str, *, horizon: int, slot: int) -> Reserved:
    """What orders take beside balances that are as of ``slot`` and were read after ``horizon``.

    Raises ``Transient``.
    """
    rows = await pool.read(_READ_RESERVED, wallet, horizon, slot, SOL.symbol)
    return _sum_reserved(rows)


async def find_revoked(connection: DatabaseConnection, transitions: Sequence[Transition]) -> bool:
    """Whether a budget that pays for one of these transitions is void."""
    return bool(await connection.fetch(_FIND_REVOKED, *to_budget_columns(transitions)))


def to_budget_columns(transitions: Sequence[Transition]) -> list[list[object]]:
    """The wallets, tokens and generations of the budgets that pay for transitions."""
    budgets = {
        (each.spend.wallet, token, generation)
        for each in transitions
        if each.spend is not None and each.spend.generations is not None
        for token, generation in each.spend.generations
    }
    return [[each[place] for each in budgets] for place in range(3)]


async def check_spends(
    connection: DatabaseConnection, transitions: Sequence[Transition]
) -> CheckedSpends:
    """Find which transitions of one wallet fit, in a transaction that must store these.

    Until its commit nobody else spends anything of that wallet.
    """
    spends = [each.spend for each in transitions if each.spend is not None]
    assert len(spends) == len(transitions), "each of them is checked"
    wallet, snapshot = spends[0].wallet, _choose_snapshot(spends)
    await connection.execute(_LOCK, wallet)
    rows = await connection.fetch(
        _READ_RESERVED, wallet, snapshot.horizon, snapshot.slot, SOL.symbol
    )
    free = _compute_free(spends, snapshot, _sum_reserved(rows))
    fitting: list[Transition] = []
    unpaid: list[Transition] = []
    spent: defaultdict[str, int] = defaultdict(int)
    for each, spend in zip(transitions, spends, strict=True):
        if not spend.fits(free):
            unpaid.append(each)
            continue
        fitting.append(each)
        for token, amount in spend.amounts():
            spent[token.symbol] += amount
            left = free[token.symbol]
            free[token.symbol] = None if left is None else left - amount
    checked = CheckedSpends(fitting, unpaid, spends[0].budgets, snapshot)
    await _renew_budgets(connection, spends, free, spent, checked)
    return checked


def _choose_snapshot(spends: Sequence[Spend]) -> BalanceSnapshot:
    """The newest one that knows all tokens, else the newest."""
    snapshots = [each.snapshot for each in spends if each.snapshot is not None]
    assert snapshots, "what is checked has a snapshot"
    tokens = {each.token for each in spends if each.token is not None}
    return max(
        snapshots,
        key=lambda each: (sum(each.find(token) is not None for token in tokens), each.horizon),
    )


def _compute_free(
    spends: Sequence[Spend], snapshot: BalanceSnapshot, reserved: Reserved
) -> dict[str, int | None]:
    tokens = {SOL} | {each.token for each in spends if each.token is not None}
    free: dict[str, int | None] = {}
    for token in tokens:
        held = snapshot.find(token)
        free[token.symbol] = None if held is None else held - reserved.find(token)
    return free


async def _renew_budgets(
    connection: DatabaseConnection,
    spends: Sequence[Spend],
    free: Mapping[str, int | None],
    spent: Mapping[str, int],
    checked: CheckedSpends,
) -> None:
    """Take a part of each token's budget, or have a new generation of it, in the rows.

    What was spent now is not in any part that others have: it is paid from a part of this process,
    or others' parts become void.
    """
    wallet, reserve = spends[0].wallet, spends[0].reserve
    rows = await connection.fetch(_READ_BUDGETS, wallet, list(free))
    stored = {row["token"]: row for row in rows}
    renewed: list[_Row] = []
    for name, left in free.items():
        if left is None:
            continue
        largest = max(dict(_name_amounts(each)).get(name, 0) for each in spends)
        part = max(left - (reserve if name == SOL.symbol else 0), 0) // PARTS
        part = part if part >= ORDERS_MIN * largest else 0
        known = spends[0].budgets.find_generation(name)
        row = stored.get(name)
        if row is not None and _can_join(row, known, spent.get(name, 0)):
            joined = _Row(name, row["generation"], int(row["part"]), row["parts_left"] - 1)
            renewed.append(joined)
            left_of_part = joined.part - spent.get(name, 0)
            checked.grant(name, Budget(joined.generation, left_of_part))
            continue
        generation = 0 if row is None else row["generation"]
        if row is None or part or int(row["part"]):
            generation += 1
            renewed.append(_Row(name, generation, part, PARTS - 1))
        checked.grant(name, Budget(generation, part))
    if renewed:
        await connection.execute(
            _STORE_BUDGETS,
            wallet,
            [each.token for each in renewed],
            [each.generation for each in renewed],
            [Decimal(each.part) for each in renewed],
            [each.parts_left for each in renewed],
        )


def _can_join(row: asyncpg.Record, known: int | None, spent: int) -> bool:
    """Whether the process can take a part of a generation that it has had none of."""
    is_new = row["generation"] != known
    return is_new and row["parts_left"] > 0 and int(row["part"]) > 0 and spent <= int(row["part"])


def _name_amounts(spend: Spend) -> list[tuple[str, int]]:
    return [(token.symbol, amount) for token, amount in spend.amounts()]


def _sum_reserved(rows: Sequence[asyncpg.Record]) -> Reserved:
    amounts = {row["token_in"]: int(row["amount"]) for row in rows}
    lamports = sum(row["lamports"] or 0 for row in rows)
    return Reserved(lamports, amounts, sum(row["orders"] for row in rows))
