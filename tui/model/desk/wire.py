"""The types of the API's JSON that views beside the orders are made of."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from tui.model.wire import WireDifference


class WireHolding(TypedDict):
    """What a wallet holds of a token; orders in flight have ``reserved`` a part of it."""

    token: str
    held: str
    reserved: str
    free: str


class WireWallet(TypedDict):
    """A wallet and its holdings, as of ``slot``."""

    wallet: str
    slot: NotRequired[int]
    balances: list[WireHolding]


class WireBalances(TypedDict):
    """The response of `GET /api/balances`."""

    wallets: list[WireWallet]
    differences: list[WireDifference]


class WirePosition(TypedDict):
    """What fills did to a token; values in the reference token."""

    token: str
    amount: str
    fills: int
    unvaluedFills: int
    cost: str
    averageCost: str | None
    realized: str
    value: str | None
    unrealized: str | None
    price: str | None
    priceAgeMs: int | None


class WirePositions(TypedDict):
    """The response of `GET /api/positions`."""

    reference: str
    positions: list[WirePosition]
    realized: str
    networkFeeLamports: int


class WireLimits(TypedDict):
    """The response of `GET /api/limits`; amounts in the reference token."""

    limits: dict[str, int | str | list[str]]
    used: dict[str, int | str]
    left: dict[str, int | str]
    reference: str
    day: str
    isLossNear: bool
    lossState: NotRequired[str | None]


class WireBar(TypedDict):
    """The prices of a pair in one step of time in which its pools were read."""

    at: str
    open: str
    high: str
    low: str
    close: str
    slot: int


class WirePrices(TypedDict):
    """The response of `GET /api/prices`; ``step`` in seconds."""

    pair: str
    step: int
    to: str
    bars: list[WireBar]


class WireReportRow(TypedDict):
    """A row of a report, or its total."""

    key: str
    orders: dict[str, int]
    reasons: dict[str, int]
    failureReasons: NotRequired[dict[str, int]]
    """Told by servers since they tell cancellations apart."""
    fills: int
    volume: str
    savedValue: str
    slippageBps: int | str | None
    realized: str
    networkFeeLamports: int


class WireReport(TypedDict):
    """The response of `GET /api/report`."""

    reference: str
    rows: list[WireReportRow]
    total: WireReportRow


class WireFill(TypedDict):
    """A fill of `GET /api/fills`, as far as it is shown."""

    orderId: str
    pair: str
    side: str
    dex: str
    price: str
    amountIn: str
    amountOut: str
    slippageBps: str | None
    sinceAcceptedMs: int | None
    sinceSubmittedMs: int | None
    at: str
