"""A port that is chosen for a server: free, and never one of an outgoing connection."""

from __future__ import annotations

import socket
from pathlib import Path
from random import Random

import pytest

from backend.api.server import listener
from backend.api.server.listener import choose_free_port
from backend.domain.errors import Rejected

HOST = "127.0.0.1"


def list_ephemeral_ports() -> range:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    return range(first, last + 1)


def test_it_is_free_and_none_that_the_system_gives_to_connections() -> None:
    ephemeral = list_ephemeral_ports()
    for _ in range(20):
        port = choose_free_port(HOST)
        assert port not in ephemeral
        socket.create_server((HOST, port)).close()


def test_one_that_is_in_use_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = socket.create_server((HOST, choose_free_port(HOST)))
    free = choose_free_port(HOST)
    monkeypatch.setattr(Random, "sample", lambda *_: [taken.getsockname()[1], free])
    with taken:
        assert choose_free_port(HOST) == free


def test_without_a_free_one_the_refusal_says_what_is_in_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(listener, "LASTING_PORTS", [port])
        monkeypatch.setattr(listener, "PORT_TRIES", 1)
        with pytest.raises(Rejected, match=f"cannot listen on {HOST}:{port}"):
            choose_free_port(HOST)
