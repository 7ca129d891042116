"""Query parameters, path variables and the idempotency key, parsed into what views work with.

All errors of a query string are reported together, as 400 ``invalid_parameter``. A path variable
that is not a UUID cannot name an order: 404.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from backend.accounting.pairs import parse_pair
from backend.api.delivery.event_page import EventFilter
from backend.api.wire.cursors import StreamCursor, StreamCursors
from backend.api.wire.fields import KEY_LENGTH_MAX, NAME_LENGTH_MAX, is_printable
from backend.api.wire.http import Request
from backend.api.wire.problems import FieldError, Problem, invalid_fields
from backend.api.wire.public_address import PublicAddress
from backend.domain.errors import InvalidInput
from backend.domain.lifecycle import Status
from backend.domain.quotes import Dex
from backend.domain.spelling import suggest_name
from backend.domain.times import format_time
from backend.domain.tokens import TokenRegistry
from backend.store.archive.archived_orders import ArchivedOrder

ORDER_IDS_MAX = 500
SEQ_MAX = 2**31 - 1

_REQUEST_BY_NAME: Final = {
    "batch": "POST /api/orders/batch",
    "cancel-after": "POST /api/orders/cancel-after",
    "execute": "POST /api/orders/execute",
    "open": "GET /api/orders?status=open",
    "quotes": "POST /api/quotes",
    "stats": "GET /api/stats",
    "stream": "the WebSocket /api/orders/stream",
    "by-client-id": "GET /api/orders/by-client-id/<clientOrderId>",
}
"""What may be meant by a name where the id of an order should be."""

Value = TypeVar("Value")
EnumValue = TypeVar("EnumValue", bound=StrEnum)


def parse_order_id(text: str) -> UUID:
    """The id of an order. Raises ``Problem`` (404) if the text cannot be one."""
    try:
        return parse_uuid(text)
    except ValueError:
        detail = "there is no order with this id: the id of an order is a UUID"
        meant = suggest_name(text, _REQUEST_BY_NAME)
        if meant is not None:
            detail = f"{detail}; did you mean {_REQUEST_BY_NAME[meant]}?"
        raise Problem(404, "order_not_found", detail) from None


def order_not_found(name: str = "id") -> Problem:
    """The problem of an id, or another ``name``, that no order of the caller has."""
    return Problem(404, "order_not_found", f"there is no order with this {name}")


def order_archived(archived: ArchivedOrder) -> Problem:
    """The problem of an order that was archived: where it is."""
    detail = (
        f"the order is {archived.status} since {format_time(archived.ended_at)}, and was archived:"
        f" it is in the file {archived.file}"
    )
    told = {
        "id": str(archived.id),
        "status": archived.status,
        "endedAt": format_time(archived.ended_at),
        "archivedAt": format_time(archived.archived_at),
        "archive": archived.archive,
        "file": archived.file,
    }
    return Problem(410, "order_archived", detail, members={"archived": told})


def is_client_order_id(text: str) -> bool:
    """Whether an order can have this client order id."""
    return is_printable(text, NAME_LENGTH_MAX)


class QueryReader:
    """Parses the query parameters of one request and collects their errors."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._errors: list[FieldError] = []

    def raise_errors(self) -> None:
        """Raise ``Problem`` (400) with all errors, if there are any."""
        if self._errors:
            raise invalid_fields(self._errors, 400)

    def refuse(self, name: str, reason: str, code: str = "invalid_parameter") -> None:
        """Add an error of a parameter."""
        self._errors.append(FieldError(name, code, reason))

    def read_one(self, name: str, parse: Callable[[str], Value]) -> Value | None:
        """A parameter; ``None`` if absent or invalid. ``parse`` raises ``ValueError`` (reason)."""
        text = self._request.get_query_value(name)
        return None if text is None else self._parse(name, text, parse)

    def read_many(self, name: str, parse: Callable[[str], Value]) -> list[Value]:
        """The valid values of a parameter that may be repeated or comma-separated."""
        texts = [text for value in self._request.query.get(name, ()) for text in value.split(",")]
        values = [self._parse(name, text, parse) for text in texts]
        return [value for value in values if value is not None]

    def _parse(self, name: str, text: str, parse: Callable[[str], Value]) -> Value | None:
        try:
            return parse(text)
        except InvalidInput as error:
            self.refuse(name, error.reason, error.code)
        except ValueError as error:
            code = "invalid_cursor" if "cursor" in str(error) else "invalid_parameter"
            self.refuse(name, str(error), code)
        return None


def read_stream_query(
    request: Request, cursors: StreamCursors
) -> tuple[EventFilter, StreamCursor | None]:
    """The event filter of a stream, and the cursor that it resumes after, if there is one."""
    query = QueryReader(request)
    ids = query.read_many("orderId", parse_uuid)
    if len(ids) > ORDER_IDS_MAX:
        raise invalid_fields(
            [FieldError("orderId", "invalid_parameter", f"at most {ORDER_IDS_MAX}")], 400
        )
    event_filter = EventFilter(
        owner=request.owner,
        batch_id=query.read_one("batchId", parse_uuid),
        order_ids=frozenset(ids),
        statuses=frozenset(query.read_many("status", enum_parser(Status))),
        dex=query.read_one("dex", enum_parser(Dex)),
    )
    after = query.read_one("after", cursors.parse)
    query.raise_errors()
    return event_filter, after


def read_after_seq(request: Request) -> int:
    """The ``seq`` after which to send an order's events; 0 by default."""
    query = QueryReader(request)
    after = query.read_one("after", integer_parser(0, SEQ_MAX))
    query.raise_errors()
    return after or 0


def build_next_link(address: PublicAddress, request: Request, cursor: str) -> dict[str, str]:
    """The ``Link`` header of a page that another one follows."""
    query = urlencode({**request.query, "cursor": cursor}, doseq=True)
    path = address.find_base(request).path + request.path
    return {"Link": f'<{path}?{query}>; rel="next"'}


def read_idempotency_key(request: Request) -> str | None:
    """The ``Idempotency-Key`` header, if there is one. Raises ``Problem`` (400)."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    names = [name.lower() for name, _ in request.raw_headers]
    reason = ""
    if names.count(b"idempotency-key") > 1:
        reason = "is given more than once: which of them names the request?"
    elif not is_printable(key, KEY_LENGTH_MAX):
        reason = f"must be 1 to {KEY_LENGTH_MAX} printable ASCII characters"
    if reason:
        raise invalid_fields(
            [FieldError("Idempotency-Key", "invalid_idempotency_key", reason)], 400
        )
    return key


def parse_uuid(text: str) -> UUID:
    """A UUID in its usual form. Raises ``ValueError`` (reason)."""
    try:
        value = UUID(text)
    except ValueError:
        value = None
    if value is None or str(value) != text.lower():
        raise ValueError("is not a UUID")
    return value


def integer_parser(minimum: int, maximum: int) -> Callable[[str], int]:
    """A parser of whole numbers in a range."""

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 10):
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        number = int(text)
        if not minimum <= number <= maximum:
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        return number

    return parse


def enum_parser(enumeration: type[EnumValue]) -> Callable[[str], EnumValue]:
    """A parser of the values of an enumeration, in any case."""
    members = {member.value.lower(): member for member in enumeration}

    def parse(text: str) -> EnumValue:
        member = members.get(text.lower())
        if member is None:
            raise ValueError(f"must be one of {', '.join(enumeration)}")
        return member

    return parse


def read_pair(text: str, tokens: TokenRegistry) -> tuple[str, str]:
    """The names of the two tokens of a pair. Raises ``ValueError`` or ``InvalidInput``."""
    one, other = (tokens.find_name(name, "pair") for name in parse_pair(text))
    if one == other:
        raise ValueError("is the same token twice")
    return one, other
