"""Writes the keypairs of wallets as ``solana-keygen`` does."""

from __future__ import annotations

import json
from pathlib import Path

from solders.keypair import Keypair


def write_keypair(path: Path, keypair: Keypair) -> None:
    """Write a keypair to a new file that only its owner can read."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(json.dumps(list(bytes(keypair))))
