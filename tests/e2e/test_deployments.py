"""The engine with the servers of Debian and nodes that are not healthy; and behind nginx.

Without the programs these tests are skipped, in CI they fail.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from backend.domain.errors import Rejected
from backend.trials.deployments.programs import MATRIX_PROGRAMS, create_certificates, find_programs
from backend.trials.deployments.servers import find_free_port
from backend.trials.deployments.templates import render
from tests.e2e.up import run_command, run_up
from tests.scenario import HAPPY_PATH

RUN_TIMEOUT_S = 560
STOP_TIMEOUT_S = 30
MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {servers}
}}
"""


def require_programs(*names: str) -> list[Path]:
    try:
        return find_programs(*names)
    except Rejected as error:
        if os.environ.get("CI"):
            pytest.fail(error.reason)
        pytest.skip(error.reason)


@pytest.mark.timeout(RUN_TIMEOUT_S + 20)
@pytest.mark.long
def test_orders_end_as_they_should_with_every_kind_of_server_and_node() -> None:
    require_programs(*MATRIX_PROGRAMS)
    output = run_command("deployments", "--quick", "--orders", "20", timeout_s=RUN_TIMEOUT_S)
    assert "6 cells, 120 orders" in output
    assert "data and logs are in" not in output


def test_missing_programs_are_named_in_one_sentence_with_their_packages(tmp_path: Path) -> None:
    with pytest.raises(Rejected) as rejected:
        find_programs(*MATRIX_PROGRAMS, path=str(tmp_path))
    assert rejected.value.reason == (
        "pgbouncer, redis-server, openssl not found;"
        " on Debian: apt-get install pgbouncer redis-server openssl"
    )


@asynccontextmanager
async def run_nginx(folder: Path, api_port: int) -> AsyncIterator[str]:
    """Run nginx with the servers of the page; yields its address."""
    port = find_free_port()
    [program] = find_programs("nginx")
    await create_certificates(folder)
    values = {"listen": f"127.0.0.1:{port}", "name": "localhost", "folder": str(folder)}
    servers = render("nginx.conf", {**values, "port": str(api_port)})
    settings = folder / "nginx.conf"
    settings.write_text(MAIN.format(folder=folder, servers=servers))
    process = await asyncio.create_subprocess_exec(program, "-p", str(folder), "-c", str(settings))
    try:
        yield f"https://127.0.0.1:{port}"
        assert process.returncode is None, (folder / "error.log").read_text()
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()


async def test_orders_and_sockets_go_through_the_nginx_of_the_page(
    data_dir: Path, tmp_path: Path
) -> None:
    require_programs("nginx", "openssl")
    async with run_up(data_dir, "--profile", "instant") as up:
        port = urlsplit(up.url).port
        assert port is not None
        async with run_nginx(tmp_path, port) as address:
            trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
            connector = aiohttp.TCPConnector(ssl=trusted)
            async with aiohttp.ClientSession(connector=connector) as http:
                order = {"tokenIn": "SOL", "tokenOut": "USDC", "amount": 1}
                placed = await post_when_ready(http, f"{address}/engine/api/orders/execute", order)
                assert placed["ws_url"].startswith(f"wss://{urlsplit(address).netloc}/engine/")
                async with http.ws_connect(placed["ws_url"]) as socket:
                    statuses = [message.json()["status"] async for message in socket]
                assert statuses == HAPPY_PATH
                for page in ("static/client.html", "docs", "openapi.json"):
                    async with http.get(f"{address}/engine/{page}") as response:
                        assert response.status == 200


async def post_when_ready(
    http: aiohttp.ClientSession, url: str, body: dict[str, object]
) -> dict[str, str]:
    """Post once nginx accepts connections."""
    async with asyncio.timeout(STOP_TIMEOUT_S):
        while True:
            try:
                async with http.post(url, json=body) as response:
                    assert response.status == 202
                    reply: dict[str, str] = await response.json()
                    return reply
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.01)
