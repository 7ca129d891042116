"""The query parameters of the list of orders."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from backend.api.routes.parameters import (
    QueryReader,
    enum_parser,
    integer_parser,
    is_client_order_id,
    parse_uuid,
)
from backend.api.wire.cursors import parse_list_cursor
from backend.api.wire.fields import NAME_LENGTH_MAX
from backend.api.wire.http import Request
from backend.domain import times
from backend.domain.lifecycle import OPEN_STATUSES, Status
from backend.domain.orders import OrderType
from backend.domain.quotes import Dex
from backend.domain.route_constraints import NAMES_BY_PROGRAM, PROGRAM_NAMES
from backend.domain.tokens import TokenRegistry, is_public_key
from backend.store.reads.order_lists import ListPosition, OrderFilter

LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 1_000
OPEN: Final = "open"
"""The name of all statuses that are not final, in a filter."""

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


class Direction(StrEnum):
    """The order of a list by its time."""

    ASCENDING = "asc"
    DESCENDING = "desc"


class ListQuery(NamedTuple):
    """What a client asks of the list: ``limit`` orders of a filter, behind a position."""

    filter: OrderFilter
    after: ListPosition | None
    limit: int
    is_ascending: bool

    @property
    def is_start_of_poll(self) -> bool:
        """Whether it is the first page of a list that begins at a time."""
        return self.after is None and self.filter.can_be_polled


def read_list_query(request: Request, tokens: TokenRegistry) -> ListQuery:
    """The query of a list. Raises ``Problem`` (400)."""
    query = QueryReader(request)
    which = OrderFilter(
        statuses=read_statuses(query, tuple(Status)),
        batch_id=query.read_one("batchId", parse_uuid),
        parent_id=query.read_one("parentId", parse_uuid),
        oco_group=query.read_one("ocoGroup", parse_uuid),
        dex=query.read_one("dex", enum_parser(Dex)),
        program=query.read_one("program", _parse_program),
        pool=query.read_one("pool", _parse_pool),
        token_in=query.read_one("tokenIn", lambda name: tokens.find_name(name, "tokenIn")),
        token_out=query.read_one("tokenOut", lambda name: tokens.find_name(name, "tokenOut")),
        type=query.read_one("type", enum_parser(OrderType)),
        client_order_id=query.read_one("clientOrderId", _parse_client_order_id),
        created_from=query.read_one("from", parse_time),
        created_to=query.read_one("to", parse_time),
        updated_since=query.read_one("updatedSince", parse_time),
    )
    _check_times(query, which)
    is_by_update = which.updated_since is not None
    after = query.read_one(
        "cursor", lambda cursor: parse_list_cursor(cursor, is_by_update=is_by_update)
    )
    direction = query.read_one("order", enum_parser(Direction))
    limit = query.read_one("limit", integer_parser(1, LIMIT_MAX))
    query.raise_errors()
    is_ascending = direction is Direction.ASCENDING
    return ListQuery(which, after, LIMIT_DEFAULT if limit is None else limit, is_ascending)


def read_statuses(query: QueryReader, allowed: Collection[Status]) -> tuple[Status, ...]:
    """The statuses of a filter, each once; ``open`` are all that are not final."""
    values = [status.value for status in allowed]

    def parse(text: str) -> Sequence[Status]:
        name = text.lower()
        if name == OPEN:
            return OPEN_STATUSES
        if name not in values:
            raise ValueError(f"must be one of {', '.join([OPEN, *values])}")
        return (Status(name),)

    groups = query.read_many("status", parse)
    return tuple(dict.fromkeys(status for group in groups for status in group))


def _check_times(query: QueryReader, which: OrderFilter) -> None:
    start, end = which.created_from, which.created_to
    if start is not None and end is not None and start > end:
        query.refuse("from", "is later than to")
    if which.updated_since is not None and (start is not None or end is not None):
        reason = "cannot go with from or to: a list is by time of change or by time of creation"
        query.refuse("updatedSince", reason)


def parse_time(text: str) -> datetime:
    """A time with its zone, or the beginning of a date in UTC. Raises ``ValueError`` (reason)."""
    if _DATE.fullmatch(text):
        return times.parse_time(f"{text}T00:00Z")
    try:
        # A "+" that was not encoded arrives as a blank.
        return times.parse_time(text.replace(" ", "+"))
    except ValueError as error:
        raise ValueError(f"{error}; a date, which begins in UTC, will do as well") from None


def _parse_program(text: str) -> str:
    name = text.lower()
    program = NAMES_BY_PROGRAM.get(name, name)
    if program not in PROGRAM_NAMES:
        raise ValueError(f"must be one of {', '.join(PROGRAM_NAMES)}, with its exchange or without")
    return program


def _parse_pool(text: str) -> str:
    if not is_public_key(text):
        raise ValueError("is not the address of a pool (32 bytes in base58)")
    return text


def _parse_client_order_id(text: str) -> str:
    if not is_client_order_id(text):
        raise ValueError(f"must be 1 to {NAME_LENGTH_MAX} printable ASCII characters")
    return text
