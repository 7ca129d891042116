"""Behind a real nginx: every address that a client gets works, and own pages are known."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_server
from urllib.parse import urljoin, urlsplit

import aiohttp
import pytest

from backend.config import Settings
from tests.conftest import ROOT
from tests.integration.apis import ORDER, open_api, receive_events, run_api
from tests.nginx import SOCKETS, create_certificate, require_nginx, run_nginx

PAGE = ROOT / "backend" / "api" / "PROXIES.md"
NOBODY = "192.0.2.1"
UNREACHABLE_NODE = "http://127.0.0.1:9"


def read_documented_servers() -> list[str]:
    return [block.split("```")[0] for block in PAGE.read_text().split("```nginx\n")[1:]]


@dataclass(frozen=True)
class Deployment:
    """An nginx in front of the API: its directives, the engine's settings, the path of clients."""

    headers: str = ""
    location: str = "/"
    target: str = ""
    prefix: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    server: str = ""
    is_tls: bool = False

    def build_server(self, api_host: str) -> str:
        if self.server:
            return self.server.replace("127.0.0.1:3000", api_host)
        return (
            f"location {self.location} {{ proxy_pass http://{api_host}{self.target};"
            f" {SOCKETS} {self.headers} }}"
        )


ROOT_SERVER, PREFIX_SERVER = read_documented_servers()
DEPLOYMENTS = {
    "documented": Deployment(server=ROOT_SERVER),
    "documented, TLS": Deployment(server=ROOT_SERVER, is_tls=True),
    "documented, prefix": Deployment(server=PREFIX_SERVER, prefix="/engine"),
    "documented, prefix, TLS": Deployment(server=PREFIX_SERVER, prefix="/engine", is_tls=True),
    "Host without port, forwarded host": Deployment(
        "proxy_set_header Host $host; proxy_set_header X-Forwarded-Host $http_host;"
    ),
    "Host without port, forwarded port": Deployment(
        "proxy_set_header Host $host; proxy_set_header X-Forwarded-Port $server_port;"
    ),
    "Host without port, forwarded host and port": Deployment(
        "proxy_set_header Host $host; proxy_set_header X-Forwarded-Host $host;"
        " proxy_set_header X-Forwarded-Port $server_port;"
    ),
    "Host of the upstream, RFC 7239": Deployment(
        "proxy_set_header Forwarded 'for=$remote_addr;proto=$scheme;host=\"$http_host\"';"
    ),
    "Host of the upstream, public URL": Deployment(settings={"public_url": "{url}"}),
    "Host without port, public URL": Deployment(
        "proxy_set_header Host $host;", settings={"public_url": "{url}/"}
    ),
    "public URL before forwarded headers": Deployment(
        "proxy_set_header X-Forwarded-Host wrong.example;", settings={"public_url": "{url}"}
    ),
    "public URL, TLS": Deployment(settings={"public_url": "{url}"}, is_tls=True),
    "prefix that is cut off, public URL": Deployment(
        location="/a/b/", target="/", prefix="/a/b", settings={"public_url": "{url}/a/b/"}
    ),
    "prefix that is passed on, public URL": Deployment(
        location="/a/b/", prefix="/a/b", settings={"public_url": "{url}/a/b"}
    ),
}


@dataclass(frozen=True)
class Proxied:
    """A client of an API behind nginx; ``url`` is what the client knows."""

    url: str
    session: aiohttp.ClientSession


@asynccontextmanager
async def run_proxied(
    deployment: Deployment, database_url: str, redis_url: str, folder: Path
) -> AsyncIterator[Proxied]:
    require_nginx()
    listener = create_server(("127.0.0.1", 0))
    api_port = listener.getsockname()[1]
    http = create_certificate(folder) if deployment.is_tls else ""
    server = deployment.build_server(f"127.0.0.1:{api_port}")
    listen = "ssl" if deployment.is_tls else ""
    async with run_nginx(folder, server, http=http, listen=listen) as host:
        origin = f"{'https' if deployment.is_tls else 'http'}://{host}"
        settings = {name: value.format(url=origin) for name, value in deployment.settings.items()}
        async with run_api(_load_settings(database_url, redis_url, **settings), listener):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connector = aiohttp.TCPConnector(ssl=context)
            async with aiohttp.ClientSession(connector=connector) as session:
                yield Proxied(origin + deployment.prefix, session)


def _load_settings(database_url: str, redis_url: str, **settings: str) -> Settings:
    urls = {"database_url": database_url, "redis_url": redis_url}
    return Settings.load(**urls, solana_rpc_url=UNREACHABLE_NODE, **settings)


@pytest.mark.parametrize("name", DEPLOYMENTS)
async def test_every_address_that_a_client_gets_works(
    database_url: str, redis_url: str, data_dir: Path, name: str
) -> None:
    async with run_proxied(DEPLOYMENTS[name], database_url, redis_url, data_dir) as proxied:
        session, execute = proxied.session, f"{proxied.url}/api/orders/execute"
        for _ in range(2):
            async with session.post(execute, json=dict(ORDER)) as response:
                assert response.status == 202, await response.text()
                accepted = await response.json()
                addresses = [response.headers["Location"], accepted["statusUrl"]]
        for address in addresses:
            async with session.get(urljoin(execute, address)) as response:
                assert (await response.json())["orderId"] == accepted["orderId"]
        socket_base = proxied.url.replace("http", "ws")
        assert accepted["ws_url"].startswith(f"{socket_base}/api/orders/execute?orderId=")
        async with session.ws_connect(accepted["ws_url"]) as socket:
            assert (await receive_events(socket, 1))[0]["orderId"] == accepted["orderId"]

        batch_body = {"orders": [dict(ORDER)]}
        async with session.post(f"{proxied.url}/api/orders/batch", json=batch_body) as response:
            batch = await response.json()
        assert batch["ws_url"].startswith(f"{socket_base}/api/orders/stream?")
        async with session.get(f"{proxied.url}/api/orders?limit=1") as response:
            following = urljoin(str(response.url), str(response.links["next"]["url"]))
            newest = await response.json()
        async with session.get(following) as response:
            assert (await response.json())["orders"] != newest["orders"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
async def test_only_a_page_of_this_server_may_open_a_socket(
    database_url: str, redis_url: str, data_dir: Path, name: str
) -> None:
    async with run_proxied(DEPLOYMENTS[name], database_url, redis_url, data_dir) as proxied:
        stream = f"{proxied.url}/api/orders/stream"
        parts = urlsplit(proxied.url)
        async with proxied.session.ws_connect(stream, origin=f"{parts.scheme}://{parts.netloc}"):
            pass
        for foreign in (
            "https://evil.example",
            "http://127.0.0.1:9",
            f"http://{parts.netloc}.evil.example",
            "null",
            "http://[",
        ):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await proxied.session.ws_connect(stream, origin=foreign)
            assert refused.value.status == 403, foreign


async def test_the_refusal_of_a_page_says_what_to_set(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url, allowed_hosts="orders.example") as api:
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Origin": "http://orders.example:8080",
            "Host": "orders.example",
        }
        async with api.session.get("/api/orders/stream", headers=headers) as response:
            problem = await response.json(content_type=None)
        assert (response.status, problem["code"]) == (403, "foreign_origin")
        assert "ORDER_ENGINE_PUBLIC_URL" in problem["detail"]


async def test_a_request_without_a_host_gets_paths(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with open_api(database_url, redis_url) as api:
        upstream = api.url.removeprefix("http://")
        # nginx speaks HTTP/1.0 to its upstream unless told otherwise.
        server = f'location / {{ proxy_pass http://{upstream}; proxy_set_header Host ""; }}'
        async with run_nginx(data_dir, server) as host:
            url = f"http://{host}/api/orders/execute"
            async with api.session.post(url, json=dict(ORDER)) as response:
                accepted = await response.json()
        path = f"/api/orders/execute?orderId={accepted['orderId']}"
        assert accepted["ws_url"] == path
        async with api.session.ws_connect(path) as socket:
            await receive_events(socket, 1)


async def test_an_empty_host_gets_paths(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        accepted = await api.post("/api/orders/execute", dict(ORDER), headers={"Host": ""})
        assert accepted["ws_url"].startswith("/api/orders/execute?")


FORWARDED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "host=evil.example;proto=https",
}


@pytest.mark.parametrize("header", FORWARDED)
async def test_forwarded_headers_of_others_than_trusted_proxies_are_ignored(
    database_url: str, redis_url: str, header: str
) -> None:
    hosts = "orders.example:8080"
    async with open_api(
        database_url, redis_url, trusted_proxies=NOBODY, allowed_hosts=hosts
    ) as api:
        headers = {header: FORWARDED[header], "Host": "orders.example:8080"}
        accepted = await api.post("/api/orders/execute", dict(ORDER), headers=headers)
        assert accepted["ws_url"].startswith("ws://orders.example:8080/api/orders/execute?")
        assert accepted["statusUrl"].startswith("/api/orders/")


@pytest.mark.parametrize("trusted", ["", NOBODY])
async def test_a_page_cannot_be_forwarded_into_an_own_one(
    database_url: str, redis_url: str, trusted: str
) -> None:
    async with open_api(database_url, redis_url, trusted_proxies=trusted) as api:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await api.session.ws_connect(
                "/api/orders/stream",
                origin="https://evil.example",
                headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
            )
        assert refused.value.status == 403
