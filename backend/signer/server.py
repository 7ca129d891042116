"""The signer's Unix socket: who may connect, and how much each client may ask at once."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
import struct
from collections import OrderedDict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, cast

from backend.chain.signing.frames import (
    REQUEST_BYTES_MAX,
    FrameBuffer,
    FrameError,
    is_signature,
)
from backend.domain.errors import Rejected
from backend.signer import observe_signer
from backend.signer.signatory import Signatory

CLIENTS_MAX: Final = 64
REQUESTS_AT_ONCE: Final = 16
"""So many requests of a client are answered before others have their turn."""
FRAME_TIMEOUT_S: Final = 2.0
"""How long a frame that has begun may take to come, and answers to be read."""
_CREDENTIALS: Final = struct.Struct("3i")


class SocketServer:
    """Serves the processes of some users, and keeps those connections that were used last."""

    def __init__(self, signatory: Signatory, user_ids: Collection[int]) -> None:
        self.signatory: Final = signatory
        self.user_ids: Final = frozenset(user_ids)
        self._clients: OrderedDict[ClientConnection, None] = OrderedDict()

    def add(self, client: ClientConnection) -> None:
        """Take a connection in; where there are too many, the one that was idle longest goes.

        Those go first that were never given a signature: whoever only connects displaces no worker.
        """
        self._clients[client] = None
        if len(self._clients) > CLIENTS_MAX:
            useless = (each for each in self._clients if not each.has_signature)
            oldest = next(useless, next(iter(self._clients)))
            oldest.drop("there are too many clients, and this one was idle longest")

    def note_use(self, client: ClientConnection) -> None:
        """Take note that a connection was used just now."""
        if client in self._clients:
            self._clients.move_to_end(client)

    def remove(self, client: ClientConnection) -> None:
        """Forget a connection."""
        self._clients.pop(client, None)

    def close(self) -> None:
        """Close all connections."""
        for client in list(self._clients):
            client.abort()


class ClientConnection(asyncio.Protocol):
    """One client: its frames are answered in their order, a few at a time."""

    def __init__(self, server: SocketServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._buffer = FrameBuffer(REQUEST_BYTES_MAX)
        self._transport: asyncio.Transport | None = None
        self._is_scheduled = self._is_writable = False
        self._timer: asyncio.TimerHandle | None = None
        self._pid = 0
        self.has_signature = False
        """Whether it was given a signature."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the kernel who the client is."""
        self._transport, self._is_writable = cast("asyncio.Transport", transport), True
        self._pid, user_id = _read_credentials(transport)
        if user_id not in self._server.user_ids:
            observe_signer.client_refused(self._pid, user_id)
            self.abort()
            return
        self._server.add(self)

    def data_received(self, data: bytes) -> None:
        """Take what has come; nothing more is read until it is answered."""
        self._buffer.feed(data)
        if not self._is_scheduled:
            self._answer_some()

    def pause_writing(self) -> None:
        """Answer nothing more while the client does not read."""
        self._is_writable = False
        self._watch()

    def resume_writing(self) -> None:
        """Go on."""
        self._is_writable = True
        self._unwatch()
        self._answer_some()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._transport = None
        self._unwatch()
        self._server.remove(self)

    def drop(self, reason: str) -> None:
        """Close the connection, for a reason that is logged."""
        if self._transport is not None:
            observe_signer.client_dropped(self._pid, reason)
        self.abort()

    def abort(self) -> None:
        """Close the connection at once."""
        transport, self._transport = self._transport, None
        self._unwatch()
        self._server.remove(self)
        if transport is not None:
            transport.abort()

    def _answer_some(self) -> None:
        self._is_scheduled = False
        transport = self._transport
        if transport is None or not self._is_writable:
            return
        try:
            is_done = self._answer_frames(transport)
        except FrameError as error:
            self.drop(f"it sent {error}")
            return
        if is_done:
            transport.resume_reading()
        else:
            self._is_scheduled = True
            transport.pause_reading()
            self._loop.call_soon(self._answer_some)
        self._watch()

    def _answer_frames(self, transport: asyncio.Transport) -> bool:
        """Answer a few requests; returns whether none is left that has come in full."""
        answers = []
        for _ in range(REQUESTS_AT_ONCE):
            if (frame := self._buffer.take()) is None:
                break
            answer = self._server.signatory.answer(frame, self._pid)
            self.has_signature |= is_signature(frame, answer)
            answers.append(answer)
        if answers:
            self._unwatch()
            self._server.note_use(self)
            transport.write(b"".join(answers))
        return len(answers) < REQUESTS_AT_ONCE

    def _watch(self) -> None:
        """Bound the time that a frame takes which has begun to come, and answers to be read."""
        if self._transport is None or self._timer is not None:
            return
        if not self._is_writable or (self._buffer.has_rest and not self._is_scheduled):
            self._timer = self._loop.call_later(FRAME_TIMEOUT_S, self.drop, "it is too slow")

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@asynccontextmanager
async def serve_socket(path: Path, server: SocketServer, *, is_shared: bool) -> AsyncIterator[None]:
    """Serve at a Unix socket: of this user alone, or, if it ``is_shared``, of those of the server.

    The kernel says in any case who connects. Raises ``Rejected`` (``signer_socket``).
    """
    listener = _bind(path, 0o666 if is_shared else 0o600)
    inode = _find_inode(path)
    loop = asyncio.get_running_loop()
    listening = await loop.create_unix_server(lambda: ClientConnection(server), sock=listener)
    try:
        yield
    finally:
        listening.close()
        server.close()
        if _find_inode(path) == inode:
            _remove(path)


def _find_inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _bind(path: Path, mode: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        _remove_stale(path)
        listener.bind(str(path))
        path.chmod(mode)
        listener.listen(CLIENTS_MAX)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise Rejected("signer_socket", f"the socket {path} cannot be used: {reason}") from None
    finally:
        os.umask(previous)
    return listener


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on any more. Raises ``OSError`` if somebody does."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(errno.EEXIST, "there is a file that is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except TimeoutError:
            pass
    raise OSError(errno.EADDRINUSE, "a signer uses it already")


def _read_credentials(transport: asyncio.BaseTransport) -> tuple[int, int]:
    """The process and the user of a client, as the kernel has them from when it connected."""
    peer = transport.get_extra_info("socket")
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user_id, _ = _CREDENTIALS.unpack(credentials)
    return pid, user_id
