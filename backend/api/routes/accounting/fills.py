"""``GET /api/fills``: what the chain says of confirmed orders, as JSON pages or as a CSV file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import NamedTuple

import orjson

from backend.accounting.fills import FillRecord
from backend.api.context import ApiContext
from backend.api.routes.list_parameters import LIMIT_DEFAULT, LIMIT_MAX, Direction, parse_time
from backend.api.routes.parameters import (
    QueryReader,
    build_next_link,
    enum_parser,
    integer_parser,
    parse_uuid,
    read_pair,
)
from backend.api.wire.accounting.fill_json import (
    CSV_CONTENT_TYPE,
    encode_csv_fills,
    encode_csv_header,
    fill_to_json,
)
from backend.api.wire.cursors import format_list_cursor, parse_list_cursor
from backend.api.wire.http import Request, Response, accepts_csv
from backend.api.wire.problems import to_problem
from backend.domain.amounts import Token
from backend.domain.errors import EngineError
from backend.domain.quotes import Dex
from backend.domain.times import format_time
from backend.domain.tokens import TokenRegistry
from backend.store.fills.ended_lists import EndFilter
from backend.store.reads.order_lists import ListPosition


class FillQuery(NamedTuple):
    """What a client asks of its fills; without a ``limit``, a file has all."""

    filter: EndFilter
    after: ListPosition | None
    limit: int | None
    is_ascending: bool


async def list_fills(api: ApiContext, request: Request) -> Response:
    """A page of fills by the time at which they were booked, or all of them as CSV."""
    query = read_fill_query(request, api.services.tokens)
    try:
        if accepts_csv(request):
            return await _stream_csv(api, request.owner, query)
        return await _show_page(api, request, query)
    except EngineError as error:
        raise to_problem(error) from None


def read_fill_query(request: Request, tokens: TokenRegistry) -> FillQuery:
    """The query of a list of fills. Raises ``Problem`` (400)."""
    query = QueryReader(request)
    which = read_end_filter(query, tokens)
    after = query.read_one("cursor", lambda text: parse_list_cursor(text, is_by_update=True))
    direction = query.read_one("order", enum_parser(Direction))
    limit = query.read_one("limit", integer_parser(1, LIMIT_MAX))
    query.raise_errors()
    return FillQuery(which, after, limit, direction is Direction.ASCENDING)


def read_end_filter(query: QueryReader, tokens: TokenRegistry) -> EndFilter:
    """The conditions on orders that have ended; what is wrong is added to ``query``."""
    which = EndFilter(
        start=query.read_one("from", parse_time),
        end=query.read_one("to", parse_time),
        batch_id=query.read_one("batchId", parse_uuid),
        parent_id=query.read_one("parentId", parse_uuid),
        dex=query.read_one("dex", enum_parser(Dex)),
        token_in=query.read_one("tokenIn", lambda name: tokens.find_name(name, "tokenIn")),
        token_out=query.read_one("tokenOut", lambda name: tokens.find_name(name, "tokenOut")),
        pair=query.read_one("pair", lambda text: read_pair(text, tokens)),
    )
    if which.start is not None and which.end is not None and which.start > which.end:
        query.refuse("from", "is later than to")
    return which


async def _show_page(api: ApiContext, request: Request, query: FillQuery) -> Response:
    services, limit = api.services, query.limit or LIMIT_DEFAULT
    horizon = None
    if query.filter.start is not None and query.after is None:
        horizon = await services.orders.read_horizon()
    records = await services.accounts.fills.read_page(
        request.owner,
        query.filter,
        limit=limit + 1,
        after=query.after,
        is_ascending=query.is_ascending,
    )
    page, cursor = records[:limit], None
    if len(records) > limit:
        position = ListPosition(page[-1].at, page[-1].order_id)
        cursor = format_list_cursor(position, is_by_update=True)
    reference = api.reference
    body = {
        "fills": [fill_to_json(fill, reference) for fill in page],
        "next": cursor,
        "completeUntil": None if horizon is None else format_time(horizon),
    }
    headers = {} if cursor is None else build_next_link(api.public_address, request, cursor)
    return Response(200, orjson.dumps(body), headers)


async def _stream_csv(api: ApiContext, owner: str, query: FillQuery) -> Response:
    """All fills as a file, whose first page is read before the response begins."""
    pages = api.services.accounts.fills.read_pages(
        owner, query.filter, after=query.after, is_ascending=query.is_ascending
    )
    first = await anext(pages)
    stream = _write_csv(first, pages, api.reference, query.limit)
    headers = {"Content-Disposition": 'attachment; filename="fills.csv"'}
    return Response(200, b"", headers, CSV_CONTENT_TYPE, stream)


async def _write_csv(
    first: list[FillRecord],
    pages: AsyncGenerator[list[FillRecord], None],
    reference: Token,
    limit: int | None,
) -> AsyncGenerator[bytes, None]:
    yield encode_csv_header()
    left = limit
    async with aclosing(pages):
        async for page in _prepend(first, pages):
            chosen = page if left is None else page[:left]
            if chosen:
                yield encode_csv_fills(chosen, reference)
            left = None if left is None else left - len(chosen)
            if left == 0:
                return


async def _prepend(
    first: list[FillRecord], pages: AsyncIterator[list[FillRecord]]
) -> AsyncIterator[list[FillRecord]]:
    yield first
    async for page in pages:
        yield page
