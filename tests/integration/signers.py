"""Signers of their own process, for tests."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from solders.keypair import Keypair

from backend.chain.wallet import write_keypair
from backend.chain.wire import PAPER_WALLET_SEED
from backend.config import build_child_environment

PAPER_KEYPAIR: Final = Keypair.from_seed(PAPER_WALLET_SEED)
LIMITS: Final = "SOL=1000,USDC=100000"


class SignerProcess:
    """A signer that a test kills, pauses and starts again; its wallet is the paper wallet."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.socket = folder / "signer.sock"
        self.wallet = folder / "wallet.json"
        self.log = folder / "signer.log"
        self.settings: dict[str, object] = {"signer_day_limits": LIMITS, **settings}
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        env = build_child_environment(os.environ, **self.settings)
        files = ("--socket", str(self.socket), "--wallet", str(self.wallet))
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "backend.cli", "signer", *files),
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line == f"ready {self.socket}\n".encode(), self.log.read_text()

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill it, and wait until it is gone."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        await self._process.wait()

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


@asynccontextmanager
async def run_signer_process(
    *, is_started: bool = True, **settings: object
) -> AsyncIterator[SignerProcess]:
    """Run a signer, unless the test starts it; its folder has a short path, as sockets need one."""
    with tempfile.TemporaryDirectory(prefix="signer-") as folder:
        signer = SignerProcess(Path(folder), **settings)
        write_keypair(signer.wallet, PAPER_KEYPAIR)
        if is_started:
            await signer.start()
        try:
            yield signer
        finally:
            await signer.kill()
