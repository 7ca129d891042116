"""Listening sockets: one for each address of the host that is configured, all on one port."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from random import Random
from typing import Final
from urllib.parse import urlsplit

from backend.config import ConfigurationError
from backend.domain.errors import Rejected

BACKLOG: Final = 2_048
FREE_PORT_ATTEMPTS_MAX: Final = 20
LASTING_PORTS: Final = range(10_000, 32_000)
"""None of those that systems give to outgoing connections: one of these could be taken before
who is to listen there does, or while it is started again."""
PORT_TRIES: Final = 50
_ABSENT_ADDRESS: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Errors of an address that this machine does not have."""
_LOOPBACK_OF: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognized, not bound

_Address = tuple[socket.AddressFamily, tuple[str, int]]


def open_listeners(host: str, port: int) -> list[socket.socket]:
    """Listening sockets that child processes can inherit; port 0 picks a free port.

    ``host`` is an address or a name; a name is listened to at each of its addresses that this
    machine has. ``::`` is every address, of IPv4 as well. Raises ``ConfigurationError`` if the
    host is not one of this machine, and ``Rejected`` if the port cannot be had.
    """
    addresses = _resolve(host)
    for attempts_left in reversed(range(FREE_PORT_ATTEMPTS_MAX)):
        try:
            return _listen(addresses, host, port)
        except Rejected as error:
            # A port that is free at one address may be taken at the next one.
            if port or len(addresses) == 1 or error.code != "address_in_use" or not attempts_left:
                raise
    raise AssertionError("unreachable")


def format_url(listener: socket.socket) -> str:
    """The address of a listening socket as a URL."""
    host, port = listener.getsockname()[:2]
    return _format_url(host, port)


def get_reachable_url(url: str) -> str:
    """The URL at which this machine reaches a server that may listen to every address."""
    parts = urlsplit(url)
    if parts.hostname not in _LOOPBACK_OF:
        return url
    assert parts.port is not None
    return _format_url(_LOOPBACK_OF[parts.hostname], parts.port) + parts.path


def _format_url(host: str, port: int) -> str:
    return f"http://{_format_authority(host, port)}"


def choose_free_port(host: str) -> int:
    """A port that is free at each address of the host, and stays so. Raises ``Rejected``."""
    refusal: Rejected | None = None
    for port in Random().sample(LASTING_PORTS, PORT_TRIES):  # noqa: S311 - no secret
        try:
            probes = open_listeners(host, port)
        except Rejected as error:
            refusal = error
            continue
        for probe in probes:
            probe.close()
        return port
    assert refusal is not None
    raise refusal


def _format_authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _resolve(host: str) -> list[_Address]:
    name = host.strip()
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    if not name:
        raise ConfigurationError(
            "ORDER_ENGINE_HOST is empty: name an address, such as 127.0.0.1 or, for all, 0.0.0.0"
        )
    try:
        found = socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigurationError(
            f"ORDER_ENGINE_HOST is {host!r}: it has no address: {reason}"
        ) from None
    except ValueError:  # it has characters that no name has, or is too long
        raise ConfigurationError(
            f"ORDER_ENGINE_HOST is {host!r}: it is neither an address nor a name"
        ) from None
    unique = {(family, address): None for family, _, _, _, address in found}
    return [(family, address) for family, address in unique]  # type: ignore[misc]


def _listen(addresses: Sequence[_Address], host: str, port: int) -> list[socket.socket]:
    """Listen to all of the addresses that this machine has, at least to one."""
    listeners: list[socket.socket] = []
    absent: OSError | None = None
    is_single_stack = len(addresses) > 1  # those of IPv4 have sockets of their own
    with ExitStack() as opened:
        for family, address in addresses:
            try:
                listener = opened.enter_context(
                    _open_listener(family, address, port, is_single_stack)
                )
            except OSError as error:
                if error.errno not in _ABSENT_ADDRESS:
                    raise _explain_refusal(address[0], port, error) from None
                absent = error
                continue
            listeners.append(listener)
            port = listener.getsockname()[1]
        opened.pop_all()
    if not listeners:
        reason = "" if absent is None else f": {os.strerror(absent.errno or 0).lower()}"
        raise ConfigurationError(
            f"ORDER_ENGINE_HOST is {host!r}: this machine has no such address{reason}"
        )
    return listeners


def _open_listener(
    family: socket.AddressFamily, address: tuple[str, int], port: int, is_single_stack: bool
) -> socket.socket:
    """Like ``socket.create_server``, with the zone of an address and both stacks for ``::``."""
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, is_single_stack)
        listener.bind((address[0], port, *address[2:]))
        listener.listen(BACKLOG)
        listener.set_inheritable(True)
    except BaseException:
        listener.close()
        raise
    return listener


def _explain_refusal(host: str, port: int, error: OSError) -> Rejected:
    reason = f"cannot listen on {_format_authority(host, port)}: {os.strerror(error.errno or 0)}"
    match error.errno:
        case errno.EADDRINUSE:
            return Rejected("address_in_use", f"{reason}; choose another port, or 0 for a free one")
        case errno.EACCES:
            hint = "choose a port above 1023, or permit this user to use those below"
            return Rejected("address_not_permitted", f"{reason}; {hint}")
        case _:
            return Rejected("address_refused", reason)
