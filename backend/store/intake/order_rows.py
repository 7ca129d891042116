"""Orders as the rows that store them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from backend.domain.fees.order_fees import encode_fees
from backend.domain.orders import NewOrder, OrderTerms
from backend.domain.route_constraints import encode_constraints
from backend.store.committed_events import encode_first_data
from backend.store.group_commit import build_arrays
from backend.store.groups.bracket_rows import encode_bracket
from backend.store.idempotency.earlier_requests import IS_KEY_FREE, IS_NAME_FREE
from backend.store.waiting.condition_rows import encode_condition
from backend.store.waiting.order_columns import INPUT_NAMES, INPUT_TYPES

# Not a join, which a plan for one row makes of two loops: so PostgreSQL looks into a hash table.
_IS_STORED: Final = "(id IN (SELECT id FROM stored)) IS TRUE"

# The limit is the number of rows, as in the journal: so PostgreSQL keeps the generic plan. It would
# plan each call anew for the length of its arrays, which takes longer than to store one order.
_INSERT: Final = f""" -- store orders
WITH input AS (
    SELECT * FROM unnest(
{INPUT_TYPES}{{rare_types}}
    ) AS i({INPUT_NAMES}{{rare_columns}})
    LIMIT cardinality($1::uuid[])
{{admission}}), written AS MATERIALIZED (
    SELECT clock_timestamp() AS at{{written_after}}
), stored AS (
    INSERT INTO orders (id, owner, client_order_id, idempotency_key, request_hash, batch_id, type,
                        token_in, token_out, amount_in, min_amount_out, slippage_bps,
                        max_price_impact_bps, time_in_force, expires_at, kick_at, created_at,
                        updated_at, condition, status, seq, trigger_shard{{rare_columns}})
    SELECT id, owner, client_order_id, idempotency_key, request_hash, batch_id, type::order_type,
           token_in, token_out, amount_in, min_amount_out, slippage_bps, max_price_impact_bps,
           time_in_force, expires_at, now() + $19::interval, written.at, written.at, condition,
           CASE WHEN waits THEN $21::text::order_status ELSE 'pending' END,
           CASE WHEN waits THEN 2 ELSE 1 END,
           CASE WHEN waits THEN order_trigger_shard(token_in, token_out) END{{rare_columns}}
    FROM input CROSS JOIN written
    WHERE (input.idempotency_key IS NULL OR {IS_KEY_FREE})
        AND (input.client_order_id IS NULL OR {IS_NAME_FREE})
        AND (expires_at > now() AND expires_at <= now() + $20::interval) IS NOT FALSE{{admitted}}
    ON CONFLICT DO NOTHING
    RETURNING id, created_at
), logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT id, 1, 'pending', written.at, 1, data
    FROM input CROSS JOIN written WHERE {_IS_STORED}
    UNION ALL
    SELECT id, 2, $21::text::order_status, written.at, 1, '{{{{}}}}'
    FROM input CROSS JOIN written WHERE waits AND {_IS_STORED}
)
SELECT id, created_at, pg_current_xact_id()::text::bigint AS txid{{columns}} FROM stored{{others}}
"""  # noqa: S608 - constants only


def build_insert(
    *,
    is_rare: bool,
    admission: str = "",
    written_after: str = "",
    admitted: str = "",
    columns: str = "",
    others: str = "",
) -> str:
    """The statement that stores orders, with the parts that it has for some of them.

    ``is_rare``: with the columns of ``to_rare_columns``. The other parts are those of limits.
    """
    types = ", $22::uuid[], $23::jsonb[], $24::text[], $25::text[]"
    return _INSERT.format(
        rare_types=types if is_rare else "",
        rare_columns=", oco_group, bracket, route_constraints, fees" if is_rare else "",
        admission=admission,
        written_after=written_after,
        admitted=admitted,
        columns=columns,
        others=others,
    )


INSERT_ORDERS: Final = build_insert(is_rare=False)
"""Stores orders with their first events, those that may be stored, and returns them."""
INSERT_RARE_ORDERS: Final = build_insert(is_rare=True)
"""The same for orders of which some have what few orders have."""


def has_rare_terms(order: NewOrder) -> bool:
    """Whether an order is in a group, has a bracket, or says something of its route or fees."""
    return (
        order.oco_group is not None
        or order.bracket is not None
        or order.terms.constraints is not None
        or order.terms.fees is not None
    )


def to_rare_columns(orders: Sequence[NewOrder]) -> tuple[list[object], ...]:
    """The columns that ``INSERT_RARE_ORDERS`` takes after all others."""
    brackets = [None if o.bracket is None else encode_bracket(o.bracket) for o in orders]
    asked = [o.terms.constraints for o in orders]
    texts = [None if each is None else encode_constraints(each) for each in asked]
    fees = [encode_fees(o.terms.fees) for o in orders]
    return [o.oco_group for o in orders], [*brackets], [*texts], [*fees]


def to_columns(orders: Sequence[NewOrder]) -> list[list[object] | None]:
    """The columns of the statement that stores orders."""
    rows = [
        (
            o.id,
            o.owner,
            o.client_order_id,
            o.idempotency_key,
            o.request_hash,
            o.batch_id,
            o.terms.type.value,
            o.terms.token_in.symbol,
            o.terms.token_out.symbol,
            Decimal(o.terms.amount_in),
            None if o.terms.min_amount_out is None else Decimal(o.terms.min_amount_out),
            o.terms.slippage_bps,
            o.terms.max_price_impact_bps,
            o.time_in_force.value,
            o.expires_at,
            encode_first_data(o),
            _encode_condition(o.terms),
            o.waits,
        )
        for o in orders
    ]
    return build_arrays(rows)


def _encode_condition(terms: OrderTerms) -> str | None:
    if terms.condition is None:
        return None
    return encode_condition(terms.condition, terms.price_of, terms.amount_in_bps)
