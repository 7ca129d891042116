"""The memo program: text that a transaction carries, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from solders.pubkey import Pubkey

from backend.simulator.programs.context import Context, fail


def execute(ctx: Context, keys: Sequence[Pubkey], data: bytes) -> None:
    """Any UTF-8 text; every account that is named must have signed."""
    for key in keys:
        ctx.must_sign(key)
    try:
        data.decode()
    except UnicodeDecodeError:
        fail("InvalidInstructionData", "Program log: Invalid UTF-8")
