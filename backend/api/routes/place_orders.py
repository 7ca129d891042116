"""Taking orders in: read, stored, handed to the workers, answered. In this order.

An order that comes by POST, in a batch or over a WebSocket takes the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from hashlib import sha256
from typing import NamedTuple, TypeVar
from uuid import UUID

from backend.api.context import Api
from backend.api.wire.cursors import stream_cursor
from backend.api.wire.fields import KEY_MAX, is_printable
from backend.api.wire.http import Answer, Call
from backend.api.wire.json import decode, encode, instant
from backend.api.wire.problems import BadField, Problem, invalid, problem_of
from backend.api.wire.request_schemas import Wanted, read_batch, read_order
from backend.domain.errors import Reused, Transient
from backend.domain.orders import Accepted, NewOrder
from backend.store.intake import NewBatch, unavailable

BREATH_ORDERS = 100
"""After so many orders of a batch others get their turn."""
TRIES = 3
STORED_S = 5.0
"""How long a client waits for PostgreSQL to store its order."""
_CURL = "application/x-www-form-urlencoded"
_FROM_A_PAGE = ("origin", "referer", "sec-fetch-site", "cookie")
REPEATED = {"Idempotent-Replayed": "true"}

Stored = TypeVar("Stored")


class Taken(NamedTuple):
    """The answer to one accepted order."""

    order_id: UUID
    answer: Answer


def json_body(call: Call) -> object:
    """The JSON value of a request's body. Raises ``Problem``: 415, 400.

    Any other content type could be sent by a page of another site without being asked first. What
    ``curl -d`` says when nobody tells it otherwise is taken too, but not from a browser, which
    always says where a page's request comes from.
    """
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return decode(call.body)
    is_curl = kind == _CURL and not any(name in call.headers for name in _FROM_A_PAGE)
    if is_curl and call.body.lstrip().startswith((b"{", b"[")):
        return decode(call.body)
    raise Problem(415, "unsupported_media_type", "Content-Type must be application/json")


async def execute(api: Api, call: Call) -> Answer:
    """``POST /api/orders/execute``."""
    await api.gate.admit(call.owner)
    return (await take(api, call, json_body(call))).answer


async def take(api: Api, call: Call, raw: object) -> Taken:
    """Accept one order. Raises ``Problem`` or an engine's error; then nothing is stored."""
    front = api.front
    wanted = read_order(raw, front.tokens, front.settings.slippage_bps)
    order = _new_order(api, call, wanted, key=_idempotency_key(call))
    accepted = await _told(front.intake.accept(order))
    if not accepted.replayed:
        api.gate.took(1)
        await front.jobs.send([accepted.id], by="intake")
    return Taken(accepted.id, _answer(call, accepted, wanted.client_order_id))


async def _told(storing: Awaitable[Stored]) -> Stored:
    """What was stored. An answer that is lost or too late is told as what it is."""
    try:
        async with asyncio.timeout(STORED_S):
            return await storing
    except (Transient, TimeoutError) as cause:
        error = cause if isinstance(cause, Transient) else unavailable()
        reason = (
            f"{error.reason}; whether it was stored is not known, so repeat it with the same"
            " Idempotency-Key or clientOrderId"
        )
        raise Transient(error.code, reason) from cause


def _new_order(
    api: Api, call: Call, wanted: Wanted, *, key: str | None = None, batch_id: UUID | None = None
) -> NewOrder:
    return NewOrder(
        id=api.front.new_id(),
        owner=call.owner,
        terms=wanted.terms,
        request_hash=wanted.request_hash,
        client_order_id=wanted.client_order_id,
        idempotency_key=key,
        batch_id=batch_id,
    )


def _answer(call: Call, accepted: Accepted, client_order_id: str | None) -> Answer:
    path = f"/api/orders/{accepted.id}"
    body = {
        "status": "queued",
        "orderId": str(accepted.id),
        "ws_url": call.socket_url(f"/api/orders/execute?orderId={accepted.id}"),
        "statusUrl": path,
        "createdAt": instant(accepted.created_at),
    }
    if client_order_id is not None:
        body["clientOrderId"] = client_order_id
    headers = {"Location": path}
    return Answer(202, encode(body), headers | REPEATED if accepted.replayed else headers)


def _idempotency_key(call: Call) -> str | None:
    key = call.headers.get("idempotency-key")
    if key is not None and not is_printable(key, KEY_MAX):
        reason = f"must be 1 to {KEY_MAX} printable ASCII characters"
        raise invalid([BadField("Idempotency-Key", "invalid_idempotency_key", reason)], 400)
    return key


async def batch(api: Api, call: Call) -> Answer:
    """``POST /api/orders/batch``."""
    key = _idempotency_key(call)
    raw = read_batch(json_body(call), api.front.settings.batch_orders_max)
    await api.gate.admit(call.owner, len(raw))
    read = await _read_all(api, raw)
    new_batch = NewBatch(api.front.new_id(), call.owner, key, _digest(read), "")
    for _ in range(TRIES):
        places = await _places(api, call, new_batch.id, read)
        # In this order: if the names are those of the same batch, then that is found as well.
        earlier = await api.front.intake.earlier_batch(new_batch)
        if earlier is not None:
            return Answer(202, earlier, REPEATED)
        if not places.new:
            return _nothing_new(places)
        try:
            return await _store(api, call, new_batch, places)
        except Reused as error:
            if error.code != "client_order_id_reused":
                raise
            # Somebody took one of the names just now: look again whose it is.
    raise Transient("busy", "client order ids of this batch are being used by other requests")


async def _read_all(api: Api, raw: Sequence[object]) -> list[Wanted | Problem]:
    read: list[Wanted | Problem] = []
    for order in raw:
        try:
            read.append(read_order(order, api.front.tokens, api.front.settings.slippage_bps))
        except Problem as problem:
            read.append(problem)
        if len(read) % BREATH_ORDERS == 0:
            await asyncio.sleep(0)
    return read


def _digest(read: Sequence[Wanted | Problem]) -> bytes:
    whole = sha256()
    for order in read:
        part = order.request_hash if isinstance(order, Wanted) else str(order).encode()
        whole.update(sha256(part).digest())
    return whole.digest()


class _Places(NamedTuple):
    """What becomes of each order of a batch, in its place, and those that are to be stored."""

    answers: list[dict[str, object]]
    new: list[NewOrder]

    @property
    def refused(self) -> int:
        return sum("problem" in answer for answer in self.answers)


async def _places(
    api: Api, call: Call, batch_id: UUID, read: Sequence[Wanted | Problem]
) -> _Places:
    orders = [
        _new_order(api, call, order, batch_id=batch_id) if isinstance(order, Wanted) else order
        for order in read
    ]
    named = [o for o in orders if isinstance(o, NewOrder) and o.client_order_id is not None]
    taken = await api.front.intake.taken(named) if named else {}
    places = _Places([], [])
    names: dict[str, NewOrder] = {}
    for order in orders:
        places.answers.append(_place(order, taken, names, places.new))
    return places


def _place(
    order: NewOrder | Problem,
    taken: dict[UUID, Accepted | Reused],
    names: dict[str, NewOrder],
    new: list[NewOrder],
) -> dict[str, object]:
    if isinstance(order, Problem):
        return {"problem": order.to_json()}
    name = order.client_order_id
    answer: dict[str, object] = {} if name is None else {"clientOrderId": name}
    earlier: Accepted | Reused | NewOrder | None = taken.get(order.id) or names.get(name or "")
    match earlier:
        case None:
            new.append(order)
            if name is not None:
                names[name] = order
            return {"orderId": str(order.id), **answer}
        case Accepted(id=order_id):
            return {"orderId": str(order_id), **answer, "replayed": True}
        case NewOrder(id=order_id) if earlier.request_hash == order.request_hash:
            return {"orderId": str(order_id), **answer, "replayed": True}
        case Reused():
            return {"problem": problem_of(earlier).to_json()}
        case NewOrder():
            reason = f"clientOrderId {name!r} already names another order of this batch"
            error = Reused("client_order_id_reused", reason)
            return {"problem": problem_of(error).to_json()}


async def _store(api: Api, call: Call, new_batch: NewBatch, places: _Places) -> Answer:
    front = api.front
    cursor = stream_cursor(front.journal_id, await front.feed.head())
    path = f"/api/orders/stream?batchId={new_batch.id}&after={cursor}"
    response = encode(
        {
            "batchId": str(new_batch.id),
            "accepted": len(places.answers) - places.refused,
            "refused": places.refused,
            "ws_url": call.socket_url(path),
            "orders": places.answers,
        }
    )
    new_batch = new_batch._replace(response=response)
    # Shielded: to break off a transaction may take longer than the transaction.
    storing = asyncio.shield(front.intake.accept_batch(new_batch, places.new))
    earlier = await _told(storing)
    if earlier is not None:
        return Answer(202, earlier, REPEATED)
    api.gate.took(len(places.new))
    await front.jobs.send([order.id for order in places.new], by="intake")
    return Answer(202, response)


def _nothing_new(places: _Places) -> Answer:
    """Every place is a repeat or refused; refused as a whole if there is no repeat."""
    if places.refused == len(places.answers):
        detail = "no order of the batch is valid; orders tells why, each in its place"
        raise Problem(422, "batch_refused", detail, members={"orders": places.answers})
    body = {
        "batchId": None,
        "accepted": len(places.answers) - places.refused,
        "refused": places.refused,
        "ws_url": None,
        "orders": places.answers,
    }
    return Answer(202, encode(body), REPEATED)
