"""A host: a process in a network namespace of its own, and all that it runs.

Its standard input tells what that is, as JSON; it ends, with all its processes, once that is
closed, or when it is killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from array import array
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import orjson

from backend.config import build_child_environment
from backend.embedded import child_process
from backend.embedded.data_dir import DataDirectory, hold_data_dir
from backend.embedded.engine_processes import EngineProcess, ProcessCommand
from backend.embedded.supervisor import SupervisedProgram, ignore_notice, supervise
from backend.embedded.valkey import ValkeyServer
from backend.store.migrations import migrate
from backend.trials.failover.postgres_node import PostgresNode
from backend.trials.hosts.tunnel import NETWORK, enter_namespace, open_tunnel

READY: Final = b"ready\n"
"""What a host tells once all that it runs is ready."""
POSTGRES_PORT: Final = 5_432
REDIS_PORT: Final = 6_379
API_PORTS: Final = (3_001, 3_002)
_NGINX: Final = """
daemon off; master_process off; user root; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    proxy_http_version 1.1; proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_connect_timeout 2s; proxy_read_timeout 60s;
    upstream apis {{ {servers} }}
    server {{ listen {address}:80; location / {{ proxy_pass http://apis; }} }}
    {each}
}}
"""


class NetworkPostgres(PostgresNode):
    """A PostgreSQL that the hosts of the network may use, without a password."""

    def __init__(self, directory: DataDirectory, address: str) -> None:
        access = directory.data_dir / "pg_hba.conf"
        access.write_text(f"local all all trust\nhost all all {NETWORK}.0/24 trust\n")
        access.chmod(0o644)
        settings = {"listen_addresses": address, "hba_file": str(access)}
        super().__init__(directory, "postgres", settings, connections_max=200)


class NetworkValkey(ValkeyServer):
    """A Valkey that the hosts of the network may use, without a password."""

    def __init__(self, directory: DataDirectory, address: str) -> None:
        super().__init__(directory, 16)
        self._address = address

    def _arguments(self) -> Iterator[str | Path]:
        yield from super()._arguments()
        yield from ("--port", str(REDIS_PORT), "--bind", self._address, "--protected-mode", "no")


class Nginx:
    """An nginx before the APIs of its host: at port 80 all of them, at its own port each."""

    name = "nginx"
    stop_steps: tuple[child_process.StopStep, ...] = ()

    def __init__(self, folder: Path, address: str) -> None:
        self._folder = folder
        servers = " ".join(f"server 127.0.0.1:{port} max_fails=1;" for port in API_PORTS)
        each = " ".join(
            f"server {{ listen {address}:{port};"
            f" location / {{ proxy_pass http://127.0.0.1:{port}; }} }}"
            for port in API_PORTS
        )
        self._text = _NGINX.format(folder=folder, address=address, servers=servers, each=each)

    async def start(self) -> asyncio.subprocess.Process:
        """Start it."""
        self._folder.mkdir(exist_ok=True)
        configuration = self._folder / "nginx.conf"
        configuration.write_text(self._text)
        return await child_process.spawn_process(
            ["/usr/sbin/nginx", "-c", configuration],
            log=self._folder / "nginx.log",
            env={"PATH": os.defpath},
            death_signal=signal.SIGKILL,
        )


def _build_engine(
    name: str, argv: tuple[str, ...], settings: Mapping[str, object], log_dir: Path
) -> EngineProcess:
    env = build_child_environment(os.environ, **settings)
    command = ProcessCommand(name, (sys.executable, "-m", "backend.cli", *argv), env)
    return EngineProcess(command, log_dir)


async def _run_programs(stack: AsyncExitStack, *programs: SupervisedProgram) -> None:
    running = supervise(programs, on_notice=ignore_notice, force_stop=asyncio.Event())
    await stack.enter_async_context(running)


async def _run_stores(stack: AsyncExitStack, data_dir: Path, address: str) -> None:
    directory = stack.enter_context(hold_data_dir(data_dir))
    postgres, valkey = NetworkPostgres(directory, address), NetworkValkey(directory, address)
    await _run_programs(stack, postgres, valkey)
    await migrate(postgres.url)


async def _run_host(role: str, message: Mapping[str, Any], address: str) -> None:
    data_dir, settings = Path(message["data_dir"]), message["settings"]
    async with AsyncExitStack() as stack:
        if role == "stores":
            await _run_stores(stack, data_dir, address)
        elif role == "api":
            apis = [
                _build_engine(f"api-{port}", ("api", "--port", str(port)), settings, data_dir)
                for port in API_PORTS
            ]
            await _run_programs(stack, *apis, Nginx(data_dir / "nginx", address))
        else:
            worker = _build_engine(role, ("worker",), settings, data_dir)
            await _run_programs(stack, worker)
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


def main(role: str, address: str, control: socket.socket) -> None:
    """Join the network by the socket of its switch, and run what standard input tells."""
    enter_namespace()
    descriptor = open_tunnel(address)
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [descriptor]))]
    control.sendmsg([orjson.dumps({"host": int(address.rpartition(".")[2])})], ancillary)
    os.close(descriptor)
    control.close()
    message = orjson.loads(sys.stdin.buffer.readline())
    Path(message["data_dir"]).mkdir(exist_ok=True)
    asyncio.run(_run_host(role, message, address))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], socket.socket(fileno=int(sys.argv[3])))
