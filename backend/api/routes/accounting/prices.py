"""``GET /api/prices``: the bars of a pair, of times in which its pools were read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from backend.accounting.bars import MINUTE_S, Bar
from backend.accounting.pairs import PairName, name_pair
from backend.api.context import ApiContext
from backend.api.routes.accounting.fills import read_pair
from backend.api.routes.list_parameters import parse_time
from backend.api.routes.parameters import QueryReader
from backend.api.wire.http import Request, Response, json_response
from backend.api.wire.problems import to_problem
from backend.domain.errors import EngineError, InvalidInput
from backend.domain.times import format_time
from backend.domain.tokens import TokenRegistry
from backend.triggers.offers.recent_markets import MarketKey

STEPS_S: Final = (1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400)
BARS_MAX: Final = 2_000
"""Most bars of one answer."""
BARS_DEFAULT: Final = 300


class PriceQuery(NamedTuple):
    """What a client asks of the prices of a pair: times in whole seconds since 1970."""

    pair: PairName
    start_s: int
    end_s: int
    step_s: int


async def list_prices(api: ApiContext, request: Request) -> Response:
    """The bars of a pair; its pools are read for whoever asks, if nothing else reads them."""
    query = read_price_query(request, api.services.tokens, api.services.now())
    try:
        bars = await api.services.accounts.prices.read(*query)
        await _read_market(api, query.pair)
    except EngineError as error:
        raise to_problem(error) from None
    return json_response(
        {
            "pair": str(query.pair),
            "step": query.step_s,
            "from": _format_seconds(query.start_s),
            "to": _format_seconds(query.end_s),
            "bars": [_show_bar(bar) for bar in bars],
        }
    )


def read_price_query(request: Request, tokens: TokenRegistry, now: datetime) -> PriceQuery:
    """The query of prices. Raises ``Problem`` (400)."""
    query = QueryReader(request)
    names = query.read_one("pair", lambda text: read_pair(text, tokens))
    step = query.read_one("step", _parse_step)
    start = query.read_one("from", _parse_bar_time)
    end = query.read_one("to", _parse_bar_time)
    if request.get_query_value("pair") is None:
        query.refuse("pair", "is missing: such as SOL/USDC")
    step_s = MINUTE_S if step is None else step
    end_s = _count_seconds(end or now + timedelta(seconds=1), step_s, round_up=True)
    length_s = BARS_DEFAULT * step_s
    start_s = end_s - length_s if start is None else _count_seconds(start, step_s)
    if start_s > end_s:
        query.refuse("from", "is later than to")
    elif end_s - start_s > BARS_MAX * step_s:
        query.refuse("from", f"leaves room for more than {BARS_MAX} bars: ask for a larger step")
    query.raise_errors()
    assert names is not None
    return PriceQuery(name_pair(*names), start_s, end_s, step_s)


def _parse_bar_time(text: str) -> datetime:
    at = parse_time(text)
    if not 1970 <= at.year < 3000:
        raise ValueError("must be a time between 1970 and 2999")
    return at


def _parse_step(text: str) -> int:
    steps = {str(step): step for step in STEPS_S}
    if text not in steps:
        raise ValueError(f"must be one of {', '.join(steps)}: seconds")
    return steps[text]


def _count_seconds(at: datetime, step_s: int, *, round_up: bool = False) -> int:
    """Seconds since 1970, at the beginning or the end of the bar that a time is in."""
    seconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    step = step_s * 1_000_000
    return (-(-seconds // step) if round_up else seconds // step) * step_s


async def _read_market(api: ApiContext, pair: PairName) -> None:
    """Begin to read the pools of a pair, unless they were read a moment ago; nobody waits."""
    find = api.services.tokens.find
    try:
        key = MarketKey(find(pair.base, "pair"), find(pair.quote, "pair"))
    except InvalidInput:
        return
    await api.services.markets.read([key], wait_s=0)


def _show_bar(bar: Bar) -> dict[str, object]:
    prices = (bar.open, bar.high, bar.low, bar.close)
    shown = (f"{price.normalize():f}" for price in prices)
    return {
        "at": _format_seconds(bar.start),
        **dict(zip(("open", "high", "low", "close"), shown, strict=True)),
        "slot": bar.slot,
    }


def _format_seconds(seconds: int) -> str:
    return format_time(datetime.fromtimestamp(seconds, UTC))
