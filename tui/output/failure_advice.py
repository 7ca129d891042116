"""Advice for error codes: the meaning for the user who placed the order, and the next action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from tui.output.failure_meanings import MEANINGS


class Advice(NamedTuple):
    """The meaning of an error code, and the recommended action."""

    meaning: str
    action: str


_RESUBMIT: Final = "R resubmits it with a fresh quote"
_WAIT: Final = "nothing was spent; wait a little, then R resubmits it"
_REPORT: Final = "nothing to be done here: show the order (Y copies it) to whoever runs the engine"

_ACTIONS: Final[Mapping[str, str]] = {
    "account_frozen": _REPORT,
    "amount_too_large": "split it into smaller orders",
    "bad_accounts": _REPORT,
    "bad_instruction": _REPORT,
    "bad_lookup_table": _REPORT,
    "bad_pool": _REPORT,
    "cancelled_by_oco": "nothing is to be done",
    "cancelled_with_parent": "nothing is to be done",
    "confidential_only": "switch that off for the account, then R resubmits it",
    "cpi_guard": "switch it off for the wallet's token account, then R resubmits it",
    "expired": "place it again with a later end",
    "fee_above_maximum": "place it again with a higher fee maximum, or wait",
    "guards_not_met": "loosen a guard, or wait for another pool",
    "insufficient_funds": "fund the wallet, then R resubmits it",
    "internal_error": _REPORT,
    "interrupted": "just wait",
    "invalid_mint": "correct the address",
    "invalid_transaction": _REPORT,
    "invalid_wallet": _REPORT,
    "memo_required": "switch that off for the account, then R resubmits it",
    "min_out_not_met": "lower the minimum, or wait for a better price",
    "mint_changed": "look at the token, then R resubmits it",
    "no_liquidity": "try a smaller amount or another pair",
    "no_pool": "choose another pair: / pair:SOL shows which ones trade",
    "no_route": "try a smaller amount or another pair",
    "no_tip_account": _WAIT,
    "node_behind": _WAIT,
    "node_error": _WAIT,
    "node_refused": _REPORT,
    "node_timeout": _WAIT,
    "node_unavailable": _WAIT,
    "nodes_disagree": _WAIT,
    "not_open": "try again once it has opened",
    "nothing_free": "fund the wallet: it waits",
    "out_of_compute": _REPORT,
    "overloaded": _WAIT,
    "partly_filled": "place the rest as a new order",
    "pool_disabled": _WAIT,
    "price_impact_too_high": (
        "split it into smaller orders, or place it with a higher price impact cap"
    ),
    "program_error": _REPORT,
    "rate_limited": _WAIT,
    "signature_failure": _REPORT,
    "signer_day_limit": (
        "R resubmits it tomorrow (UTC), or with less; who runs the signer may raise the limit"
    ),
    "signer_refused": _REPORT,
    "signer_unavailable": _WAIT,
    "slippage": f"{_RESUBMIT}; a wider slippage lets more of them pass",
    "system_error": _REPORT,
    "token_error": _REPORT,
    "transaction_refused": _REPORT,
    "transaction_too_large": "place it with fewer legs or hops",
    "unsupported_mint": "choose another token",
    "venue_timeout": _WAIT,
    "venues_unavailable": _WAIT,
    "wallet_unknown": _WAIT,
    "wrong_owner": _REPORT,
    "zero_output": "send more",
}
"""By the code; for all others ``_RESUBMIT``."""


def get_advice(code: str) -> Advice:
    """Return the advice for an error code; an unknown code gets the general advice."""
    return Advice(MEANINGS.get(code, ""), _ACTIONS.get(code, _RESUBMIT))


_REQUEST_ACTIONS: Final[Mapping[str, str]] = {
    "unauthorized": "start again with --key-file FILE, or set ORDER_ENGINE_API_KEY",
    "invalid_token": "start again with a token that is valid, by --key-file FILE",
    "insufficient_scope": "ask whoever made the key for one with this scope",
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
