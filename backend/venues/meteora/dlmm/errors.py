"""The errors of Meteora DLMM by the reaction that they permit."""

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
_CLOSED: Final = "the pool is switched off or not open yet"
_UNSUPPORTED: Final = "the pool does not support the token"


def _stale_error(number: int, name: str) -> ProgramError:
    """An error of bin arrays that another read of the pool names anew."""
    reason = "the price has moved beyond the bin arrays that were named"
    return ProgramError(number, name, Transient, "stale_accounts", reason)


def _depth_error(number: int, name: str) -> ProgramError:
    """A new quote shows whether the price moved away or the amount is too large in any case."""
    return ProgramError(number, name, Transient, "slippage", "the pool's liquidity has moved away")


PROGRAM_ERRORS: Final = ProgramErrors(
    slippage_error(6003, "ExceededAmountSlippageTolerance"),
    slippage_error(6004, "ExceededBinSlippageTolerance"),
    slippage_error(6057, "NotExactAmountOut"),
    _depth_error(6012, "PairInsufficientLiquidity"),
    _depth_error(6037, "CannotFindNonZeroLiquidityBinArrayId"),
    _depth_error(6038, "BinIdOutOfBound"),
    # Too few bin arrays, or the first of them is not that of the price.
    _stale_error(3005, "AccountNotEnoughKeys"),
    _stale_error(6009, "BinArrayNotFound"),
    _stale_error(6027, "InvalidBinArray"),
    _stale_error(6028, "NonContinuousBinArrays"),
    _stale_error(6036, "BitmapExtensionAccountIsNotProvided"),
    final_error(6002, "InvalidInput", "zero_output", _TOO_SMALL),
    final_error(6010, "InvalidTokenMint", "bad_accounts", "a token account has the wrong mint"),
    final_error(6018, "MathOverflow", "amount_too_large", _TOO_LARGE),
    final_error(6019, "TypeCastFailed", "amount_too_large", _TOO_LARGE),
    final_error(6033, "MissingOracle", "bad_accounts", "an account is missing"),
    final_error(6039, "InsufficientOutAmount", "zero_output", _TOO_SMALL),
    final_error(6042, "PoolDisabled", "pool_disabled", _CLOSED),
    final_error(6043, "InvalidPoolType", "pool_disabled", "the pool does not permit this swap"),
    final_error(
        6053, "ExceedMaxSwappedAmount", "amount_too_large", "the pool limits the size of a swap"
    ),
    final_error(6066, "InvalidStatus", "pool_disabled", _CLOSED),
    final_error(6069, "NotSupportMint", "unsupported_mint", _UNSUPPORTED),
    final_error(6070, "UnsupportedMintExtension", "unsupported_mint", _UNSUPPORTED),
    final_error(6074, "InsufficientRemainingAccounts", "bad_accounts", "an account is missing"),
    final_error(6104, "InsufficientInAmount", "zero_output", _TOO_SMALL),
)
