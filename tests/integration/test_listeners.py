"""Listening: every form of host works, and what cannot be had is explained in a sentence."""

from __future__ import annotations

import asyncio
import shutil
import socket as sockets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from backend.api.server.listener import format_url, get_reachable_url, open_listeners
from backend.config import ConfigurationError, Settings
from backend.domain.errors import Rejected
from tests.conftest import ROOT
from tests.e2e.up import START_TIMEOUT_S, build_command, build_environment, run_up
from tests.integration.apis import UNREACHABLE_NODE, run_api

FIRST_UNPRIVILEGED_PORT = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
LIBC_ADDRESSES = sockets.getaddrinfo


def has_ipv6() -> bool:
    try:
        with sockets.create_server(("::1", 0), family=sockets.AF_INET6):
            return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
HOSTS = [
    "127.0.0.1",
    "0.0.0.0",  # noqa: S104 - of a test
    "localhost",
    " 127.0.0.1 ",
    pytest.param("::", marks=needs_ipv6),
    pytest.param("::1", marks=needs_ipv6),
    pytest.param("[::1]", marks=needs_ipv6),
    pytest.param("0:0:0:0:0:0:0:1", marks=needs_ipv6),
]


@contextmanager
def listen(host: str, port: int = 0) -> Iterator[list[sockets.socket]]:
    listeners = open_listeners(host, port)
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.close()


@pytest.mark.parametrize("host", HOSTS)
async def test_the_api_is_reached_at_the_address_that_it_prints(
    database_url: str, redis_url: str, host: str
) -> None:
    settings = Settings.load(
        database_url=database_url,
        redis_url=redis_url,
        solana_rpc_url=UNREACHABLE_NODE,
        host=host,
        port=0,
        open_access="network",
    )
    async with run_api(settings) as api:
        assert ("[" in api.url) == (":" in host)
        for url in (api.url, get_reachable_url(api.url)):
            async with api.session.get(f"{url}/livez") as response:
                assert response.status == 200


@needs_ipv6
async def test_every_address_is_one_of_ipv4_too(database_url: str, redis_url: str) -> None:
    settings = Settings.load(
        database_url=database_url,
        redis_url=redis_url,
        solana_rpc_url=UNREACHABLE_NODE,
        host="::",
        port=0,
        trusted_proxies="127.0.0.1",
        open_access="network",
        allowed_hosts="orders.example",
    )
    async with run_api(settings) as api:
        url = f"http://127.0.0.1:{urlsplit(api.url).port}"
        headers = {"X-Forwarded-Proto": "https", "Host": "orders.example"}
        body = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": 1}
        async with api.session.post(
            f"{url}/api/orders/execute", json=body, headers=headers
        ) as response:
            # The address that the proxy has on this socket, ::ffff:127.0.0.1, is the same one.
            assert (await response.json())["ws_url"].startswith("wss://")


@needs_ipv6
def test_a_name_of_all_addresses_of_both_families_is_listened_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def resolve(host: str, *arguments: int, **options: int) -> object:
        names = ["0.0.0.0", "::"] if host == "all.example" else [host]  # noqa: S104 - of a test
        return [each for name in names for each in LIBC_ADDRESSES(name, *arguments, **options)]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    with listen("all.example") as listeners:
        assert len(listeners) == 2
        port = listeners[0].getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            sockets.create_connection((address, port)).close()


def test_a_name_is_listened_to_at_each_address_that_this_machine_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One of them twice, and one of another machine.
    addresses = ["127.0.0.1", "192.0.2.1", "127.0.0.2", "127.0.0.1"]

    def resolve(host: str, *arguments: int, **options: int) -> object:
        names = addresses if host == "several.example" else [host]
        return [each for name in names for each in LIBC_ADDRESSES(name, *arguments, **options)]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    with listen("several.example") as listeners:
        port = listeners[0].getsockname()[1]
        assert port
        bound = [listener.getsockname() for listener in listeners]
        assert bound == [("127.0.0.1", port), ("127.0.0.2", port)]
        for address in bound:
            sockets.create_connection(address).close()
        with (
            pytest.raises(Rejected, match=r"127\.0\.0\.1"),
            listen("several.example", port),
        ):
            pass


@pytest.mark.parametrize(
    "host",
    ["", "  ", "no-such-host.invalid", "192.0.2.1", "300.1.1.1", "a b", "x" * 70, "a..b"],
)
def test_a_host_that_is_none_of_this_machine_is_a_configuration_error(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^ORDER_ENGINE_HOST is "), listen(host):
        pass


async def run_command(*command: str, **settings: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=build_environment(**settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(START_TIMEOUT_S):
        output, _ = await process.communicate()
    return process.returncode, output.decode()


COMMANDS = {
    "api": ("api", "--port", "{port}"),
    "worker": ("worker", "--metrics-port", "{port}"),
    "chain": ("chain", "--port", "{port}", "--data-dir", "{folder}"),
    "up": ("up", "--port", "{port}", "--data-dir", "{folder}", "--headless"),
}


def fill(name: str, port: int, folder: Path) -> tuple[str, ...]:
    return build_command(*(part.format(port=port, folder=folder) for part in COMMANDS[name]))


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_host_that_does_not_exist_is_explained_in_a_sentence(
    name: str, data_dir: Path
) -> None:
    host = "no-such-host.invalid"
    code, output = await run_command(*fill(name, 0, data_dir), ORDER_ENGINE_HOST=host)
    assert code == 1
    assert f"Error: ORDER_ENGINE_HOST is '{host}'" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_port_that_is_taken_is_explained_in_a_sentence(name: str, data_dir: Path) -> None:
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, output = await run_command(*fill(name, port, data_dir))
    assert code == 1
    assert f"Error: cannot listen on 127.0.0.1:{port}: Address already in use" in output
    assert "Traceback" not in output


@pytest.mark.skipif(
    not shutil.which("setpriv") or FIRST_UNPRIVILEGED_PORT.read_text().strip() == "0",
    reason="this machine lets everybody use each port",
)
async def test_a_port_that_is_not_permitted_is_explained_in_a_sentence(data_dir: Path) -> None:
    without_privilege = ("setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-all")
    code, output = await run_command(*without_privilege, *fill("api", 80, data_dir))
    assert code == 1
    assert "Error: cannot listen on 127.0.0.1:80: Permission denied" in output
    assert "above 1023" in output


@needs_ipv6
async def test_a_url_of_ipv6_has_brackets(data_dir: Path) -> None:
    with listen("::1") as listeners, closing(listeners[0]) as listener:
        url = format_url(listener)
        assert url == f"http://[::1]:{listener.getsockname()[1]}"
        assert get_reachable_url(url) == url
    assert get_reachable_url("http://[::]:8899/metrics") == "http://[::1]:8899/metrics"


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",  # noqa: S104 - of a test
        pytest.param("::", marks=needs_ipv6),
        pytest.param("::1", marks=needs_ipv6),
    ],
)
async def test_all_processes_of_up_listen_there_and_reach_each_other(
    data_dir: Path, host: str
) -> None:
    settings = {
        "ORDER_ENGINE_HOST": host,
        "ORDER_ENGINE_OPEN_ACCESS": "network",
        "ORDER_ENGINE_PROFILE": "instant",
    }
    async with run_up(data_dir, **settings) as up:
        shown = f"http://[{host}]:" if ":" in host else f"http://{host}:"
        assert up.url.startswith(shown)
        logs = (data_dir / "logs" / f"{name}.log" for name in ("chain", "worker-1", "api"))
        urls = [
            line.split()[1]
            for log in logs
            for line in log.read_text().splitlines()
            if line.startswith("ready ")
        ]
        assert len(urls) == 3
        for url in urls:
            assert url.startswith(shown)
        [metrics] = [get_reachable_url(url) for url in urls if url.endswith("/metrics")]
        async with up.http.get(metrics) as response:
            assert "orders_in_flight" in await response.text()
        async with aiohttp.ClientSession(get_reachable_url(up.url)) as http:
            body = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": 1}
            async with (
                asyncio.timeout(START_TIMEOUT_S),
                http.ws_connect("/api/orders/execute") as ws,
            ):
                await ws.send_json(body)
                statuses = [message.json()["status"] async for message in ws]
        assert statuses[-1] == "confirmed"
