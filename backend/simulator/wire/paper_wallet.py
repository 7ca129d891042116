"""The paper wallet: a well-known key that the simulated node funds and pays airdrops from."""

from __future__ import annotations

from typing import Final

from solders.keypair import Keypair

from backend.chain.wire import PAPER_WALLET_SEED

PAPER_WALLET: Final = Keypair.from_seed(PAPER_WALLET_SEED)
