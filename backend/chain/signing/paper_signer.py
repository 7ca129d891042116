"""A signer of the paper wallet, for the simulated node: what `up` and trials start it with."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from solders.keypair import Keypair

from backend.chain.wallet import write_keypair
from backend.chain.wire import PAPER_WALLET_SEED

SIGNER: Final = "signer"
SETTINGS: Final[Mapping[str, str]] = {
    "signer_day_limits": "SOL=1000000000,*",
    "signer_day_fees_sol": "1000",
}
"""Orders sell every token, and none of them reaches a limit."""
_PATH_BYTES_MAX: Final = 100
"""The longest path of a socket, about."""


@dataclass(frozen=True, slots=True)
class SignerFiles:
    """The files of a signer over one data directory."""

    socket: Path
    wallet: Path

    @property
    def argv(self) -> tuple[str, ...]:
        """The command line, without the program."""
        return SIGNER, "--socket", str(self.socket), "--wallet", str(self.wallet)


def prepare_signer(data_dir: Path) -> SignerFiles:
    """Write the wallet, unless it is there, and choose where the signer listens.

    It says so in a line of words, so that blanks are not for its path.
    """
    wallet = data_dir / "paper-wallet.json"
    if not wallet.exists():
        write_keypair(wallet, Keypair.from_seed(PAPER_WALLET_SEED))
    socket = data_dir / "signer.sock"
    if len(os.fsencode(socket)) > _PATH_BYTES_MAX or len(str(socket).split()) > 1:
        socket = Path(tempfile.mkdtemp(prefix="signer-")) / "signer.sock"
    return SignerFiles(socket, wallet)
