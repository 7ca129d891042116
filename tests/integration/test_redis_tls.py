"""The engine on a Redis of the system: TLS, a user with no more permissions than needed, RESP3."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from backend.config.redis.url import parse_redis_url
from backend.domain.errors import Rejected
from backend.queue.broker import GROUP, STREAM, StreamBroker
from backend.runtime.redis.client import check_redis, open_redis
from tests.integration.apis import has_at_least, receive_hello, receive_stream
from tests.integration.full_engine import run_full_engine
from tests.integration.redis_servers import find_free_port, find_program, run_redis
from tests.scenario import HAPPY_PATH

PAGE = Path(__file__).parent.parent.parent / "backend" / "queue" / "REDIS.md"


def read_acl() -> str:
    """The lines of the ACL file in the page."""
    page = PAGE.read_text(encoding="utf-8")
    match = re.search(r"```\n(user default off\n.*?)```", page, re.DOTALL)
    assert match is not None
    return match[1]


def make_certificates(folder: Path) -> None:
    """An authority, and a certificate of it for 127.0.0.1."""
    commands = (
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=authority -days 2",
        "req -newkey rsa:2048 -nodes -keyout redis.key -out redis.csr -subj /CN=redis",
        "x509 -req -in redis.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out redis.crt -days 2"
        " -extfile names.cnf",
    )
    (folder / "names.cnf").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for command in commands:
        program = find_program("openssl", "openssl")
        subprocess.run([program, *command.split()], cwd=folder, check=True, capture_output=True)


def secure_options(folder: Path, port: int) -> tuple[str, ...]:
    make_certificates(folder)
    (folder / "users.acl").write_text(read_acl() + "user admin on >admin ~* &* +@all\n")
    return (
        *("--tls-port", str(port), "--tls-auth-clients", "no"),
        *(
            "--tls-cert-file",
            str(folder / "redis.crt"),
            "--tls-key-file",
            str(folder / "redis.key"),
        ),
        *("--tls-ca-cert-file", str(folder / "ca.crt")),
        *("--aclfile", str(folder / "users.acl")),
    )


async def execute_orders(database_url: str, redis_url: str, data_dir: Path) -> None:
    """Execute a few orders of a limited owner, watched on the stream; without help of the sweep."""
    async with (
        run_full_engine(
            database_url, redis_url, data_dir, rate_limit=1_000, rekick_s=300
        ) as engine,
        engine.api.open_stream() as stream,
    ):
        await receive_hello(stream)
        orders = [await engine.api.place_order(amount="0.1") for _ in range(5)]
        events = await receive_stream(stream, has_at_least(len(HAPPY_PATH) * len(orders)))
        ended = {event["orderId"] for event in events if event["status"] == "confirmed"}
        assert ended == {str(order_id) for order_id in orders}
        assert (await engine.api.get("/readyz"))["checks"]["redis"] == {"ok": True}


async def test_the_lines_of_the_page_are_enough_for_the_engine(
    database_url: str, data_dir: Path
) -> None:
    port = find_free_port()
    options = secure_options(data_dir, port)
    async with run_redis(data_dir, *options, port=0) as server:
        await execute_orders(database_url, build_secure_url(data_dir, port), data_dir)
        async with server.open_admin(username="admin", password="admin") as admin:
            assert await admin.acl_log() == []
            assert await admin.xlen(STREAM) == 0
            assert await admin.xinfo_consumers(STREAM, GROUP) == []


async def test_resp3_in_the_address_changes_nothing(database_url: str, data_dir: Path) -> None:
    async with run_redis(data_dir) as server:
        await execute_orders(database_url, f"{server.url}?protocol=3", data_dir)


PERMISSIONS = sorted(
    set(re.findall(r"\+([a-z]+)", read_acl())) - {"select", "unsubscribe", "subscribe"}
)


@pytest.mark.parametrize("command", PERMISSIONS)
async def test_a_missing_permission_is_named_at_start(data_dir: Path, command: str) -> None:
    acl = re.sub(rf" \+{command}(\|\w+)?(?= |$)", "", read_acl(), flags=re.MULTILINE)
    (data_dir / "users.acl").write_text(acl)
    async with run_redis(data_dir, "--aclfile", str(data_dir / "users.acl")) as server:
        url = server.url.replace("//", "//engine:change-me@")
        with pytest.raises(Rejected, match=r"ACL.*no permissions to run.*" + command) as refusal:
            await start_broker(url)
        assert "change-me" not in refusal.value.reason


async def start_broker(url: str) -> None:
    address = parse_redis_url(url)
    async with open_redis(address) as redis:
        await check_redis(redis)
    broker = StreamBroker(address, consumer="me")
    try:
        await broker.startup()
    finally:
        await broker.shutdown()


def build_secure_url(folder: Path, port: int) -> str:
    return f"rediss://engine:change-me@127.0.0.1:{port}/0?ssl_ca_certs={folder}/ca.crt"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("engine:", "nobody:"), "refuses the user or the password"),
        (("change-me", "wr0ng-secret"), "refuses the user or the password"),
        (("engine:change-me@", ""), "wants a password"),
        (("/0?", "/99?"), "no database of this number|ACL does not permit"),
        (("?ssl_ca_certs={folder}/ca.crt", ""), "certificate is refused"),
        (("ca.crt", "missing.crt"), "ssl_ca_certs cannot be used: No such file"),
        (("ca.crt", "users.acl"), "ssl_ca_certs cannot be used"),
    ],
)
async def test_a_wrong_address_of_a_redis_that_is_there_is_refused_at_start(
    data_dir: Path, change: tuple[str, str], reason: str
) -> None:
    port = find_free_port()
    async with run_redis(data_dir, *secure_options(data_dir, port)):
        known = {"folder": data_dir, "port": port}
        old, new = (part.format(**known) for part in change)
        url = build_secure_url(data_dir, port).replace(old, new)
        with pytest.raises(Rejected, match=reason) as refusal:
            await start_broker(url)
        assert refusal.value.code == "redis_configuration"
        assert not {"change-me", "wr0ng-secret"} & set(re.split(r"\W(?<!-)", refusal.value.reason))


async def test_tls_at_the_wrong_port_is_named(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither side says what is wrong: one closes the connection, the other waits for more."""
    port = find_free_port()
    async with run_redis(data_dir, *secure_options(data_dir, port)) as server:
        await start_broker(f"redis://127.0.0.1:{port}")
        assert "waiting for Redis" in (said := capsys.readouterr().out)
        assert "does it want TLS (rediss://)?" in said
        await start_broker(f"rediss://127.0.0.1:{server.port}?socket_connect_timeout=0.2")
        assert "the scheme right (rediss:// for TLS)?" in capsys.readouterr().out


async def test_a_database_that_does_not_exist_is_refused_at_start(data_dir: Path) -> None:
    async with run_redis(data_dir, "--databases", "2") as server:
        with pytest.raises(Rejected, match="no database of this number"):
            await start_broker(f"{server.url}/2")
