"""How the swap programs fail: the numbers and the log lines of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Never

from backend.simulator.programs.context import fail


@dataclass(frozen=True, slots=True)
class SwapError:
    """An error of a program: its number, and the line that it logs."""

    number: int
    log_line: str

    def fail(self) -> Never:
        """Fail the instruction."""
        fail(self.number, self.log_line)


def _anchor_error(number: int, name: str, text: str) -> SwapError:
    """An error of a program that is built with Anchor, which logs its name."""
    return SwapError(
        number,
        f"Program log: AnchorError occurred. Error Code: {name}. "
        f"Error Number: {number}. Error Message: {text}.",
    )


def _native_error(number: int, text: str) -> SwapError:
    """An error of a program that is not built with Anchor."""
    return SwapError(number, f"Program log: Error: {text}")


SLIPPAGE: Final = "slippage"
BAD_INSTRUCTION: Final = "bad_instruction"
BAD_ACCOUNTS: Final = "bad_accounts"
NO_SIGNER: Final = "no_signer"
NO_ACCOUNT: Final = "no_account"
ACCOUNTS_MISSING: Final = "accounts_missing"
ZERO_INPUT: Final = "zero_input"
AMOUNT_TOO_LARGE: Final = "amount_too_large"

_REQUIRE_GT_VIOLATED: Final = _anchor_error(
    2505, "RequireGtViolated", "A require_gt expression was violated"
)
_ANCHOR_ERRORS: Final = {
    BAD_INSTRUCTION: _anchor_error(
        101, "InstructionFallbackNotFound", "Fallback functions are not supported"
    ),
    BAD_ACCOUNTS: _anchor_error(2012, "ConstraintAddress", "An address constraint was violated"),
    NO_SIGNER: _anchor_error(3010, "AccountNotSigner", "The given account did not sign"),
    NO_ACCOUNT: _anchor_error(
        3012,
        "AccountNotInitialized",
        "The program expected this account to be already initialized",
    ),
}

_DAMM_SLIPPAGE: Final = _anchor_error(6002, "ExceededSlippage", "Exceeded slippage tolerance")
_DAMM_DISABLED: Final = _anchor_error(6003, "PoolDisabled", "Pool disabled")
_CPMM_NOT_APPROVED: Final = _anchor_error(6000, "NotApproved", "Not approved")
_AMM_V4_STATUS: Final = _native_error(22, "The invalid status")
_AMM_V4_INPUT: Final = _native_error(29, "InvalidInput")
_CLMM_TOO_SMALL: Final = _anchor_error(
    6022, "TooSmallInputOrOutputAmount", "Swap input or output amount is too small"
)
_DLMM_DISABLED: Final = _anchor_error(6042, "PoolDisabled", "Pool disabled")

SWAP_ERRORS: Final[Mapping[str, Mapping[str, SwapError]]] = {
    "cpmm": {
        **_ANCHOR_ERRORS,
        SLIPPAGE: _anchor_error(6005, "ExceededSlippage", "Exceeds desired slippage limit"),
        "pool_disabled": _CPMM_NOT_APPROVED,
        "not_open": _CPMM_NOT_APPROVED,
        ZERO_INPUT: _REQUIRE_GT_VIOLATED,
        "zero_output": _REQUIRE_GT_VIOLATED,
        "no_liquidity": _anchor_error(6012, "InsufficientVault", "Insufficient vault"),
        AMOUNT_TOO_LARGE: _anchor_error(6011, "MathOverflow", "Math overflow"),
    },
    "damm_v2": {
        **_ANCHOR_ERRORS,
        SLIPPAGE: _DAMM_SLIPPAGE,
        "pool_disabled": _DAMM_DISABLED,
        "not_open": _DAMM_DISABLED,
        ZERO_INPUT: _anchor_error(6006, "AmountIsZero", "Amount is zero"),
        "zero_output": _DAMM_SLIPPAGE,
        "no_liquidity": _anchor_error(6023, "InsufficientLiquidity", "Insufficient liquidity"),
        AMOUNT_TOO_LARGE: _anchor_error(6015, "PriceRangeViolation", "Price range is violated"),
    },
    "amm_v4": {
        BAD_INSTRUCTION: _native_error(23, "InvalidInstruction"),
        BAD_ACCOUNTS: _native_error(1, "InvalidProgramAddress"),
        NO_SIGNER: _native_error(16, "InvalidSignAccount"),
        NO_ACCOUNT: _native_error(38, "InvalidSplTokenProgram"),
        SLIPPAGE: _native_error(30, "exceeds desired slippage limit"),
        "pool_disabled": _AMM_V4_STATUS,
        "not_open": _AMM_V4_STATUS,
        ZERO_INPUT: _AMM_V4_INPUT,
        "zero_output": _AMM_V4_INPUT,
        "no_liquidity": _native_error(36, "CheckedEmptyFunds"),
        AMOUNT_TOO_LARGE: _native_error(41, "ConversionFailure"),
    },
    "clmm": {
        **_ANCHOR_ERRORS,
        SLIPPAGE: _anchor_error(6018, "TooLittleOutputReceived", "Too little output received"),
        "pool_disabled": _anchor_error(6000, "NotApproved", "Not approved"),
        "not_open": _REQUIRE_GT_VIOLATED,
        ZERO_INPUT: _anchor_error(
            6020, "ZeroAmountSpecified", "Swap special amount can not be zero"
        ),
        "zero_output": _CLMM_TOO_SMALL,
        "no_liquidity": _anchor_error(6016, "LiquidityInsufficient", "Liquidity insufficient"),
        AMOUNT_TOO_LARGE: _anchor_error(6038, "CalculateOverflow", "Calculate overflow"),
        ACCOUNTS_MISSING: _anchor_error(
            6023, "NotEnoughTickArrayAccount", "Not enough tick array account"
        ),
    },
    "dlmm": {
        **_ANCHOR_ERRORS,
        SLIPPAGE: _anchor_error(
            6003, "ExceededAmountSlippageTolerance", "Exceeded amount slippage tolerance"
        ),
        "pool_disabled": _DLMM_DISABLED,
        "not_open": _DLMM_DISABLED,
        ZERO_INPUT: _anchor_error(6002, "InvalidInput", "Invalid input data"),
        "zero_output": _anchor_error(
            6039, "InsufficientOutAmount", "Insufficient amount in for minimum out"
        ),
        "no_liquidity": _anchor_error(
            6012, "PairInsufficientLiquidity", "Pair insufficient liquidity"
        ),
        AMOUNT_TOO_LARGE: _anchor_error(6018, "MathOverflow", "Math operation overflow"),
        ACCOUNTS_MISSING: _anchor_error(
            3005, "AccountNotEnoughKeys", "Not enough account keys given to the instruction"
        ),
    },
}
"""The errors of each program, by its name, then by the code with which a pool refuses a swap, or by
what is wrong.
"""
