"""An engine of real processes with a distinct secret in every place that takes one."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

import asyncpg
import psutil
from redis.asyncio import Redis
from solders.keypair import Keypair

from backend.chain.wallet import write_keypair
from backend.chain.wire import PAPER_WALLET_SEED
from backend.config import build_child_environment
from backend.config.settings import list_secrets
from backend.embedded import child_process
from backend.embedded.engine_processes import EngineProcess, ProcessCommand
from backend.simulator.server import BUNDLES_PATH
from tests.integration.token_issuer import AUDIENCE, ISSUER, build_jwks

UNREACHABLE = "http://127.0.0.1:9"
FORMS = {"notify": "json://user:{}@127.0.0.1:9"}
"""How a secret is written in settings that take more than any text."""
WALLET = Keypair.from_seed(PAPER_WALLET_SEED)


@dataclass(slots=True)
class Canaries:
    """Secrets by where they are planted."""

    planted: dict[str, str] = field(default_factory=dict)

    def plant(self, place: str) -> str:
        """A secret of its own for a place."""
        return self.planted.setdefault(place, f"canary{token_hex(16)}")

    def find_in(self, texts: Mapping[str, bytes]) -> list[tuple[str, str]]:
        """Each secret with where it was found."""
        return [
            (place, name)
            for place, secret in self.planted.items()
            for name, text in texts.items()
            if secret.encode() in text
        ]


def spell_key(keypair: Keypair) -> Iterator[str]:
    """The forms in which the bytes of a key could be written."""
    secret = bytes(keypair)[:32]
    yield secret.hex()
    yield str(keypair)
    yield base64.b64encode(bytes(keypair)).decode()[:40]
    yield ", ".join(map(str, secret))
    yield ",".join(map(str, secret))
    yield repr(secret)[2:-1]


@dataclass(slots=True)
class CanaryEngine:
    """The processes, their addresses, and what they wrote."""

    canaries: Canaries
    folder: Path
    programs: dict[str, EngineProcess] = field(default_factory=dict)
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    @property
    def api_url(self) -> str:
        return self.programs["api"].address

    @property
    def metrics_url(self) -> str:
        return self.programs["worker"].address

    def read_written(self) -> dict[str, bytes]:
        """Every log, and every command line that the list of processes shows."""
        logs = {str(path): path.read_bytes() for path in (self.folder / "logs").iterdir()}
        lines = {
            f"/proc/{process.pid}/cmdline": Path(f"/proc/{process.pid}/cmdline").read_bytes()
            for process in (psutil.Process(), *psutil.Process().children(recursive=True))
        }
        return logs | lines


def write_secret(folder: Path, text: str) -> Path:
    path = folder / f"secret-{token_hex(4)}"
    path.write_text(text + "\n")
    path.chmod(0o600)
    return path


def build_settings(
    canaries: Canaries, folder: Path, database_url: str, redis_url: str, node_url: str
) -> dict[str, object]:
    """The settings of an engine with a canary in each secret one, half of them in files."""
    plant = canaries.plant
    database = urlsplit(database_url)
    redis_path = redis_url.removeprefix("unix://")
    secrets: dict[str, str] = {
        "database_url": database._replace(netloc=f"postgres:{plant('database_url')}@").geturl(),
        "redis_url": f"unix://canary:{plant('redis_url')}@{redis_path}",
        "solana_rpc_url": f"{node_url}/?api-key={plant('solana_rpc_url')}",
        "rpc_ws_url": f"{node_url}/?api-key={plant('rpc_ws_url')}".replace("http", "ws", 1),
        "solana_send_urls": f"{UNREACHABLE}/{plant('solana_send_urls')}",
        "jito_url": f"{node_url}{BUNDLES_PATH}?uuid={plant('jito_url')}",
        "api_keys": f"carl:{plant('api_keys')}",
    }
    assert set(secrets) <= set(list_secrets())
    for name in sorted(list_secrets().keys() - secrets):  # those that nothing else needs
        form = f"{UNREACHABLE}/{{}}" if name.endswith("url") else "{}"
        secrets[name] = FORMS.get(name, form).format(plant(name))
    files = {name: write_secret(folder, value) for name, value in list(secrets.items())[::2]}
    variables = {name: value for name, value in secrets.items() if name not in files}
    (folder / "jwks.json").write_text(build_jwks("ES256-1"))
    return {
        **variables,
        **{f"{name}_file": path for name, path in files.items()},
        "jito_auth_file": write_secret(folder, plant("jito_auth_file")),
        "send_auth_file": write_secret(folder, plant("send_auth_file")),
        "signer_socket": folder / "signer.sock",
        "webhook_networks": "127.0.0.0/8",
        "webhook_http": 1,
        "jwt_jwks": folder / "jwks.json",
        "jwt_issuer": ISSUER,
        "jwt_audience": AUDIENCE,
        "log_level": "debug",
        "profile": "instant",
        "quote_age_s": 0,
        "shutdown_s": 0,
        "backoff_s": 0.05,
    }


def build_environment(settings: Mapping[str, object]) -> dict[str, str]:
    """The environment of a process; of secret settings also the variables of their files."""
    variables = list_secrets()
    files = {
        f"{variables[name.removesuffix('_file')]}_FILE": str(value)
        for name, value in settings.items()
        if name.removesuffix("_file") in variables and name.endswith("_file")
    }
    others = {
        name: value
        for name, value in settings.items()
        if not (name.endswith("_file") and name.removesuffix("_file") in variables)
    }
    return {**build_child_environment(os.environ, **others), **files}


@asynccontextmanager
async def run_canary_engine(
    folder: Path, database_url: str, redis_url: str, node_url: str
) -> AsyncIterator[tuple[CanaryEngine, Mapping[str, str]]]:
    """Run a signer, a worker and an API; yields them, and the environment of further commands."""
    engine = CanaryEngine(Canaries(), folder)
    settings = build_settings(engine.canaries, folder, database_url, redis_url, node_url)
    env = build_environment(settings)
    password = engine.canaries.plant("wallet_password")
    write_keypair(folder / "wallet.json", WALLET, password)
    for number, form in enumerate(spell_key(WALLET)):
        engine.canaries.planted[f"wallet, form {number}"] = form
    signing = {
        "signer_socket": folder / "signer.sock",
        "signer_day_limits": "SOL=100",
        "log_level": "debug",
    }
    wallet_file, password_file = folder / "wallet.json", write_secret(folder, password)
    files = ("--wallet", str(wallet_file), "--password-file", str(password_file))
    commands = [
        ("signer", ("signer", *files), build_child_environment(os.environ, **signing)),
        ("worker", ("worker",), env),
        ("api", ("api", "--port", "0"), env),
    ]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_allow_redis_user(redis_url, engine.canaries))
        async with asyncio.TaskGroup() as group:
            for name, argv, environ in commands:
                group.create_task(_start(engine, stack, name, argv, environ))
        yield engine, env


async def _start(
    engine: CanaryEngine,
    stack: AsyncExitStack,
    name: str,
    argv: Iterable[str],
    env: Mapping[str, str],
) -> None:
    command = (sys.executable, "-m", "backend.cli", *argv)
    (engine.folder / "logs").mkdir(exist_ok=True)
    program = EngineProcess(ProcessCommand(name, command, env), engine.folder / "logs")
    process = await program.start()
    stack.push_async_callback(child_process.kill_group, process)
    engine.programs[name], engine.processes[name] = program, process


@asynccontextmanager
async def _allow_redis_user(redis_url: str, canaries: Canaries) -> AsyncIterator[None]:
    """A user of the server whose password is a canary."""
    async with Redis.from_url(redis_url) as redis:
        password = f"+{canaries.plant('redis_url')}"
        everything = {"commands": ["+@all"], "keys": ["*"], "channels": ["*"]}
        await redis.acl_setuser("canary", enabled=True, passwords=[password], **everything)  # type: ignore[arg-type]
        try:
            yield
        finally:
            await redis.acl_deluser("canary")


async def dump_everything(database_url: str, redis_url: str) -> dict[str, bytes]:
    """All rows of all tables, and all that is in Redis."""
    texts: dict[str, bytes] = {}
    connection = await asyncpg.connect(database_url)
    try:
        names = await connection.fetch(
            "SELECT quote_ident(table_name) AS name FROM information_schema.tables"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
        for name in [row["name"] for row in names]:
            rows = await connection.fetch(f"SELECT t::text AS row FROM {name} t")  # noqa: S608
            texts[f"table {name}"] = "\n".join(row["row"] for row in rows).encode()
    finally:
        await connection.close()
    async with Redis.from_url(redis_url) as redis:
        async for key in redis.scan_iter():
            texts[f"redis {key!r}"] = key + (await redis.dump(key) or b"")
    return texts


def decode_json(text: str) -> dict[str, object]:
    answer: dict[str, object] = json.loads(text)
    return answer
