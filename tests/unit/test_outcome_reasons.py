"""The reasons of the chain's refusals for lack of funds: fee, rent, SOL and tokens told apart."""

from __future__ import annotations

import pytest
from solders.pubkey import Pubkey

from backend.chain.outcomes import classify_onchain_error
from backend.chain.rpc.results import read_statuses
from backend.domain.errors import Rejected
from backend.execution.confirmation.signature_search import read_result
from backend.venues import CPMM, DAMM_V2, MAINNET_VENUES
from backend.venues.spl import ATA_PROGRAM, SYSTEM_PROGRAM, TOKEN_2022_PROGRAM, TOKEN_PROGRAM


def make_logs(program: Pubkey, *lines: str, code: int = 1) -> list[str]:
    failed = f"Program {program} failed: custom program error: {code:#x}"
    return [f"Program {program} invoke [2]", *lines, failed]


def classify(err: object, logs: list[str]) -> str:
    error = classify_onchain_error(err, logs, MAINNET_VENUES.all)
    assert type(error) is Rejected
    assert error.code == "insufficient_funds"
    return error.reason


@pytest.mark.parametrize(
    ("held", "needed", "purpose", "missing"),
    [
        (890_880, 2_039_280, "rent of a token account:", "0.0011484"),
        (0, 2_039_280, "rent of a token account:", "0.00203928"),
        (10_001_000_000, 10_002_039_280, "rent of a token account besides the amount:", "0.00103"),
        (7_960_720, 10_002_039_280, "the amount and the rent of a token account:", "9.99407856"),
    ],
)
@pytest.mark.parametrize("outer", [[], make_logs(ATA_PROGRAM)[-1:]])
def test_the_system_program_says_how_much_is_held_and_needed(
    held: int, needed: int, purpose: str, missing: str, outer: list[str]
) -> None:
    line = f"Transfer: insufficient lamports {held}, need {needed}"
    logs = [*make_logs(SYSTEM_PROGRAM, line), *outer]
    reason = classify({"InstructionError": [2, {"Custom": 1}]}, logs)
    assert f"too little SOL for the {purpose}".replace("the the", "the") in reason
    assert f": {missing}" in reason


def test_without_the_figures_both_causes_are_named() -> None:
    reason = classify({"InstructionError": [2, {"Custom": 1}]}, make_logs(SYSTEM_PROGRAM))
    assert "the amount" in reason
    assert "rent" in reason


@pytest.mark.parametrize(
    ("logs", "code"),
    [
        (["Program 00000000000000000000000000000000 failed: x"], "failed_on_chain"),
        (
            make_logs(SYSTEM_PROGRAM, f"Transfer: insufficient lamports {'9' * 5_000}, need 1"),
            "insufficient_funds",
        ),
    ],
)
def test_logs_that_cannot_be_read_explain_nothing(logs: list[str], code: str) -> None:
    error = classify_onchain_error({"InstructionError": [2, {"Custom": 1}]}, logs, ())
    assert error.code == code


@pytest.mark.parametrize("err", [False, 0, [], {}, "", "\0", {"InstructionError": [0, "\0"]}])
def test_a_status_with_an_error_that_is_none_shows_no_outcome(err: object) -> None:
    value = {"slot": 7, "err": err, "confirmationStatus": "finalized"}
    good = {"slot": 7, "err": None, "confirmationStatus": "finalized"}
    statuses = read_statuses({"context": {"slot": 9}, "value": [value, good, None]}, 3)
    outcomes = [read_result(each).outcome.value for each in statuses.entries]
    assert outcomes == ["unresolved", "landed", "unresolved"]


@pytest.mark.parametrize("program", [TOKEN_PROGRAM, TOKEN_2022_PROGRAM])
def test_the_token_programs_speak_of_tokens(program: Pubkey) -> None:
    inner = make_logs(program, "Program log: Error: insufficient funds")
    logs = [*inner, *make_logs(CPMM.program)[-1:]]
    reason = classify({"InstructionError": [4, {"Custom": 1}]}, logs)
    assert reason == "the wallet does not hold the tokens that the swap sells"


def test_a_token_account_below_its_rent_lacks_sol() -> None:
    logs = make_logs(TOKEN_PROGRAM, code=0)
    assert "rent" in classify({"InstructionError": [3, {"Custom": 0}]}, logs)


@pytest.mark.parametrize("program", [CPMM.program, DAMM_V2.program])
def test_a_wallet_without_an_account_of_the_token_lacks_the_token(program: Pubkey) -> None:
    line = (
        "Program log: AnchorError caused by account: input_token_account. Error Code:"
        " AccountNotInitialized. Error Number: 3012. Error Message: The program expected this"
        " account to be already initialized."
    )
    reason = classify(
        {"InstructionError": [3, {"Custom": 3012}]}, make_logs(program, line, code=3012)
    )
    assert "no account of the token that the swap sells" in reason


@pytest.mark.parametrize(
    ("err", "words"),
    [
        ("InsufficientFundsForFee", "network fee"),
        ("AccountNotFound", "does not exist"),
        ({"InsufficientFundsForRent": {"account_index": 0}}, "the wallet would be left with less"),
        ({"InsufficientFundsForRent": {"account_index": 4}}, "an account would be left with less"),
    ],
)
def test_the_runtime_tells_the_fee_from_rent(err: object, words: str) -> None:
    assert words in classify(err, [])
