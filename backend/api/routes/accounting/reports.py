"""``GET /api/report``: sums over the orders that ended in a time, as JSON or CSV."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, NamedTuple

from backend.accounting.positions import CostMethod, PositionBook, TooManyLots
from backend.accounting.report import GROUPS_MAX, Grouping, Report, TooManyGroups
from backend.api.context import ApiContext
from backend.api.routes.list_parameters import parse_time
from backend.api.routes.parameters import QueryReader, enum_parser
from backend.api.wire.accounting.fill_json import CSV_CONTENT_TYPE
from backend.api.wire.accounting.report_json import encode_csv_report, report_to_json
from backend.api.wire.http import Request, Response, accepts_csv, json_response
from backend.api.wire.problems import FieldError, Problem, invalid_fields, to_problem
from backend.domain.errors import EngineError
from backend.domain.times import format_time
from backend.store.fills.ended_lists import EndFilter

PLACE_WAIT_S: Final = 30.0
"""So long a report waits for others."""


class ReportQuery(NamedTuple):
    """What a client asks of a report."""

    start: datetime | None
    end: datetime | None
    grouping: Grouping | None
    method: CostMethod


async def get_report(api: ApiContext, request: Request) -> Response:
    """The report of the caller's orders."""
    query = read_report_query(request)
    try:
        end = query.end or await api.services.orders.read_horizon()
        async with _take_place(api.services.accounts.report_places):
            report = await build_report(api, request.owner, query._replace(end=end))
    except EngineError as error:
        raise to_problem(error) from None
    except TooManyLots:
        reason = "a token has so many open lots that only the average cost can be computed"
        raise _refuse("method", reason) from None
    except TooManyGroups:
        raise _refuse("by", f"the report would have more than {GROUPS_MAX} rows") from None
    reference = api.reference
    tokens = api.services.tokens
    if accepts_csv(request):
        headers = {"Content-Disposition": 'attachment; filename="report.csv"'}
        body = encode_csv_report(report, reference, tokens)
        return Response(200, body, headers, CSV_CONTENT_TYPE)
    return json_response(
        {
            "from": None if query.start is None else format_time(query.start),
            "to": None if end is None else format_time(end),
            "by": query.grouping,
            "method": query.method,
            "reference": reference.symbol,
            **report_to_json(report, reference, tokens),
        }
    )


def read_report_query(request: Request) -> ReportQuery:
    """The query of a report. Raises ``Problem`` (400)."""
    query = QueryReader(request)
    start = query.read_one("from", parse_time)
    end = query.read_one("to", parse_time)
    grouping = query.read_one("by", enum_parser(Grouping))
    method = query.read_one("method", enum_parser(CostMethod))
    if start is not None and end is not None and start > end:
        query.refuse("from", "is later than to")
    query.raise_errors()
    return ReportQuery(start, end, grouping, method or CostMethod.AVERAGE)


async def build_report(api: ApiContext, owner: str, query: ReportQuery) -> Report:
    """Sum up the orders of an owner that ended in a time.

    All fills before are read as well: they are what positions have cost. Raises ``Transient``,
    ``TooManyLots`` and ``TooManyGroups``.
    """
    fills = api.services.accounts.fills
    report = Report(query.grouping, PositionBook(fills.reference, query.method))
    async for page in fills.read_pages(owner, EndFilter(end=query.end)):
        report.add_fills(page, query.start)
    unfilled = EndFilter(start=query.start, end=query.end)
    async for orders in fills.read_unfilled_pages(owner, unfilled):
        report.add_orders(orders)
    return report


@asynccontextmanager
async def _take_place(places: asyncio.Semaphore) -> AsyncIterator[None]:
    """Hold one of the places for reports. Raises ``Problem`` (503) if none becomes free."""
    try:
        async with asyncio.timeout(PLACE_WAIT_S):
            await places.acquire()
    except TimeoutError:
        reason = "other reports are being made: ask again"
        raise Problem(503, "reports_busy", reason, headers={"Retry-After": "5"}) from None
    try:
        yield
    finally:
        places.release()


def _refuse(name: str, reason: str) -> Problem:
    return invalid_fields([FieldError(name, "invalid_parameter", reason)], 400)
