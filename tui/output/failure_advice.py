"""Advice for error codes: the meaning for the user who placed the order, and the next action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Advice(NamedTuple):
    """The meaning of an error code, and the recommended action."""

    meaning: str
    action: str


_RESUBMIT: Final = "R resubmits it with a fresh quote"
_WAIT: Final = "nothing was spent; wait a little, then R resubmits it"
_REPORT: Final = "nothing to be done here: show the order (Y copies it) to whoever runs the engine"

_ADVICE_BY_CODE: Final[Mapping[str, Advice]] = {
    "slippage": Advice(
        "the price moved past your limit while the transaction was under way",
        f"{_RESUBMIT}; a wider slippage lets more of them pass",
    ),
    "min_out_not_met": Advice(
        "no venue offers as much as your minimum out",
        "lower the minimum, or wait for a better price",
    ),
    "price_impact_too_high": Advice(
        "the order is so large for the pools that it would move their price past the cap",
        "split it into smaller orders, or place it with a higher price impact cap",
    ),
    "not_landed": Advice(
        "the chain never took the transaction, and cannot any more: nothing was spent", _RESUBMIT
    ),
    "venues_unavailable": Advice("no venue could be asked for a price", _WAIT),
    "venue_timeout": Advice("the venue did not answer in time", _WAIT),
    "no_pool": Advice(
        "no venue trades this pair", "choose another pair: / pair:SOL shows which ones trade"
    ),
    "no_route": Advice("no venue can fill this order", "try a smaller amount or another pair"),
    "no_liquidity": Advice("the pool is empty", "try a smaller amount or another pair"),
    "not_open": Advice("the pool is not open yet", "try again once it has opened"),
    "pool_disabled": Advice("the venue has switched off swaps in this pool", _WAIT),
    "amount_too_large": Advice("the pool does not hold that much", "split it into smaller orders"),
    "zero_output": Advice("the amount is so small that nothing would be paid out", "send more"),
    "insufficient_funds": Advice(
        "the wallet holds less than the swap needs", "fund the wallet, then R resubmits it"
    ),
    "nothing_free": Advice("nothing could be sold when it triggered", "fund the wallet: it waits"),
    "account_frozen": Advice("a token account of the wallet is frozen", _REPORT),
    "cpi_guard": Advice(
        "the owner's CPI guard keeps programs from taking the token",
        "switch it off for the wallet's token account, then R resubmits it",
    ),
    "memo_required": Advice(
        "the wallet's token account takes transfers with a memo only",
        "switch that off for the account, then R resubmits it",
    ),
    "confidential_only": Advice(
        "the wallet's token account takes confidential transfers only",
        "switch that off for the account, then R resubmits it",
    ),
    "missing_account": Advice("a token account of the wallet does not exist", _RESUBMIT),
    "rate_limited": Advice("the node asks for fewer requests", _WAIT),
    "node_unavailable": Advice("the Solana node does not answer", _WAIT),
    "node_behind": Advice("the Solana node lags behind the chain", _WAIT),
    "node_busy": Advice("the chain was too busy to take the transaction", _RESUBMIT),
    "node_error": Advice("the Solana node failed", _WAIT),
    "blockhash_not_found": Advice("the node did not know the transaction's block yet", _RESUBMIT),
    "out_of_compute": Advice("the swap needed more compute than was paid for", _REPORT),
    "failed_on_chain": Advice("the venue's program refused the swap", _RESUBMIT),
    "program_error": Advice("the venue's program refused the swap", _REPORT),
    "interrupted": Advice("its worker was lost before anything was sent; it goes on", "just wait"),
    "cancelled_by_request": Advice(
        "it was cancelled; nothing was sent that can still land", _RESUBMIT
    ),
    "cancelled_with_others": Advice(
        "it was cancelled, with all others of a filter; nothing was sent that can still land",
        _RESUBMIT,
    ),
    "signer_refused": Advice("the signer's policy does not permit the transaction", _REPORT),
    "signer_day_limit": Advice(
        "the signer has permitted as much as it may today",
        "R resubmits it tomorrow (UTC), or with less; who runs the signer may raise the limit",
    ),
    "signer_unavailable": Advice("the signer does not answer", _WAIT),
    "internal_error": Advice("the engine met a fault of its own", _REPORT),
}


def get_advice(code: str) -> Advice:
    """Return the advice for an error code; an unknown code gets the general advice."""
    return _ADVICE_BY_CODE.get(code, Advice("", _RESUBMIT))


_REQUEST_ACTIONS: Final[Mapping[str, str]] = {
    "unauthorized": "start again with --key-file FILE, or set ORDER_ENGINE_API_KEY",
    "invalid_token": "start again with a token that is valid, by --key-file FILE",
    "not_permitted": "ask whoever made the key for one with this scope",
    "address_not_allowed": "use the key from an address that it is for",
    "rate_limited": "wait, then send the rest",
    "unreachable": "send the rest once the engine answers again",
    "unknown_token": "correct the pair",
    "reports_busy": "it is asked again in a few seconds",
    "positions_not_ready": "they are asked for again in a few seconds",
}


def describe_request_problem(code: str, reason: str) -> str:
    """Say in one line why a request was refused, and what to do if that is known."""
    return f"{reason} ({code}){explain_next(code)}"


def explain_next(code: str) -> str:
    """What to do about a refused request, to stand behind its reason; empty if nobody knows."""
    action = _REQUEST_ACTIONS.get(code)
    return "" if action is None else f"; {action}"
