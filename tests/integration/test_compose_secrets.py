"""The passwords that ``compose.yaml`` makes: once, for those who need them, and they work."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.retry import Retry

from backend.config import Settings
from backend.embedded.binaries import find_valkey
from tests.unit.test_compose import SERVICES


def make_secrets(folder: Path) -> dict[str, bytes]:
    """Run the script of the service in ``folder``, and read all that it wrote."""
    for name in ("secrets", "server-secrets"):
        (folder / name).mkdir(exist_ok=True)
    entrypoint, script = SERVICES["secrets"]["entrypoint"], SERVICES["secrets"]["command"][0]
    script = script.replace("$$", "$").replace("/secrets/", f"{folder}/secrets/")
    script = script.replace("/server-secrets/", f"{folder}/server-secrets/")
    subprocess.run([*entrypoint, script], check=True)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*/*")}


def test_passwords_are_made_once_and_differ(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, others = make_secrets(tmp_path / "a"), make_secrets(tmp_path / "b")
    assert make_secrets(tmp_path / "a") == first
    passwords = [
        files[f"server-secrets/{server}-password"]
        for files in (first, others)
        for server in ("postgres", "valkey", "grafana")
    ]
    assert len(set(passwords)) == 6
    assert all(len(each) == 48 for each in passwords)


def test_the_engine_takes_the_addresses_and_nobody_else_can_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_secrets(tmp_path)
    for name, variable in (("database-url", "DATABASE_URL"), ("redis-url", "REDIS_URL")):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv(f"{variable}_FILE", str(tmp_path / "secrets" / name))
    settings = Settings.load()
    password = files["server-secrets/postgres-password"].decode()
    assert settings.database_url == f"postgresql://order_engine:{password}@postgres/order_engine"
    for path in (tmp_path / "server-secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


@contextmanager
def serve_valkey(folder: Path, data_dir: Path) -> Iterator[str]:
    """A server with the rules that were made; its socket."""
    path = data_dir / "valkey.sock"
    command = [str(find_valkey().path), "--port", "0", "--unixsocket", str(path), "--save", ""]
    rules = ["--aclfile", str(folder / "server-secrets" / "valkey.acl")]
    with subprocess.Popen([*command, *rules], cwd=data_dir, stdout=subprocess.DEVNULL) as server:
        try:
            yield str(path)
        finally:
            server.terminate()


def test_the_server_knows_the_engine_and_answers_others_to_a_ping_only(
    tmp_path: Path, data_dir: Path
) -> None:
    files = make_secrets(tmp_path)
    password = files["server-secrets/valkey-password"].decode()
    assert files["secrets/redis-url"].decode() == f"redis://engine:{password}@valkey:6379/0\n"
    with serve_valkey(tmp_path, data_dir) as path:
        until_it_listens = Retry(
            ConstantBackoff(0.05), 400, supported_errors=(redis.ConnectionError,)
        )
        with redis.Redis(unix_socket_path=path, retry=until_it_listens) as anybody:
            assert anybody.ping()
            with pytest.raises(NoPermissionError):
                anybody.get("order-engine:any")
        with redis.Redis(unix_socket_path=path, username="engine", password=password) as engine:
            assert engine.set("order-engine:any", "1")
            with pytest.raises(NoPermissionError):
                engine.set("other", "1")
        stranger = redis.Redis(unix_socket_path=path, username="engine", password="guess")
        with stranger, pytest.raises(AuthenticationError):
            stranger.ping()
