"""The switch: a process that carries packets between the devices of hosts, with faults.

It gets descriptors and faults over a socket: a message is JSON, and brings the descriptor of a host
or the faults of all links. It draws what is lost from a seed.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from random import Random
from typing import Any, Final

import orjson

from backend.trials.hosts.faults import Link, LinkFault

_PACKETS_PER_TURN: Final = 64
_PACKET_MAX: Final = 65_535
_MESSAGE_MAX: Final = 65_536
_IPV4: Final = 4
_HEADER_BYTES: Final = 20


class Switch:
    """Carries packets; ``add_host`` and ``set_faults`` may be called at any time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seed: int) -> None:
        self._loop = loop
        self._random = Random(seed)  # noqa: S311 - repeatable, not secret
        self._devices: dict[int, int] = {}
        self._faults: Mapping[Link, LinkFault] = {}

    def add_host(self, number: int, descriptor: int) -> None:
        """Carry the packets of a host, which may have been there before."""
        self.remove_host(number)
        self._devices[number] = descriptor
        self._loop.add_reader(descriptor, self._read, number, descriptor)

    def remove_host(self, number: int) -> None:
        """Carry nothing of a host any more."""
        earlier = self._devices.pop(number, None)
        if earlier is not None:
            self._loop.remove_reader(earlier)
            os.close(earlier)

    def set_faults(self, faults: Mapping[Link, LinkFault]) -> None:
        """Replace the faults of all links."""
        self._faults = faults

    def _read(self, number: int, descriptor: int) -> None:
        for _ in range(_PACKETS_PER_TURN):
            try:
                packet = os.read(descriptor, _PACKET_MAX)
            except BlockingIOError:
                return
            except OSError:  # the host has ended
                self.remove_host(number)
                return
            if len(packet) >= _HEADER_BYTES and packet[0] >> 4 == _IPV4:
                self._carry(Link(packet[15], packet[19]), packet)

    def _carry(self, link: Link, packet: bytes) -> None:
        fault = self._faults.get(link)
        if fault is None:
            self._write(link.target, packet)
            return
        if fault.lost and self._random.random() < fault.lost:
            return
        overtakes = fault.reordered and self._random.random() < fault.reordered
        if overtakes or not fault.delay_s:
            self._write(link.target, packet)
            return
        delay_s = fault.delay_s + self._random.uniform(0, fault.jitter_s)
        self._loop.call_later(delay_s, partial(self._write, link.target, packet))

    def _write(self, target: int, packet: bytes) -> None:
        device = self._devices.get(target)
        if device is not None:
            try:
                os.write(device, packet)
            except OSError:  # its queue is full, or it has ended: the packet is lost
                return


class SwitchClient:
    """The other end of a switch's socket."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control

    def add_host(self, number: int, descriptor: int) -> None:
        """Pass the device of a host on, and close it here."""
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
        self._control.sendmsg([orjson.dumps({"host": number})], ancillary)
        os.close(descriptor)

    def set_faults(self, faults: Mapping[Link, LinkFault]) -> None:
        """Replace the faults of all links."""
        listed = [(*link, asdict(fault)) for link, fault in faults.items()]
        self._control.send(orjson.dumps({"faults": listed}))


def _receive(switch: Switch, control: socket.socket, ended: asyncio.Event) -> None:
    descriptors = array.array("i")
    data, ancillary, _, _ = control.recvmsg(_MESSAGE_MAX, socket.CMSG_LEN(descriptors.itemsize))
    if not data:
        ended.set()
        return
    message: dict[str, Any] = orjson.loads(data)
    for _, _, content in ancillary:
        descriptors.frombytes(content[: len(content) - len(content) % descriptors.itemsize])
    if "host" in message:
        os.set_blocking(descriptors[0], False)
        switch.add_host(message["host"], descriptors[0])
    else:
        listed = message["faults"]
        switch.set_faults({Link(*ends): LinkFault(**fault) for *ends, fault in listed})


async def run_switch(control: socket.socket, seed: int) -> None:
    """Carry packets until the other end of the socket is closed."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    switch = Switch(loop, seed)
    loop.add_reader(control, _receive, switch, control, ended)
    await ended.wait()


if __name__ == "__main__":
    asyncio.run(run_switch(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])))
