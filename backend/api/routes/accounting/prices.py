"""``GET /api/prices``: the bars of a pair, of times in which its pools were read."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from backend.accounting.bars import MINUTE_S
from backend.accounting.pairs import PairName, name_pair
from backend.api.context import ApiContext
from backend.api.routes.list_parameters import parse_time
from backend.api.routes.parameters import QueryReader, read_pair
from backend.api.wire.accounting.bar_json import bar_to_json, format_seconds
from backend.api.wire.http import Request, Response, json_response
from backend.api.wire.problems import to_problem
from backend.domain.errors import EngineError, InvalidInput
from backend.domain.tokens import TokenRegistry
from backend.engine.api_services import ApiServices
from backend.triggers.offers.recent_markets import MarketKey

STEPS_S: Final = (1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400)
BARS_MAX: Final = 2_000
"""Most bars of one answer."""
BARS_DEFAULT: Final = 300
STREAM_PAIRS_MAX: Final = 20
"""Most pairs whose prices one stream carries."""


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
        await read_pair_pools(api.services, [query.pair])
    except EngineError as error:
        raise to_problem(error) from None
    return json_response(
        {
            "pair": str(query.pair),
            "step": query.step_s,
            "from": format_seconds(query.start_s),
            "to": format_seconds(query.end_s),
            "bars": [bar_to_json(bar) for bar in bars],
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


async def read_pair_pools(services: ApiServices, pairs: Collection[PairName]) -> None:
    """Begin to read the pools of pairs, unless they were read a moment ago; nobody waits."""
    find = services.tokens.find
    keys = set()
    for pair in pairs:
        with suppress(InvalidInput):
            keys.add(MarketKey(find(pair.base, "pair"), find(pair.quote, "pair")))
    if keys:
        await services.markets.read(keys, wait_s=0)


def read_price_pairs(request: Request, tokens: TokenRegistry) -> frozenset[PairName]:
    """The pairs whose prices a stream carries as well. Raises ``Problem`` (400)."""
    query = QueryReader(request)
    names = query.read_many("prices", lambda text: name_pair(*read_pair(text, tokens)))
    if len(set(names)) > STREAM_PAIRS_MAX:
        query.refuse("prices", f"at most {STREAM_PAIRS_MAX} pairs")
    query.raise_errors()
    return frozenset(names)
