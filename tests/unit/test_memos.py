"""The memo of a swap names its order and attempt, to whoever reads what the wallet has signed."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.transaction import VersionedTransaction

from backend.chain.memos import OrderAttempt, find_attempt, format_memo, read_attempt
from backend.venues.spl import MEMO_PROGRAM

ORDER_ID = UUID("01a22c84-9b18-7466-95a4-a6e3a5f7cc19")
WALLET, OTHER = Keypair.from_seed(bytes(32)), Keypair.from_seed(bytes([1] * 32))


def sign_memo(text: bytes, payer: Keypair = WALLET) -> bytes:
    memo = Instruction(MEMO_PROGRAM, text, [])
    message = MessageV0.try_compile(payer.pubkey(), [memo], [], Hash.default())
    return bytes(VersionedTransaction(message, [payer]))


@given(st.uuids(), st.integers(1, 2**31 - 1))
def test_a_memo_is_found_again_and_is_a_seed(order_id: UUID, attempt: int) -> None:
    memo = format_memo(order_id, attempt)
    assert len(memo) <= 32
    assert find_attempt(memo) == (order_id, attempt)
    assert find_attempt(f"[5] hello; [{len(memo)}] {memo}") == (order_id, attempt)


@given(st.text())
def test_other_memos_name_nothing(text: str) -> None:
    assert find_attempt(text) is None


def test_what_is_longer_than_a_memo_is_none() -> None:
    memo = format_memo(ORDER_ID, 3)
    for text in (f"{memo}0000000", f"{memo}.1", memo[:-2], memo.replace("oe:", "eo:")):
        assert find_attempt(text) is None


def test_only_what_the_wallet_has_signed_and_paid_for_is_an_attempt() -> None:
    memo = format_memo(ORDER_ID, 3).encode()
    wire = sign_memo(memo)
    wallet = WALLET.pubkey()
    assert read_attempt(wire, wallet) == OrderAttempt(ORDER_ID, 3)
    assert read_attempt(sign_memo(memo, OTHER), wallet) is None
    assert read_attempt(sign_memo(b"\xff\xfe"), wallet) is None
    forged = bytes([1, *bytes(64)]) + wire[65:]
    assert read_attempt(forged, wallet) is None
    for length in range(len(wire)):
        assert read_attempt(wire[:length], wallet) is None
