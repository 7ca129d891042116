"""The errors of Raydium CLMM by the reaction that they permit.

Their numbers are those since 2026-04-21. Before, most were higher by up to 5, so that one number
has two meanings; the names in the logs have one.
"""

from __future__ import annotations

from typing import Final

from backend.domain.errors import Transient
from backend.venues.program_errors import (
    ProgramError,
    ProgramErrors,
    final_error,
    slippage_error,
)

_TOO_SMALL: Final = "the amount is too small: the pool would pay nothing"
_TOO_LARGE: Final = "the amount is too large for the pool"


def _stale_error(number: int, name: str) -> ProgramError:
    """An error of tick arrays that another read of the pool names anew."""
    reason = "the price has moved beyond the tick arrays that were named"
    return ProgramError(number, name, Transient, "stale_accounts", reason)


def _depth_error(number: int, name: str) -> ProgramError:
    """A new quote shows whether the price moved away or the amount is too large in any case."""
    return ProgramError(number, name, Transient, "slippage", "the pool's liquidity has moved away")


PROGRAM_ERRORS: Final = ProgramErrors(
    slippage_error(6017, "PriceSlippageCheck"),
    slippage_error(6018, "TooLittleOutputReceived"),
    slippage_error(6019, "TooMuchInputPaid"),
    _depth_error(6016, "LiquidityInsufficient"),
    _depth_error(6036, "InsufficientLiquidityForDirection"),
    # The whole amount could not be swapped.
    _depth_error(2501, "RequireEqViolated"),
    _stale_error(6023, "NotEnoughTickArrayAccount"),
    _stale_error(6024, "InvalidFirstTickArrayAccount"),
    _stale_error(6035, "MissingTickArrayBitmapExtensionAccount"),
    ProgramError(
        2506, "RequireGteViolated", Transient, "node_behind", "the node's clock is behind the pool"
    ),
    final_error(2505, "RequireGtViolated", "not_open", "the pool is not open yet"),
    final_error(
        6000, "NotApproved", "pool_disabled", "swaps are switched off in this pool, or not open yet"
    ),
    final_error(6009, "InvalidTickArray", "bad_accounts", "a tick array is not the pool's"),
    final_error(6011, "SqrtPriceLimitOverflow", "bad_instruction", "the price limit is no price"),
    final_error(6020, "ZeroAmountSpecified", "zero_output", _TOO_SMALL),
    final_error(6021, "InvalidInputPoolVault", "bad_accounts", "a vault is not the pool's"),
    final_error(6022, "TooSmallInputOrOutputAmount", "zero_output", _TOO_SMALL),
    final_error(6034, "NotSupportMint", "unsupported_mint", "the pool does not support the token"),
    final_error(6037, "MaxTokenOverflow", "amount_too_large", _TOO_LARGE),
    final_error(6038, "CalculateOverflow", "amount_too_large", _TOO_LARGE),
    final_error(
        6039,
        "TransferFeeCalculateNotMatch",
        "unsupported_mint",
        "the token's transfer fee is not what the program expects",
    ),
    final_error(
        6050,
        "InvalidTickArrayBitmapExtensionAccount",
        "bad_accounts",
        "the bitmap extension is not the pool's",
    ),
)
