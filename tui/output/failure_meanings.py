"""The meaning of each code of an order that has failed or was withdrawn, in words.

The page has the same in ``static/client/model/desk/failure_words.js``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MEANINGS: Final[Mapping[str, str]] = {
    "account_frozen": "a token account of the wallet is frozen",
    "amount_too_large": "the pool does not hold that much",
    "bad_accounts": "the swap named an account that is not the pool's",
    "bad_instruction": "the swap could not be written for this pool",
    "bad_lookup_table": "a lookup table of the pool is not one",
    "bad_pool": "the pool's account is not what its program writes",
    "blockhash_not_found": "the node did not know the transaction's block yet",
    "cancelled_by_halt": "trading was halted, and open orders were cancelled with that",
    "cancelled_by_oco": "the other order of its pair was filled, so this one was cancelled",
    "cancelled_by_request": "it was cancelled; nothing was sent that can still land",
    "cancelled_by_timer": "the time came after which its owner wanted all orders cancelled",
    "cancelled_with_others": (
        "it was cancelled, with all others of a filter; nothing was sent that can still land"
    ),
    "cancelled_with_parent": "the order that it is a slice of was cancelled",
    "confidential_only": "the wallet's token account takes confidential transfers only",
    "cpi_guard": "the owner's CPI guard keeps programs from taking the token",
    "expired": "its time was over before it was filled",
    "failed_on_chain": "the venue's program refused the swap",
    "fee_above_maximum": "the network asks for a higher fee than the order permits",
    "guards_not_met": "no pool passes the guards of the order",
    "insufficient_funds": "the wallet holds less than the swap needs",
    "internal_error": "the engine met a fault of its own",
    "interrupted": "its worker was lost before anything was sent; it goes on",
    "invalid_mint": "the address is not that of a token",
    "invalid_transaction": "the node cannot read the transaction",
    "invalid_wallet": "the wallet's account cannot pay fees",
    "lookup_table_unknown": "the node did not know a lookup table yet",
    "memo_required": "the wallet's token account takes transfers with a memo only",
    "min_out_not_met": "no venue offers as much as your minimum out",
    "mint_changed": "the token changed while its pool was looked at",
    "missing_account": "a token account of the wallet does not exist",
    "no_liquidity": "the pool is empty",
    "no_pool": "no venue trades this pair",
    "no_route": "no venue can fill this order",
    "no_tip_account": "the block engine names no account for tips",
    "node_behind": "the Solana node lags behind the chain",
    "node_busy": "the chain was too busy to take the transaction",
    "node_error": "the Solana node failed",
    "node_refused": "the Solana node refuses the engine's requests",
    "node_timeout": "the Solana node did not answer in time",
    "node_unavailable": "the Solana node does not answer",
    "nodes_disagree": "the Solana nodes do not say the same",
    "not_landed": "the chain never took the transaction, and cannot any more: nothing was spent",
    "not_open": "the pool is not open yet",
    "nothing_free": "nothing could be sold when it triggered",
    "out_of_compute": "the swap needed more compute than was paid for",
    "overloaded": "the engine had too much to ask at once",
    "partly_filled": "only some of its slices were filled",
    "pool_disabled": "the venue has switched off swaps in this pool",
    "price_impact_too_high": (
        "the order is so large for the pools that it would move their price past the cap"
    ),
    "program_error": "the venue's program refused the swap",
    "rate_limited": "the node asks for fewer requests",
    "signature_failure": "the signature does not fit the transaction",
    "signer_day_limit": "the signer has permitted as much as it may today",
    "signer_refused": "the signer's policy does not permit the transaction",
    "signer_unavailable": "the signer does not answer",
    "slippage": "the price moved past your limit while the transaction was under way",
    "stale_accounts": "the pool moved on while the swap was written",
    "system_error": "the system program refused a transfer of SOL",
    "token_error": "a token program refused a transfer",
    "transaction_refused": "the chain refused the transaction",
    "transaction_too_large": "the route has too many swaps for one transaction",
    "unfilled": "none of its slices were filled",
    "unsupported_mint": "the token has an extension that swaps do not support",
    "venue_timeout": "the venue did not answer in time",
    "venues_unavailable": "no venue could be asked for a price",
    "wallet_unknown": "the wallet's balances could not be read",
    "wrong_owner": "a token account belongs to somebody else",
    "zero_output": "the amount is so small that nothing would be paid out",
}
