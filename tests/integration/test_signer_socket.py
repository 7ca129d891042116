"""Hostile clients of a signer get errors, and hold nobody else back."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic_ns
from typing import Any

import pytest
from solders.keypair import Keypair

from backend.chain.signing.frames import (
    REQUEST_BYTES_MAX,
    SIZE,
    Answer,
    Frame,
    FrameBuffer,
    Request,
    SignRequest,
    encode_frame,
    encode_sign_request,
)
from backend.chain.signing.signer_client import SignerClient
from backend.chain.wallet import Wallet
from backend.config import Settings
from backend.domain.errors import Rejected, Unavailable
from backend.engine.wallets.signer_report import SIGNER_AWAY, describe_signer
from backend.signer.day_count import DayCount
from backend.signer.server import CLIENTS_MAX, SocketServer, serve_socket
from backend.signer.signatory import Signatory
from backend.venues import CPMM
from backend.venues.spl import NATIVE_MINT
from tests.unit.signer_attacks import ATTACKS
from tests.unit.signer_messages import OWNER, POLICY, SOL_UNIT, WALLET, build_route, compile_payload

GOOD = compile_payload(build_route(CPMM))
BETTER = compile_payload(build_route(CPMM, amount=SOL_UNIT + 1))
FAR_NS = 10**12


def encode_sign(message: bytes, *, deadline_ns: int | None = None, owner: bytes = b"") -> bytes:
    deadline_ns = monotonic_ns() + FAR_NS if deadline_ns is None else deadline_ns
    request = SignRequest(owner or bytes(OWNER), deadline_ns, (), message)
    return encode_frame(7, Request.SIGN, encode_sign_request(request))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path, as sockets need one."""
    with tempfile.TemporaryDirectory(prefix="signer-") as path:
        yield Path(path)


@asynccontextmanager
async def run_server(
    folder: Path, *, user_ids: Collection[int] = (), wallets: Sequence[Wallet] = (WALLET,)
) -> AsyncIterator[Path]:
    """A server with the paper wallet, for this user unless ``user_ids`` say otherwise."""
    count = DayCount(folder / "count", POLICY.day_limits, POLICY.day_lamports, lambda: 0)
    server = SocketServer(Signatory(wallets, POLICY, count), user_ids or {os.geteuid()})
    try:
        async with serve_socket(folder / "socket", server, is_shared=bool(user_ids)):
            yield folder / "socket"
    finally:
        count.close()


@asynccontextmanager
async def open_client(path: Path) -> AsyncIterator[SignerClient]:
    client = SignerClient(path)
    try:
        yield client
    finally:
        client.close()


class RawClient:
    """A connection of which a test writes the bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, data: bytes) -> Frame | None:
        """The answer to some bytes; ``None`` if the connection is closed instead."""
        buffer = FrameBuffer(65_536)
        with suppress(ConnectionError):
            self.writer.write(data)
            while (frame := buffer.take()) is None:
                if not (answer := await self.reader.read(4_096)):
                    return None
                buffer.feed(answer)
            return frame
        return None


@asynccontextmanager
async def open_raw(path: Path) -> AsyncIterator[RawClient]:
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def read_spent(client: SignerClient) -> dict[str, Any]:
    """What the wallet has spent today."""
    today: dict[str, dict[str, str]] = (await client.describe())["wallets"][0]["today"]
    return {item: int(each["spent"]) for item, each in today.items()}


async def test_nothing_that_the_policy_forbids_is_signed_nor_counted(folder: Path) -> None:
    async with run_server(folder) as path, open_raw(path) as raw, open_client(path) as client:
        for name, build in ATTACKS.items():
            answer = await raw.ask(encode_sign(compile_payload(build())))
            assert answer is not None, name
            assert answer.kind == Answer.REFUSED, name
            assert json.loads(answer.payload)["code"] == "signer_refused", name
        for request in (
            encode_sign(GOOD, deadline_ns=0),
            encode_sign(GOOD, owner=bytes(Keypair().pubkey())),
            encode_sign(b""),
            encode_sign(b"pay me"),
        ):
            answer = await raw.ask(request)
            assert answer is not None
            assert answer.kind != Answer.DONE
        assert set((await read_spent(client)).values()) == {0}
        assert (await client.describe())["signed"] == 0


async def test_what_is_signed_twice_counts_once(folder: Path) -> None:
    async with run_server(folder) as path, open_client(path) as client:
        signature = await client.sign(OWNER, GOOD)
        assert signature.verify(OWNER, GOOD)
        assert await client.sign(OWNER, GOOD) == signature
        assert SOL_UNIT in (await read_spent(client)).values()


async def test_each_wallet_signs_for_itself_and_has_a_day_of_its_own(folder: Path) -> None:
    second = Wallet(Keypair())
    async with run_server(folder, wallets=(WALLET, second)) as path, open_client(path) as client:
        first, other = await client.list_signers()
        assert (first.address, other.address) == (OWNER, second.address)
        assert (await first.request_signature(GOOD)).verify(OWNER, GOOD)
        with pytest.raises(Rejected, match="not the only one that signs"):
            await other.request_signature(GOOD)
        today = [each["today"] for each in (await client.describe())["wallets"]]
        assert [int(each[str(NATIVE_MINT)]["spent"]) for each in today] == [SOL_UNIT, 0]


async def test_a_day_permits_what_its_limit_says_and_no_more(folder: Path) -> None:
    large = compile_payload(build_route(CPMM, amount=30 * SOL_UNIT))
    async with run_server(folder) as path, open_client(path) as client:
        await client.sign(OWNER, large)
        other = compile_payload(build_route(CPMM, amount=30 * SOL_UNIT + 1))
        with pytest.raises(
            Rejected, match="permits 50 SOL a day, of which 20 are left: not 30"
        ) as refused:
            await client.sign(OWNER, other)
        assert refused.value.code == "signer_day_limit"
        await client.sign(OWNER, compile_payload(build_route(CPMM, amount=20 * SOL_UNIT)))
        with pytest.raises(Rejected, match="0 are left"):
            await client.sign(OWNER, GOOD)


@pytest.mark.parametrize(
    "data",
    [
        SIZE.pack(0),
        SIZE.pack(4),
        SIZE.pack(REQUEST_BYTES_MAX + 1),
        b"\xff" * 4_096,
        encode_frame(1, 99, b""),
        encode_frame(1, Request.SIGN, b"short"),
        encode_frame(1, Request.SIGN, bytes(40) + b"\xff" + bytes(64)),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_bytes_that_are_no_request_close_their_connection_only(
    folder: Path, data: bytes
) -> None:
    async with run_server(folder) as path, open_client(path) as client:
        await client.describe()
        async with open_raw(path) as raw:
            assert await raw.ask(data) is None
        assert (await client.describe())["signed"] == 0


async def test_clients_that_flood_or_idle_hold_nobody_back(folder: Path) -> None:
    """One asks without reading, one sends half a frame, and more are idle than may connect."""
    async with (
        run_server(folder) as path,
        open_client(path) as client,
        open_raw(path) as flood,
        open_raw(path) as half,
    ):
        await client.sign(OWNER, GOOD)
        flood.writer.write(encode_sign(b"no message") * 5_000)
        half.writer.write(encode_sign(GOOD)[:100])
        async with asyncio.TaskGroup() as group:
            connecting = [
                group.create_task(asyncio.open_unix_connection(path)) for _ in range(CLIENTS_MAX)
            ]
        assert (await client.sign(OWNER, BETTER)).verify(OWNER, BETTER)
        idle = [task.result() for task in connecting]
        assert await half.reader.read(1) == b"", "its frame never came, or others came later"
        with suppress(ConnectionError):
            while await flood.reader.read(65_536):
                pass  # its answers, until it is dropped as it did not read them
        for _, writer in idle:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def test_only_processes_of_the_users_that_are_named_may_ask(folder: Path) -> None:
    async with run_server(folder, user_ids={os.geteuid() + 1}) as path, open_client(path) as client:
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        with pytest.raises(Unavailable, match="closed the connection"):
            await client.describe()
    async with run_server(folder) as path, open_client(path) as client:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        await client.describe()


async def test_a_socket_is_taken_from_no_signer_and_left_by_none(folder: Path) -> None:
    async with run_server(folder) as path:
        inode = path.stat().st_ino
        other = SocketServer(Signatory([], POLICY, None), ())  # type: ignore[arg-type]
        with pytest.raises(Rejected, match="a signer uses it already"):
            async with serve_socket(path, other, is_shared=False):
                pass
        assert path.stat().st_ino == inode
    assert not path.exists()
    path.write_text("of somebody")
    with pytest.raises(Rejected, match="a file that is no socket"):
        async with serve_socket(path, other, is_shared=False):
            pass
    assert path.read_text() == "of somebody"
    with pytest.raises(Rejected, match="cannot be used"):
        async with serve_socket(folder / ("x" * 200), other, is_shared=False):
            pass


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"",
        encode_frame(0, Answer.DONE, b"{}"),
        encode_frame(0, Answer.DONE, b"no JSON"),
        encode_frame(0, Answer.REFUSED, b"?"),
        encode_frame(0, 9, b"{}"),
        encode_frame(5, Answer.DONE, b"{}"),
    ],
)
async def test_a_peer_that_is_no_signer_is_an_outage_for_its_client(
    folder: Path, answer: bytes
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(9)
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    path = folder / "socket"
    [(name, finding)] = await describe_signer(Settings.load(signer_socket=path))
    assert (name, finding.partition(":")[0]) == ("signer", SIGNER_AWAY)
    async with open_client(path) as client:
        with pytest.raises(Unavailable, match="No such file"):
            await client.describe()
        async with await asyncio.start_unix_server(serve, path):
            with pytest.raises(Unavailable, match="signer"):
                await client.describe()
