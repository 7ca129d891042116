"""The memo program: accepts any UTF-8 text and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from solders.pubkey import Pubkey

from backend.simulator.programs.context import TransactionContext, fail


def execute(ctx: TransactionContext, keys: Sequence[Pubkey], data: bytes) -> None:
    """Check a memo: valid UTF-8, and every account of the instruction has signed."""
    for key in keys:
        ctx.require_signer(key)
    try:
        data.decode()
    except UnicodeDecodeError:
        fail("InvalidInstructionData", "Program log: Invalid UTF-8")
