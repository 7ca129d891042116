"""Events as their writers know them after the commit, for its notification.

They equal those that a reader of the journal gets, but for the spaces and the order of keys in
their data, which the database normalizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg
import orjson

from backend.domain.amounts import format_amount
from backend.domain.condition_fields import format_condition
from backend.domain.fees.order_fees import fees_to_json
from backend.domain.groups.bracket_fields import format_bracket
from backend.domain.groups.children import ChildOrder
from backend.domain.lifecycle import Cause, Status, advance
from backend.domain.orders import NewOrder, OrderEvent, OrderTerms, TimeInForce
from backend.domain.quotes import Dex
from backend.domain.route_constraints import constraints_to_json
from backend.domain.times import format_time
from backend.domain.waiting.shares import describe_share
from backend.runtime.commit_notifications import EVENTS_MAX, Commit

WAITS: Final = advance(Status.PENDING, 1, Cause.CONDITIONAL)
"""The second step of an order that waits for its condition, in the commit that accepts it."""


def build_event(
    row: asyncpg.Record, *, seq: int, status: Status, attempt: int, data: str
) -> OrderEvent:
    """The event of an order whose updated row the statement returned with its transaction."""
    return OrderEvent(
        order_id=row["id"],
        seq=seq,
        status=status,
        at=row["at"],
        attempt=attempt,
        data=data,
        txid=row["txid"],
        owner=row["owner"],
        batch_id=row["batch_id"],
        dex=None if row["dex"] is None else Dex(row["dex"]),
    )


def build_claim_event(row: asyncpg.Record) -> OrderEvent:
    """The event of an order's first claim, whose updated row the statement returned."""
    return _build_row_event(row, data="{}")


def build_commit(rows: Sequence[asyncpg.Record], *, begins_wait: bool = False) -> Commit:
    """The commit of a statement that returned the updated row of each order, with its data."""
    events = None
    if len(rows) <= EVENTS_MAX:
        events = [_build_row_event(row, data=row["data"]) for row in rows]
    return Commit(rows[0]["txid"], events, begins_wait)


def _build_row_event(row: asyncpg.Record, *, data: str) -> OrderEvent:
    status, attempt = Status(row["status"]), row["attempts"]
    return build_event(row, seq=row["seq"], status=status, attempt=attempt, data=data)


def build_first_events(order: NewOrder, row: asyncpg.Record) -> list[OrderEvent]:
    """The events of an order whose new row the statement returned with its transaction."""
    first = OrderEvent(
        order_id=order.id,
        seq=1,
        status=Status.PENDING,
        at=row["created_at"],
        attempt=1,
        data=encode_first_data(order),
        txid=row["txid"],
        owner=order.owner,
        batch_id=order.batch_id,
        dex=None,
    )
    if not order.waits:
        return [first]
    return [first, first._replace(seq=2, status=WAITS.status, data="{}")]


def encode_first_data(order: NewOrder) -> str:
    """The data of an order's first event as JSON text: its terms and names."""
    data = _describe_terms(order.terms)
    if order.bracket is not None:
        pair = order.terms.token_in, order.terms.token_out
        data["bracket"] = format_bracket(order.bracket, *pair)
    if order.time_in_force is not TimeInForce.GTC:
        data["timeInForce"] = order.time_in_force.value
    if order.expires_at is not None:
        data["expiresAt"] = format_time(order.expires_at)
    ids = {"batchId": order.batch_id, "parentId": order.parent_id, "ocoGroup": order.oco_group}
    data |= {name: str(each) for name, each in ids.items() if each is not None}
    if order.client_order_id is not None:
        data["clientOrderId"] = order.client_order_id
    return orjson.dumps(data).decode()


def encode_child_data(child: ChildOrder) -> str:
    """The data of the first event of an order that came to be of another one."""
    data = _describe_terms(child.terms) | {"parentId": str(child.parent_id)}
    if child.oco_group is not None:
        data["ocoGroup"] = str(child.oco_group)
    return orjson.dumps(data).decode()


def _describe_terms(terms: OrderTerms) -> dict[str, object]:
    data: dict[str, object] = {
        "type": terms.type.value,
        "tokenIn": terms.token_in.symbol,
        "tokenOut": terms.token_out.symbol,
        "amountIn": format_amount(terms.amount_in, terms.token_in.decimals),
        **describe_share(terms.amount_in_bps),
        "slippageBps": terms.slippage_bps,
    }
    if terms.max_price_impact_bps is not None:
        data["maxPriceImpactBps"] = terms.max_price_impact_bps
    if terms.min_amount_out is not None:
        data["minAmountOut"] = format_amount(terms.min_amount_out, terms.token_out.decimals)
    if terms.constraints is not None:
        data |= constraints_to_json(terms.constraints)
    data |= fees_to_json(terms.fees)
    if terms.condition is not None:
        data |= format_condition(terms.condition, terms.price_of, terms.token_in, terms.token_out)
    return data
