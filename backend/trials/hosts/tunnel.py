"""A host's way to the network: a namespace of its own, and a device whose packets a switch carries.

The device is a TUN: what the host sends is read from a file descriptor, and what is written to that
arrives at the host. So the network between hosts is a program, which needs nothing of the kernel's
traffic control, and no trace of it is left once the processes that hold it have ended.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
import subprocess
from pathlib import Path
from typing import Final

from backend.domain.errors import Rejected

NETWORK: Final = "10.77.0"
DEVICE: Final = "eth0"
_TUN: Final = Path("/dev/net/tun")
_CLONE_NEWNET: Final = 0x4000_0000
_TUNSETIFF: Final = 0x4004_54CA
_TUN_WITHOUT_HEADER: Final = 0x0001 | 0x1000
_NAME_BYTES: Final = 16


def format_address(number: int) -> str:
    """The address of a host by its number, from 1 to 254."""
    return f"{NETWORK}.{number}"


def enter_namespace() -> None:
    """Give the calling thread, and all that it starts, a network without any other machine.

    Raises ``Rejected`` where that is not permitted.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise Rejected(
            "no_namespaces", f"network namespaces are not permitted here ({reason}): run it as root"
        )
    _run_ip("link", "set", "lo", "up")


def open_tunnel(address: str) -> int:
    """Open the device of a host in its namespace; returns its file descriptor.

    Raises ``Rejected`` where that is not possible.
    """
    try:
        descriptor = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        request = struct.pack(f"{_NAME_BYTES}sH22x", DEVICE.encode(), _TUN_WITHOUT_HEADER)
        fcntl.ioctl(descriptor, _TUNSETIFF, request)
    except OSError as error:
        raise Rejected("no_tunnels", f"{_TUN} cannot be used: {error.strerror}") from error
    _run_ip("addr", "add", f"{address}/24", "dev", DEVICE)
    _run_ip("link", "set", DEVICE, "up", "mtu", "9000")
    return descriptor


def _run_ip(*arguments: str) -> None:
    try:
        subprocess.run(["ip", *arguments], check=True, capture_output=True)  # noqa: S603, S607
    except (OSError, subprocess.CalledProcessError) as error:
        raise Rejected("no_iproute2", f"ip {' '.join(arguments)} failed: {error}") from error
