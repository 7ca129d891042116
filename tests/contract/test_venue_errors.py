"""How every venue classifies the errors of its program by the reaction that they permit."""

from __future__ import annotations

import pytest

from backend.domain.errors import EngineError, Rejected, Transient
from backend.venues import AMM_V4, CLMM, CPMM, DAMM_V2, DLMM
from backend.venues.venue import Venue

CPMM_ERRORS = (CPMM, (6005, "ExceededSlippage"), (6000, "NotApproved"))
AMM_V4_ERRORS = (AMM_V4, (30, "ExceededSlippage"), (22, "InvalidStatus"))
DAMM_ERRORS = (DAMM_V2, (6002, "ExceededSlippage"), (6003, "PoolDisabled"))
CLMM_ERRORS = (CLMM, (6018, "TooLittleOutputReceived"), (6000, "NotApproved"))
DLMM_ERRORS = (DLMM, (6003, "ExceededAmountSlippageTolerance"), (6042, "PoolDisabled"))
VENUE_ERRORS = [CPMM_ERRORS, DAMM_ERRORS, AMM_V4_ERRORS, CLMM_ERRORS, DLMM_ERRORS]


def make_logs(number: int, name: str) -> list[str]:
    return [
        "Program log: Instruction: Swap",
        f"Program log: AnchorError occurred. Error Code: {name}. Error Number: {number}. "
        "Error Message: …",
    ]


def assert_error(error: EngineError, kind: type[EngineError], code: str) -> None:
    assert type(error) is kind
    assert error.code == code
    assert error.reason


@pytest.mark.parametrize(("venue", "slipped", "closed"), VENUE_ERRORS)
def test_slippage_may_pass_and_a_closed_pool_may_not(
    venue: Venue, slipped: tuple[int, str], closed: tuple[int, str]
) -> None:
    number, name = slipped
    assert_error(venue.classify_error(number, make_logs(number, name)), Transient, "slippage")
    assert_error(venue.classify_error(number, []), Transient, "slippage")
    number, name = closed
    assert_error(venue.classify_error(number, make_logs(number, name)), Rejected, "pool_disabled")


@pytest.mark.parametrize(("venue", "slipped", "closed"), VENUE_ERRORS)
def test_the_name_of_an_error_counts_before_its_number(
    venue: Venue, slipped: tuple[int, str], closed: tuple[int, str]
) -> None:
    assert_error(
        venue.classify_error(slipped[0], make_logs(slipped[0], closed[1])),
        Rejected,
        "pool_disabled",
    )
    assert_error(venue.classify_error(9_999, make_logs(9_999, slipped[1])), Transient, "slippage")
    assert_error(
        venue.classify_error(slipped[0], make_logs(slipped[0], "New")), Rejected, "program_error"
    )


@pytest.mark.parametrize("venue", [CPMM, DAMM_V2, AMM_V4, CLMM, DLMM])
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (1, "insufficient_funds"),
        (17, "account_frozen"),
        (2001, "bad_accounts"),
        (2003, "bad_accounts"),
        (2006, "bad_accounts"),
        (2012, "bad_accounts"),
        (3012, "missing_account"),
        (31_337, "program_error"),
    ],
)
def test_errors_of_the_programs_below_are_final(venue: Venue, number: int, code: str) -> None:
    assert_error(
        venue.classify_error(number, ["Program log: Error: insufficient funds"]), Rejected, code
    )


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (2505, "zero_output"),
        (6002, "no_liquidity"),
        (6006, "zero_output"),
        (6007, "unsupported_mint"),
        (6008, "bad_accounts"),
        (6011, "amount_too_large"),
        (6012, "no_liquidity"),
    ],
)
def test_final_errors_of_raydium_cpmm(number: int, code: str) -> None:
    assert_error(CPMM.classify_error(number, []), Rejected, code)


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (6000, Rejected, "amount_too_large"),
        (6006, Rejected, "zero_output"),
        (6015, Transient, "slippage"),
        (6018, Rejected, "bad_instruction"),
        (6023, Rejected, "no_liquidity"),
        (6025, Rejected, "pool_disabled"),
        (6049, Rejected, "bad_instruction"),
        (6069, Rejected, "zero_output"),
    ],
)
def test_errors_of_meteora_damm_v2(number: int, kind: type[EngineError], code: str) -> None:
    assert_error(DAMM_V2.classify_error(number, []), kind, code)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (1, "bad_accounts"),
        (4, "bad_accounts"),
        (23, "bad_instruction"),
        (29, "zero_output"),
        (34, "amount_too_large"),
        (36, "no_liquidity"),
        (38, "missing_account"),
        (40, "insufficient_funds"),
        (59, "pool_disabled"),
    ],
)
def test_final_errors_of_raydium_amm_v4(number: int, code: str) -> None:
    """The program is not built with Anchor: it logs no names of errors."""
    logs = ["Program log: Error: exceeds desired slippage limit"]
    assert_error(AMM_V4.classify_error(number, logs), Rejected, code)


@pytest.mark.parametrize(
    ("number", "name", "kind", "code"),
    [
        (6001, "NotApproved", Rejected, "pool_disabled"),
        (6022, "TooLittleOutputReceived", Transient, "slippage"),
        (6022, "TooSmallInputOrOutputAmount", Rejected, "zero_output"),
        (6028, "InvalidFirstTickArrayAccount", Transient, "stale_accounts"),
        (6041, "InsufficientLiquidityForDirection", Transient, "slippage"),
        (2501, "RequireEqViolated", Transient, "slippage"),
        (2505, "RequireGtViolated", Rejected, "not_open"),
        (2506, "RequireGteViolated", Transient, "node_behind"),
    ],
)
def test_errors_of_raydium_clmm_have_one_meaning_in_every_build(
    number: int, name: str, kind: type[EngineError], code: str
) -> None:
    assert_error(CLMM.classify_error(number, make_logs(number, name)), kind, code)


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (6016, Transient, "slippage"),
        (6017, Transient, "slippage"),
        (6019, Transient, "slippage"),
        (6020, Rejected, "zero_output"),
        (6021, Rejected, "bad_accounts"),
        (6022, Rejected, "zero_output"),
        (6023, Transient, "stale_accounts"),
        (6024, Transient, "stale_accounts"),
        (6035, Transient, "stale_accounts"),
        (6036, Transient, "slippage"),
        (6038, Rejected, "amount_too_large"),
        (6050, Rejected, "bad_accounts"),
    ],
)
def test_errors_of_raydium_clmm_since_2026(number: int, kind: type[EngineError], code: str) -> None:
    assert_error(CLMM.classify_error(number, []), kind, code)


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (3005, Transient, "stale_accounts"),
        (6002, Rejected, "zero_output"),
        (6004, Transient, "slippage"),
        (6009, Transient, "stale_accounts"),
        (6012, Transient, "slippage"),
        (6018, Rejected, "amount_too_large"),
        (6027, Transient, "stale_accounts"),
        (6028, Transient, "stale_accounts"),
        (6036, Transient, "stale_accounts"),
        (6039, Rejected, "zero_output"),
        (6066, Rejected, "pool_disabled"),
        (6070, Rejected, "unsupported_mint"),
        (6104, Rejected, "zero_output"),
    ],
)
def test_errors_of_meteora_dlmm(number: int, kind: type[EngineError], code: str) -> None:
    assert_error(DLMM.classify_error(number, []), kind, code)


@pytest.mark.parametrize("venue", [CPMM, DAMM_V2, AMM_V4, CLMM])
def test_a_missing_account_is_final_unless_it_depends_on_the_price(venue: Venue) -> None:
    assert_error(venue.classify_error(3005, []), Rejected, "bad_accounts")
