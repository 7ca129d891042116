"""The types of the API's JSON: what events, stored orders, requests and problems consist of."""

from __future__ import annotations

from typing import Any, NotRequired, Required, TypedDict


class WireQuote(TypedDict):
    """The quote of a pool for the whole amount."""

    dex: str
    program: NotRequired[str]
    pool: NotRequired[str]
    price: str
    fee: str
    amountOut: str
    priceImpact: str
    refused: NotRequired[WireRefusal]


class WireRefusal(TypedDict):
    """The reason why a quote may not be chosen."""

    code: str
    reason: str


class WireUnavailable(TypedDict):
    """A venue without a quote, and the reason."""

    dex: str
    program: NotRequired[str]
    pool: NotRequired[str]
    code: str
    reason: str


class WireLeg(TypedDict, total=False):
    """One swap of a route; ``share`` is a fraction of the order's amount in."""

    dex: Required[str]
    program: Required[str]
    pool: Required[str]
    tokenIn: Required[str]
    tokenOut: Required[str]
    amountIn: Required[str]
    amountOut: Required[str]
    share: str
    fee: str
    priceImpact: str
    minAmountOut: str


class WireFee(TypedDict):
    """What a venue keeps of one token."""

    token: str
    amount: str


class WireRoute(TypedDict, total=False):
    """A route, as in a `building` event and in a stored order.

    ``dex``, ``program`` and ``pool`` are those of the leg that pays most; ``amountOut`` is
    expected. ``improvementBps`` is against the best single pool.
    """

    dex: Required[str]
    program: str
    pool: str
    legs: list[WireLeg]
    expectedAmountOut: str
    priceImpact: str
    improvementBps: str
    quotes: Required[list[WireQuote]]
    leftOut: int
    minAmountOut: Required[str]
    venueFees: list[WireFee]
    residuals: list[WireFee]
    unavailable: list[WireUnavailable]


class WireEvent(TypedDict, total=False):
    """One event; the optional keys depend on the status."""

    orderId: Required[str]
    seq: Required[int]
    status: Required[str]
    at: Required[str]
    attempt: Required[int]
    cursor: str
    type: str
    tokenIn: str
    tokenOut: str
    amountIn: str
    slippageBps: int
    maxPriceImpactBps: int
    minAmountOut: str | None
    limitPrice: str | None
    triggerPrice: str | None
    activationPrice: str | None
    priceOf: str | None
    trailBps: int | None
    confirmations: int | None
    then: str | None
    timeInForce: str
    expiresAt: str | None
    executablePrice: str
    batchId: str | None
    parentId: str | None
    ocoGroup: str | None
    bracket: dict[str, Any] | None
    slices: int | None
    slice: int
    clientOrderId: str | None
    code: str
    reason: str
    waitMs: int
    dex: str
    program: str
    pool: str
    legs: list[WireLeg]
    expectedAmountOut: str
    priceImpact: str
    improvementBps: str
    leftOut: int
    quotes: list[WireQuote]
    unavailable: list[WireUnavailable]
    venueFees: list[WireFee]
    networkFeeLamports: int | None
    tipLamports: int
    rentLamports: int
    txHash: str
    mayLandUntil: int
    executedPrice: str | None
    amountOut: str | None
    amountKnown: bool
    slot: int


class WireOrder(TypedDict):
    """An order as `GET /api/orders` returns it."""

    orderId: str
    clientOrderId: str | None
    batchId: str | None
    type: str
    tokenIn: str
    tokenOut: str
    amountIn: str
    minAmountOut: str | None
    limitPrice: NotRequired[str | None]
    triggerPrice: NotRequired[str | None]
    activationPrice: NotRequired[str | None]
    priceOf: NotRequired[str | None]
    trailBps: NotRequired[int | None]
    confirmations: NotRequired[int | None]
    then: NotRequired[str | None]
    isTriggered: NotRequired[bool]
    timeInForce: NotRequired[str]
    expiresAt: NotRequired[str | None]
    slippageBps: int
    maxPriceImpactBps: NotRequired[int | None]
    status: str
    seq: int
    attempts: int
    dex: str | None
    route: WireRoute | None
    txHash: str | None
    amountOut: str | None
    executedPrice: str | None
    networkFeeLamports: NotRequired[int | None]
    tipLamports: NotRequired[int | None]
    rentLamports: NotRequired[int | None]
    lastError: str | None
    mayLandUntil: NotRequired[int | None]
    outage: NotRequired[WireOutage]
    cancelReason: NotRequired[str | None]
    createdAt: str
    updatedAt: str


class WireStats(TypedDict):
    """The response of `GET /api/stats`: counts as of ``cursor``."""

    at: str
    cursor: str
    total: int
    open: int
    byStatus: dict[str, int]
    stopped: NotRequired[list[str]]
    cluster: NotRequired[str]


class WireOrderTerms(TypedDict, total=False):
    """Order terms as a request sends them."""

    tokenIn: Required[str]
    tokenOut: Required[str]
    amount: Required[str]
    slippageBps: int
    maxPriceImpactBps: int
    minAmountOut: str
    type: str
    limitPrice: str
    triggerPrice: str
    activationPrice: str
    priceOf: str
    trailBps: int
    confirmations: int
    then: str
    timeInForce: str
    expiresAt: str
    clientOrderId: str
    ocoGroup: str
    bracket: dict[str, dict[str, Any]]
    slices: int
    intervalS: int
    jitterBps: int
    minLiquidity: str
    mintAuthorityRevoked: bool
    freezeAuthorityNone: bool
    maxTransferFeeBps: int
    maxFeeBps: int
    lpLockedMinBps: int
    maxPoolAgeS: int
    dexes: list[str]
    excludeDexes: list[str]
    pools: list[str]
    maxLegs: int
    maxHops: int
    looks: int


class WireOutage(TypedDict):
    """What an order waits for before anything is signed."""

    code: str
    since: str


class WireWaiting(TypedDict, total=False):
    """What a stored order says of the market while it waits, of an outage, and of its slices."""

    orderId: Required[str]
    seq: int
    outage: WireOutage
    executablePrice: str | None
    distanceBps: int | None
    bestPrice: str | None
    highestPrice: str | None
    slicesPlaced: int
    filledAmountIn: str
    leavesAmountIn: str
    amountOut: str | None
    averagePrice: str | None
    nextSliceAt: str | None


class WireDifference(TypedDict):
    """A change of a wallet's balance that no order explains, of `GET /api/balances`."""

    at: str
    wallet: str
    token: str
    amount: str


class WireProblem(TypedDict, total=False):
    """An error response (RFC 9457)."""

    title: str
    status: int
    detail: str
    code: str
    instance: str
    errors: list[dict[str, str]]
    orders: list[Any]
    order: WireOrder
    executablePrice: str


class WireBatchEntry(TypedDict, total=False):
    """The result for one order of a batch: an order id or a problem."""

    orderId: str
    clientOrderId: str
    replayed: bool
    problem: WireProblem
