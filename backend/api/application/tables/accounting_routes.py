"""The routes of fills, positions, reports and prices."""

from __future__ import annotations

from typing import Final

from backend.api.route import Route, RouteDoc
from backend.api.routes.accounting import fills, positions, prices, reports
from backend.domain.access.scopes import Scope

_TIMES: Final = "`at` is the time at which the journal has recorded the amount of a fill, by the"

FILLS: Final = Route(
    "GET",
    "/api/fills",
    fills.list_fills,
    RouteDoc(
        "List what the chain says of confirmed orders, by default the newest first",
        "accounting",
        response="Fills",
        problem_statuses=(400, 503),
        parameters=(
            *("from (fills)", "to (fills)", "pair", "tokenIn", "tokenOut", "dex", "batchId"),
            *("parentId", "order", "limit (fills)", "cursor"),
        ),
        headers=("Link",),
        has_csv=True,
        description=f"{_TIMES} database's clock. With `Accept: text/csv` all of them, or `limit`,"
        " come as one file. A fill whose amount no node has told yet has `amountKnown: false`; once"
        " it is known, the fill comes again with a later `at`. A slice of a TWAP order is a fill of"
        " its own, with the `parentId`. `price` is in quote tokens for one token of the base of"
        " `pair`; `value` is in the reference token, null where it is not known. `fees` are what"
        " the chain showed beside `networkFeeLamports`. `saved` is what the chosen route was quoted"
        " to pay beyond the best quote passed over. Who polls gives the `completeUntil` of the"
        " first page of the last poll as `from`.",
    ),
    scopes=(Scope.READ,),
)
POSITIONS: Final = Route(
    "GET",
    "/api/positions",
    positions.get_positions,
    RouteDoc(
        "Read what fills did to each token, what that cost, and what it is worth",
        "accounting",
        response="Positions",
        problem_statuses=(503,),
        description="By average cost in the reference token; fills are booked in the order of their"
        " `at`. Deposits and withdrawals of the wallet are no fills: an `amount` below 0 was sold"
        " without having been bought, and its `cost` is what that has brought, below 0. A sale"
        " takes its share of the cost, rounded down, so that `realized` less the `cost` of all"
        " other tokens is exactly the `amount` of the reference token. A swap between two other"
        " tokens of which no value is known (`unvaluedFills`) carries the cost over. Fees of the"
        " network are apart. `value` is what the best pool pays for the whole position now, null if"
        " that is not known. A `confirmed` event of the stream changes positions.",
    ),
    scopes=(Scope.READ,),
)
REPORT: Final = Route(
    "GET",
    "/api/report",
    reports.get_report,
    RouteDoc(
        "Sum up the orders that ended in a time",
        "accounting",
        response="Report",
        problem_statuses=(400, 503),
        parameters=("from (report)", "to (report)", "by", "method"),
        has_csv=True,
        description="`orders` counts all that ended, by status: a TWAP order beside its slices."
        " `reasons` counts those without a fill by the code of their last error, or why they were"
        " cancelled; `failureReasons` only those that failed. Every sum is one of integers over the"
        " fills of `GET /api/fills` in that time, and `total` is that of `rows`; values of single"
        " fills are rounded down. `slippageBps`, how much less than quoted was paid, is weighted by"
        " value. `realized` takes all fills before `from` into account. With `Accept: text/csv` a"
        " line for each row.",
    ),
    scopes=(Scope.READ,),
)
PRICES: Final = Route(
    "GET",
    "/api/prices",
    prices.list_prices,
    RouteDoc(
        "List the prices of a pair as bars",
        "accounting",
        response="Prices",
        problem_statuses=(400, 503),
        parameters=("pair (one)", "from (prices)", "to (prices)", "step"),
        description="Prices are quote tokens for one token of the base of `pair`: what the best"
        " pool pays for the base that 100 USDC, 100 USDT, 1 SOL or 1 other quote token buy, after"
        " all fees. They are sampled from pools that are read anyway, at most twice a second; a"
        " time in which nothing was read has no bar. Bars of less than a minute are there for a"
        " day. Whoever asks has the pools of the pair read, for the next one who asks.",
    ),
    scopes=(Scope.READ,),
)
ACCOUNTING_ROUTES: Final = (FILLS, POSITIONS, REPORT, PRICES)
