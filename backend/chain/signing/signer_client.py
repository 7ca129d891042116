"""Clients of a signer of its own process: one connection over its Unix socket for all wallets.

What is asked before an answer has come is asked beside it. A signer that does not answer in time
loses its connection, as do all who wait on it; the next request makes a new one.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final, cast

from solders.pubkey import Pubkey
from solders.signature import Signature

from backend.chain.signing.frames import (
    ANSWER_BYTES_MAX,
    Answer,
    Frame,
    FrameBuffer,
    FrameError,
    Request,
    SignRequest,
    encode_frame,
    encode_sign_request,
)
from backend.chain.signing.signer import SIGNER_REFUSED, SIGNER_UNAVAILABLE
from backend.domain.errors import EngineError, Rejected, Unavailable
from backend.runtime import observe_node

ANSWER_TIMEOUT_S: Final = 2.0
_SIGNATURE_BYTES: Final = 64
_NUMBERS: Final = 1 << 32


class _Connection(asyncio.Protocol):
    """The frames of one connection."""

    def __init__(self) -> None:
        self._buffer = FrameBuffer(ANSWER_BYTES_MAX)
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._numbers = count()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer.feed(data)
        try:
            while (frame := self._buffer.take()) is not None:
                answer = self._waiting.pop(frame.number, None)
                if answer is not None and not answer.done():
                    answer.set_result(frame)
        except FrameError:
            self.close("its answer is malformed")

    def connection_lost(self, exc: Exception | None) -> None:
        self.close("it has closed the connection")

    def close(self, reason: str) -> None:
        """Close it, for a reason that those who wait get."""
        transport, self.transport = self.transport, None
        if transport is not None:
            transport.abort()
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(_make_unavailable(reason))

    async def ask(self, kind: Request, payload: bytes) -> Frame:
        """Ask, and return the answer. Raises ``Unavailable``."""
        if self.transport is None:
            raise _make_unavailable("it has closed the connection")
        number = next(self._numbers) % _NUMBERS
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self.transport.write(encode_frame(number, kind, payload))
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answer
        except TimeoutError:
            reason = f"it does not answer within {ANSWER_TIMEOUT_S:g} s"
            self.close(reason)
            raise _make_unavailable(reason) from None
        finally:
            self._waiting.pop(number, None)


class SignerClient:
    """Asks the signer at a Unix socket; connects when it is asked for something."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()

    async def describe(self) -> Mapping[str, Any]:
        """What the signer says of itself: its ``wallets``, and what it permits.

        Raises ``Unavailable`` (``signer_unavailable``).
        """
        answer = await self._ask(Request.DESCRIBE, b"")
        try:
            description = json.loads(answer)
        except ValueError:
            description = None
        if not isinstance(description, dict) or not isinstance(description.get("wallets"), list):
            raise _make_unavailable("its description is malformed")
        return description

    async def list_signers(self) -> Sequence[RemoteSigner]:
        """The wallets that it signs for, the main one first. Raises ``Unavailable``."""
        wallets = (await self.describe())["wallets"]
        return [RemoteSigner(self, Pubkey.from_string(each["address"])) for each in wallets]

    async def sign(
        self, address: Pubkey, message: bytes, mints: Sequence[Pubkey] = ()
    ) -> Signature:
        """Have a message signed with the key of an address; see ``Signer``.

        Raises ``Rejected`` with the code of the policy, and ``Unavailable``.
        """
        deadline_ns = monotonic_ns() + int(ANSWER_TIMEOUT_S * 1e9)
        request = SignRequest(bytes(address), deadline_ns, [*map(bytes, mints)], message)
        signature = await self._ask(Request.SIGN, encode_sign_request(request))
        if len(signature) != _SIGNATURE_BYTES:
            raise _make_unavailable("its signature is malformed")
        return Signature(signature)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close("the client has closed the connection")

    async def _ask(self, kind: Request, payload: bytes) -> bytes:
        connection = self._connection
        if connection is None or connection.transport is None:
            connection = await self._connect()
        answer = await connection.ask(kind, payload)
        if answer.kind == Answer.DONE:
            return answer.payload
        error = _decode_refusal(answer)
        if isinstance(error, Rejected):
            observe_node.signature_refused(error.code, error.reason)
        raise error

    async def _connect(self) -> _Connection:
        async with self._connecting:
            if self._connection is not None and self._connection.transport is not None:
                return self._connection
            loop = asyncio.get_running_loop()
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    path = str(self.path)
                    _, self._connection = await loop.create_unix_connection(_Connection, path)
            except (
                OSError,
                ValueError,
            ) as error:  # a path may be too long, a timeout is an OSError
                reason = getattr(error, "strerror", None) or "it does not accept the connection"
                raise _make_unavailable(f"{reason}: {self.path}") from None
            return self._connection


class RemoteSigner:
    """The key of one wallet, which a signer of its own process has."""

    __slots__ = ("_client", "address")

    def __init__(self, client: SignerClient, address: Pubkey) -> None:
        self._client = client
        self.address: Final[Pubkey] = address

    def __repr__(self) -> str:
        return f"RemoteSigner({self.address})"

    async def request_signature(self, message: bytes, mints: Sequence[Pubkey] = ()) -> Signature:
        """Have the bytes of a message signed; raises as ``Signer`` does."""
        return await self._client.sign(self.address, message, mints)


def _decode_refusal(answer: Frame) -> EngineError:
    try:
        refusal = json.loads(answer.payload)
        code, reason = str(refusal["code"]), str(refusal["reason"])
    except (ValueError, TypeError, KeyError):
        return _make_unavailable("its answer is malformed")
    if answer.kind == Answer.REFUSED:
        return Rejected(code or SIGNER_REFUSED, reason)
    return Unavailable(SIGNER_UNAVAILABLE, reason)


def _make_unavailable(reason: str) -> Unavailable:
    return Unavailable(SIGNER_UNAVAILABLE, f"the signer is not available: {reason}")
