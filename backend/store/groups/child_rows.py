"""Children as rows: what stores them in the commit that tells what their parent has received."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from backend.domain.fees.order_fees import encode_fees
from backend.domain.groups.children import ChildOrder
from backend.domain.route_constraints import encode_constraints
from backend.store.committed_events import WAITS, encode_child_data
from backend.store.waiting.condition_rows import encode_condition

_TYPES: Final = (
    *("uuid", "uuid", "uuid", "text", "text", "text"),
    *("numeric", "numeric", "int", "int", "jsonb", "jsonb", "text", "text"),
)


_INSERT: Final = """children AS (
    SELECT c.*, p.owner
    FROM (
        SELECT * FROM unnest({arrays})
            AS i(id, parent_id, oco_group, type, token_in, token_out, amount_in, min_amount_out,
                 slippage_bps, max_price_impact_bps, condition, data, route_constraints, fees)
        LIMIT cardinality(${first}::uuid[])
    ) c JOIN {parents} p ON p.id = c.parent_id
), placed AS (
    INSERT INTO orders (id, owner, request_hash, parent_id, oco_group, type, token_in, token_out,
                        amount_in, min_amount_out, slippage_bps, max_price_impact_bps, condition,
                        status, seq, trigger_shard, kick_at, created_at, updated_at,
                        route_constraints, fees)
    SELECT c.id, c.owner, '', c.parent_id, c.oco_group, c.type::order_type, c.token_in, c.token_out,
           c.amount_in, c.min_amount_out, c.slippage_bps, c.max_price_impact_bps, c.condition,
           {waiting}, 2, order_trigger_shard(c.token_in, c.token_out), now(),
           written.at, written.at, c.route_constraints, c.fees
    FROM children c CROSS JOIN written
    ON CONFLICT DO NOTHING
    RETURNING id
), placed_logged AS (
    INSERT INTO order_events (order_id, seq, status, at, attempt, data)
    SELECT c.id, 1, 'pending', written.at, 1, c.data
    FROM children c CROSS JOIN written WHERE (c.id IN (SELECT id FROM placed)) IS TRUE
    UNION ALL
    SELECT p.id, 2, {waiting}, written.at, 1, '{{}}' FROM placed p CROSS JOIN written
)"""


def build_insert(parents: str, first: int) -> str:
    """Common table expressions that store the children of the rows ``parents``, with their events.

    ``parents`` has the ``id`` and the ``owner`` of each; the columns of the children are the
    arguments from ``$first`` on. They wait from the beginning, until they are cancelled.
    """
    arrays = ", ".join(f"${number}::{each}[]" for number, each in enumerate(_TYPES, first))
    waiting = f"'{WAITS.status.value}'::order_status"
    return _INSERT.format(arrays=arrays, first=first, parents=parents, waiting=waiting)


def to_child_columns(children: Sequence[ChildOrder]) -> list[list[object]]:
    """The columns of ``build_insert``."""
    rows = [_to_row(child) for child in children]
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in _TYPES]


def _to_row(child: ChildOrder) -> tuple[object, ...]:
    terms = child.terms
    assert terms.condition is not None, "children wait"
    least = terms.min_amount_out
    return (
        child.id,
        child.parent_id,
        child.oco_group,
        terms.type.value,
        terms.token_in.symbol,
        terms.token_out.symbol,
        Decimal(terms.amount_in),
        None if least is None else Decimal(least),
        terms.slippage_bps,
        terms.max_price_impact_bps,
        encode_condition(terms.condition, terms.price_of),
        encode_child_data(child),
        None if terms.constraints is None else encode_constraints(terms.constraints),
        encode_fees(terms.fees),
    )
