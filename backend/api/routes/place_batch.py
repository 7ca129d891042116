"""Accepting a batch: its valid orders are stored in one transaction; each entry has a result."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Mapping, Sequence
from hashlib import sha256
from uuid import UUID, uuid5

import orjson

from backend.api.context import ApiContext
from backend.api.routes.batches.oco_pairs import refuse_halves
from backend.api.routes.batches.resolved_batch import NothingNew, ResolvedBatch, resolve_entry
from backend.api.routes.parameters import read_idempotency_key
from backend.api.routes.place_orders import (
    REPLAYED_HEADERS,
    await_stored,
    build_new_order,
    describe_hold,
    find_met_now,
    find_pool_errors,
    find_sold,
    find_strict_errors,
    learn_mints,
    read_holdings,
    read_order_request,
)
from backend.api.wire.groups.oco_labels import pair_orders
from backend.api.wire.http import Request, Response, read_json_body
from backend.api.wire.json import BATCH_VALUES_PER_ORDER_MAX, ORDER_VALUES_MAX, encode
from backend.api.wire.problems import Problem, to_problem
from backend.api.wire.request_schemas import OrderRequest, read_batch
from backend.domain.errors import EngineError, IdempotencyKeyReused, InvalidInput, Transient
from backend.domain.orders import NewOrder
from backend.runtime import order_traces
from backend.runtime.background import shield
from backend.store.intake import NewBatch, SettledBatch

YIELD_EVERY_ORDERS = 50
"""Work on the orders of a batch yields to the event loop after so many of them."""
STORE_ATTEMPTS_MAX = 3


async def place_batch(api: ApiContext, request: Request) -> Response:
    """``POST /api/orders/batch``."""
    key = read_idempotency_key(request)
    orders_max = api.services.settings.batch_orders_max
    values_max = ORDER_VALUES_MAX + BATCH_VALUES_PER_ORDER_MAX * orders_max
    raw = read_batch(read_json_body(request, values_max), orders_max)
    request.response_headers.update(await api.admission.admit(request.owner, len(raw)))
    entries = await _parse_entries(api, raw)
    new_batch = NewBatch(api.services.new_id(), request.owner, key, _hash_entries(entries), "")
    for _ in range(STORE_ATTEMPTS_MAX):
        resolved = await _resolve_entries(api, request, new_batch.id, entries)
        # After the entries: if their client order ids were stored by this same batch, then its
        # response is there as well.
        earlier_response = await api.services.intake.find_batch_response(new_batch)
        if earlier_response is not None:
            return await _build_repeat_response(api, request, earlier_response)
        if not resolved.new_orders:
            return await _replay_orders(api, new_batch, resolved)
        try:
            return await _store_batch(api, request, new_batch, resolved)
        except IdempotencyKeyReused as error:
            if error.code != "client_order_id_reused":
                raise
            # A concurrent request has just taken one of the client order ids: resolve again.
        except InvalidInput:
            continue  # the expiry of an order has just passed: resolve again
    raise Transient("busy", "client order ids of this batch are being used by other requests")


async def _parse_entries(api: ApiContext, raw: Sequence[object]) -> list[OrderRequest | Problem]:
    entries: list[OrderRequest | Problem] = []
    mints = await learn_mints(api, raw)
    holdings = await read_holdings(api, find_sold(api, raw))
    for raw_order in raw:
        try:
            entries.append(read_order_request(api, raw_order, mints, holdings, is_of_batch=True))
        except Problem as problem:
            entries.append(problem)
        if len(entries) % YIELD_EVERY_ORDERS == 0:
            await asyncio.sleep(0)
    return pair_orders(raw, entries)


def _hash_entries(entries: Sequence[OrderRequest | Problem]) -> bytes:
    batch_hash = sha256()
    for entry in entries:
        part = entry.request_hash if isinstance(entry, OrderRequest) else str(entry).encode()
        batch_hash.update(sha256(part).digest())
    return batch_hash.digest()


async def _resolve_entries(
    api: ApiContext, request: Request, batch_id: UUID, entries: Sequence[OrderRequest | Problem]
) -> ResolvedBatch:
    orders = [
        entry
        if isinstance(entry, Problem)
        else build_new_order(
            *(api, request, entry), batch_id=batch_id, oco_group=_name_group(batch_id, entry)
        )
        for entry in entries
    ]
    named = [o for o in orders if isinstance(o, NewOrder) and o.client_order_id is not None]
    intake = api.services.intake
    stored = await intake.find_existing(named) if named else {}
    expiring = [o for o in orders if isinstance(o, NewOrder) and o.expires_at is not None]
    refused: dict[UUID, Problem] = {}
    if expiring:
        errors = await intake.find_expiry_errors(expiring)
        refused = {each: to_problem(error) for each, error in errors.items()}
    unknown = [o for o in orders if isinstance(o, NewOrder) and o.id not in stored]
    refused = await find_pool_errors(api, unknown) | refused
    strict = [
        order
        for order, entry in zip(orders, entries, strict=True)
        if isinstance(order, NewOrder) and isinstance(entry, OrderRequest) and entry.is_strict
    ]
    if judged := [order for order in strict if order.id not in stored]:
        refused = await find_strict_errors(api, judged) | refused
    refused |= _find_refusals(orders, entries, stored)
    resolved = ResolvedBatch([], [])
    new_by_name: dict[str, NewOrder] = {}
    for order in orders:
        result: NewOrder | Problem = order
        if isinstance(order, NewOrder) and order.id in refused and order.id not in stored:
            result = refused[order.id]
        resolved.results.append(resolve_entry(result, stored, new_by_name, resolved.new_orders))
        if len(resolved.results) % YIELD_EVERY_ORDERS == 0:
            await asyncio.sleep(0)
    refuse_halves(orders, resolved.results, resolved.new_orders)
    return resolved


def _find_refusals(
    orders: Sequence[NewOrder | Problem],
    entries: Sequence[OrderRequest | Problem],
    stored: Container[UUID],
) -> dict[UUID, Problem]:
    """The problems of new orders that sell a share of nothing; raises ``Transient``."""
    refused: dict[UUID, Problem] = {}
    for order, entry in zip(orders, entries, strict=True):
        if isinstance(order, Problem) or isinstance(entry, Problem) or order.id in stored:
            continue
        if isinstance(entry.refusal, Problem):
            refused[order.id] = entry.refusal
        elif entry.refusal is not None:
            raise entry.refusal
    return refused


def _name_group(batch_id: UUID, entry: OrderRequest) -> UUID | None:
    return None if entry.oco_label is None else uuid5(batch_id, entry.oco_label)


async def _store_batch(
    api: ApiContext, request: Request, new_batch: NewBatch, resolved: ResolvedBatch
) -> Response:
    services = api.services
    await _tell_met(api, resolved)
    _tell_held(api, resolved)
    cursor = api.stream_cursors.format(await services.feed.read_head())
    path = f"/api/orders/stream?batchId={new_batch.id}&after={cursor}"
    socket_url = api.public_address.find_base(request).socket + path
    stored = resolved, _build_body(new_batch, resolved, socket_url)

    def settle(refused: Mapping[UUID, EngineError]) -> SettledBatch:
        nonlocal stored
        left = resolved.drop(refused)
        if not left.new_orders:
            raise NothingNew(left)
        stored = left, _build_body(new_batch, left, socket_url)
        return SettledBatch(stored[1], left.new_orders)

    to_store = new_batch._replace(response=stored[1])
    # Shielded: cancelling a transaction may take longer than the transaction itself.
    storing = shield(services.intake.accept_batch(to_store, resolved.new_orders, settle))
    try:
        earlier_response = await await_stored(storing)
    except NothingNew as nothing:
        return await _replay_orders(api, new_batch, nothing.resolved)
    if earlier_response is not None:
        return await _build_repeat_response(api, request, earlier_response)
    left, body = stored
    api.admission.count_stored(request.owner, len(left.new_orders))
    for order in left.new_orders:
        order_traces.order_accepted(order.id, request.headers)
    if at_once := [order.id for order in left.new_orders if not order.waits]:
        await services.jobs.send(request.owner, at_once)
    return Response(202, body)


def _build_body(new_batch: NewBatch, resolved: ResolvedBatch, socket_url: str) -> str:
    return encode(
        {
            "batchId": str(new_batch.id),
            "accepted": len(resolved.results) - resolved.refused_count,
            "refused": resolved.refused_count,
            "ws_url": socket_url,
            "orders": resolved.results,
        }
    )


async def _tell_met(api: ApiContext, resolved: ResolvedBatch) -> None:
    """Say of each new order that waits whether the market meets it already, where it is known."""
    found = await find_met_now(api, resolved.new_orders)
    if not found:
        return
    met = {str(order_id): is_met for order_id, is_met in found.items()}
    for result in resolved.results:
        is_met = met.get(str(result.get("orderId")))
        if is_met is not None:
            result["isMetNow"] = is_met


def _tell_held(api: ApiContext, resolved: ResolvedBatch) -> None:
    """Say of each new order that a trading state holds why that is."""
    if not api.services.trading.rules.current:
        return
    new_orders = {str(order.id): order for order in resolved.new_orders}
    for result in resolved.results:
        order = new_orders.get(str(result.get("orderId")))
        held = None if order is None else describe_hold(api, order)
        if held is not None:
            result["held"] = held


async def _build_repeat_response(api: ApiContext, request: Request, earlier: str) -> Response:
    """The first response to a batch, with the status that each order has by now."""
    body = orjson.loads(earlier)
    entries = {UUID(each["orderId"]): each for each in body["orders"] if "orderId" in each}
    statuses = await api.services.orders.read_statuses(request.owner, entries)
    for order_id, status in statuses.items():  # one that was deleted since keeps its first one
        entries[order_id]["status"] = status
        entries[order_id].pop("isMetNow", None)
        entries[order_id].pop("held", None)
    return Response(202, encode(body), REPLAYED_HEADERS)


async def _replay_orders(api: ApiContext, new_batch: NewBatch, resolved: ResolvedBatch) -> Response:
    """The response to a batch without new orders: replays, or 422 if every entry is refused."""
    if resolved.refused_count == len(resolved.results):
        detail = "no order of the batch is valid; orders has the problem of each, at its index"
        raise Problem(422, "batch_refused", detail, members={"orders": resolved.results})
    await await_stored(api.services.intake.remember_batch(new_batch))
    body = {
        "batchId": None,
        "accepted": len(resolved.results) - resolved.refused_count,
        "refused": resolved.refused_count,
        "ws_url": None,
        "orders": resolved.results,
    }
    return Response(202, encode(body), REPLAYED_HEADERS)
