"""Signed transactions, and what a block tells of them."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import Message, MessageV0, to_bytes_versioned

from backend.domain.orders import SignedTransaction

KEYPAIR = Keypair.from_seed(bytes([3] * 32))
PAYER = KEYPAIR.pubkey()


def sign(message: Message | MessageV0) -> SignedTransaction:
    payload = to_bytes_versioned(message)
    signature = KEYPAIR.sign_message(payload)
    return SignedTransaction(str(signature), b"\x01" + bytes(signature) + payload, 700)


SIGNED = sign(MessageV0.try_compile(PAYER, [], [], Hash.default()))
OTHER = sign(MessageV0.try_compile(PAYER, [], [], Hash.new_unique()))
META: dict[str, Any] = {"err": None, "fee": 5_000, "preBalances": [9_000], "postBalances": [4_000]}


def encode(wire: bytes) -> list[str]:
    return [b64encode(wire).decode(), "base64"]


def make_content(wire: bytes = SIGNED.wire, **meta: Any) -> dict[str, Any]:
    return {"transaction": encode(wire), "meta": META | meta, "version": 0}
