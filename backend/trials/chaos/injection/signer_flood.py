"""A client that floods the signer, and asks for what no policy permits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from solders.hash import Hash
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer

from backend.chain.signing.signer_client import SignerClient
from backend.chain.wallet import create_paper_wallet
from backend.domain.errors import EngineError
from backend.runtime.background import run_in_background
from backend.trials.chaos.fault_kinds import Fault
from backend.trials.chaos.injection.node_control import FaultNotApplied
from backend.trials.chaos.system import EngineSystem

_THIEF: Final = Pubkey(bytes([66] * 32))
_AT_ONCE: Final = 50
_PAUSE_S: Final = 0.05


@asynccontextmanager
async def flood_signer(system: EngineSystem, fault: Fault) -> AsyncIterator[None]:
    """Ask for transfers to a thief, again and again, with connections that ask for nothing."""
    del fault
    flood = _Flood(system.signer_socket)
    async with run_in_background(flood.run):
        yield
    assert not flood.stolen, "the signer has signed a transfer to a thief"
    if not flood.refused:
        raise FaultNotApplied("the signer was asked nothing")


class _Flood:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.refused = self.stolen = 0

    async def run(self) -> None:
        client = SignerClient(self._path)
        try:
            while True:
                async with asyncio.TaskGroup() as group:
                    for lamports in range(_AT_ONCE):
                        group.create_task(self._ask(client, lamports))
                    group.create_task(self._idle())
                await asyncio.sleep(_PAUSE_S)
        finally:
            client.close()

    async def _ask(self, client: SignerClient, lamports: int) -> None:
        wallet = create_paper_wallet().address
        theft = transfer(TransferParams(from_pubkey=wallet, to_pubkey=_THIEF, lamports=lamports))
        message = MessageV0.try_compile(wallet, [theft], [], Hash.default())
        try:
            await client.sign(wallet, b"\x80" + bytes(message))
        except EngineError:
            self.refused += 1
        else:
            self.stolen += 1

    async def _idle(self) -> None:
        with suppress(OSError):
            _, writer = await asyncio.open_unix_connection(self._path)
            writer.write(b"\0\0")  # half of a size
            await asyncio.sleep(_PAUSE_S)
            writer.close()
            await writer.wait_closed()
