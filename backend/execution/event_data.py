"""The data of an order's events, as JSON for clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson

from backend.chain.outcomes import Fill
from backend.domain.amounts import (
    Price,
    Token,
    TransactionCosts,
    amounts_to_json,
    format_amount,
    format_slippage,
)
from backend.domain.errors import EngineError
from backend.domain.limits.measures import RouteMeasure
from backend.domain.limits.refusals import LimitExceeded
from backend.domain.orders import LeasedOrder, OrderTerms, SignedTransaction, TimeInForce
from backend.domain.tokens import KNOWN_TOKENS
from backend.execution.fill_reader import Revert
from backend.routing.route import Route

_TOKENS: Final[Mapping[str, Token]] = {token.mint: token for token in KNOWN_TOKENS}
UNFILLED_CODE = "unfilled"
"""The code of an order that its only attempt has not filled."""
INTERRUPTED: Final = {
    "code": "interrupted",
    "reason": "its worker was lost before it sent anything",
}
FUNDS_RESERVED: Final = {
    "code": "funds_reserved",
    "reason": "orders in flight had reserved what it takes of the wallet",
}
TRADING_HALTED: Final = {
    "code": "trading_halted",
    "reason": "trading was halted before anything was sent",
}
QUOTES_TOO_OLD: Final = {
    "code": "interrupted",
    "reason": "the node was unavailable for a while, so the quotes are too old",
}


def compute_price(terms: OrderTerms, amount_out: int) -> str:
    """The executed price: tokens out for one token in."""
    token_in, token_out = terms.token_in, terms.token_out
    return str(Price(terms.amount_in, token_in.decimals, amount_out, token_out.decimals))


def describe_signed(
    signed: SignedTransaction, measure: RouteMeasure | None = None
) -> dict[str, object]:
    """The data of ``submitted``; it may land up to a block height."""
    data: dict[str, object] = {
        "txHash": signed.signature,
        "mayLandUntil": signed.last_valid_height,
    }
    if measure is not None and measure.reference is not None:
        data["reference"] = measure.reference.to_json()
    return data


def describe_fill(
    order: LeasedOrder, signed: SignedTransaction, fill: Fill, price: str, route: Route | None
) -> dict[str, object]:
    """The data of ``confirmed``; ``route`` is not known after a recovery."""
    data: dict[str, object] = {
        "dex": order.dex,
        "txHash": signed.signature,
        "executedPrice": price,
        "amountOut": format_amount(fill.amount_out, order.terms.token_out.decimals),
        "slot": fill.slot,
        **describe_costs(fill.costs),
    }
    if residuals := _name_residuals(fill):
        data["residuals"] = amounts_to_json(residuals)
    if route is not None:
        data["realizedSlippage"] = format_slippage(route.amount_out, fill.amount_out)
    return data


def describe_costs(costs: TransactionCosts | None) -> dict[str, int | None]:
    """What a landed transaction has cost; ``None`` if no node has told it."""
    if costs is None:
        return {"networkFeeLamports": None}
    return {
        "networkFeeLamports": costs.network_fee,
        "priorityFeeLamports": costs.priority_fee,
        "tipLamports": costs.tip,
        "rentLamports": costs.rent,
    }


def _name_residuals(fill: Fill) -> list[tuple[Token, int]]:
    """The tokens that a route through other ones has left; it leads through listed ones only."""
    return [
        (_TOKENS[residual.mint], residual.amount)
        for residual in fill.residuals
        if residual.mint in _TOKENS
    ]


def describe_unknown_fill(
    order: LeasedOrder, signed: SignedTransaction, slot: int, route: Route | None
) -> dict[str, object]:
    """The data of ``confirmed`` when the node does not tell the fill.

    The chain enforced the minimum of the route, so at least that was received.
    """
    decimals = order.terms.token_out.decimals
    min_out = order.route_min_out
    return {
        "dex": order.dex,
        "txHash": signed.signature,
        "executedPrice": None,
        "amountOut": None,
        "amountKnown": False,
        "minAmountOut": min_out if route is None else format_amount(route.min_amount_out, decimals),
        "slot": slot,
        **describe_costs(None),
    }


def describe_failure(
    error: EngineError,
    signed: SignedTransaction | None = None,
    revert: Revert | None = None,
) -> dict[str, object]:
    """The data of ``failed``, and of ``routing`` before another attempt.

    ``revert`` is that of a transaction which landed and was reverted.
    """
    data: dict[str, object] = {"code": error.code, "reason": error.reason}
    if isinstance(error, LimitExceeded):
        data["exceeded"] = error.members
    if signed is not None:
        data["txHash"] = signed.signature
    if revert is not None:
        data |= describe_costs(revert.costs)
    return data


def describe_unfilled(
    error: EngineError,
    time_in_force: TimeInForce,
    signed: SignedTransaction | None = None,
    revert: Revert | None = None,
) -> dict[str, object]:
    """The data of ``expired`` after the only attempt of an order; as ``describe_failure``."""
    data = describe_failure(error, signed, revert)
    data["code"], data["cause"] = UNFILLED_CODE, error.code
    data["reason"] = f"{error.reason} (one attempt, as timeInForce is {time_in_force})"
    return data


def encode_json(data: Mapping[str, object]) -> str:
    """Encode event data as JSON text."""
    return orjson.dumps(data).decode()
