"""Our own processes under supervision: order of start and stop, restarts, and no orphans."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from backend.domain.errors import Transient
from backend.embedded import Notice, What
from backend.embedded import engine_processes as processes
from backend.embedded.engine_processes import Command, Stage
from tests.processes import WAIT_S, is_running, until

ROOT = Path(__file__).parent.parent.parent

# Answers every connection with its pid, and writes down when it starts and stops.
SERVER = """
import os, signal, socket, sys
def note(what):
    with open("journal", "a") as journal:
        journal.write(f"{os.environ['NAME']} {what}\\n")
def leave(*_):
    note("stops")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
fd = os.environ.get("LISTEN_FD")
listener = socket.socket(fileno=int(fd)) if fd else socket.create_server(("127.0.0.1", 0))
note("starts")
print(f"ready http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
while True:
    connection, _ = listener.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    time.sleep(60)
"""
SUPERVISOR = """
import asyncio, os, pathlib, sys
from backend.embedded import processes
def stage(ready):
    argv = (sys.executable, "-c", os.environ["CHILD"])
    return [processes.Command(f"child-{n}", argv, os.environ) for n in range(2)]
asyncio.run(processes.run(
    [stage], logs=pathlib.Path("."), stop=asyncio.Event(), hurry=asyncio.Event(),
    on_ready=lambda ready: print("up", flush=True), tell=lambda notice: None,
))
"""


def command(name: str, script: str = SERVER, **options: float | tuple[int, ...]) -> Command:
    env = {**os.environ, "NAME": name}
    match options.get("pass_fds"):
        case (int(fd),):
            env["LISTEN_FD"] = str(fd)
        case _:
            pass
    return Command(name, (sys.executable, "-c", script), env, **options)  # type: ignore[arg-type]


@dataclass
class Up:
    """A running ``processes.run`` and what it told."""

    logs: Path
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Queue[Mapping[str, str]] = field(default_factory=asyncio.Queue)
    notices: asyncio.Queue[Notice] = field(default_factory=asyncio.Queue)

    async def run(self, *stages: Stage) -> None:
        await processes.run(
            stages,
            logs=self.logs,
            stop=self.stop,
            hurry=self.hurry,
            on_ready=self.ready.put_nowait,
            tell=self.notices.put_nowait,
        )

    async def told(self, what: What) -> Notice:
        """The next notice, which is about ``what``."""
        notice = await self.notices.get()
        assert notice.what is what, notice
        return notice


@pytest.fixture
def up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Up:
    monkeypatch.chdir(tmp_path)
    return Up(tmp_path)


@asynccontextmanager
async def running(up: Up, *stages: Stage) -> AsyncIterator[Mapping[str, str]]:
    """The addresses of the processes of ``stages``; asked to stop, and gone, at the end."""
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        group.create_task(up.run(*stages))
        yield await up.ready.get()
        up.stop.set()


def pid_behind(address: str) -> int:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as connection:
        return int(connection.recv(32))


async def test_stages_start_in_order_and_stop_in_reverse(up: Up) -> None:
    seen: list[Mapping[str, str]] = []

    def later(ready: Mapping[str, str]) -> list[Command]:
        seen.append(ready)
        return [command("api")]

    async with running(
        up, lambda _: [command("chain")], lambda _: [command("worker-1")], later
    ) as addresses:
        assert set(addresses) == {"chain", "worker-1", "api"}
        assert seen == [{name: addresses[name] for name in ("chain", "worker-1")}]
        pids = [pid_behind(address) for address in addresses.values()]
    assert not any(is_running(pid) for pid in pids)
    names = ["chain", "worker-1", "api"]
    journal = [f"{name} starts" for name in names] + [f"{name} stops" for name in names[::-1]]
    assert (up.logs / "journal").read_text().splitlines() == journal


async def test_a_process_that_dies_is_started_again_and_refuses_no_connection(up: Up) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        api = command("api", pass_fds=(listener.fileno(),))
        async with running(up, lambda _: [api]) as addresses:
            await up.told(What.READY)
            first = pid_behind(addresses["api"])
            os.kill(first, signal.SIGKILL)
            assert (await up.told(What.DIED)).detail == "ended by SIGKILL"
            second = await asyncio.to_thread(pid_behind, addresses["api"])
            assert second != first
            await up.told(What.READY)
    assert not is_running(second)


async def test_a_process_that_ignores_the_request_to_stop_is_killed(up: Up) -> None:
    async with running(up, lambda _: [command("deaf", STUBBORN, stop_timeout_s=0.1)]):
        await up.told(What.READY)
    await up.told(What.KILLED)


async def test_hurry_cuts_a_long_stop_short(up: Up) -> None:
    async with running(up, lambda _: [command("deaf", STUBBORN, stop_timeout_s=WAIT_S * 10)]):
        await up.told(What.READY)
        up.hurry.set()
    await up.told(What.KILLED)


async def test_a_process_that_cannot_start_ends_the_run_with_the_reason(up: Up) -> None:
    pids: list[int] = []

    def failing(ready: Mapping[str, str]) -> list[Command]:
        pids.append(pid_behind(ready["chain"]))
        return [command("api", "raise SystemExit('the port is taken')")]

    with pytest.raises(Transient, match=r"(?s)api ended with code 1.*the port is taken"):
        await up.run(lambda _: [command("chain")], failing)
    assert not any(is_running(pid) for pid in pids)


async def test_a_process_that_is_never_ready_ends_the_run(up: Up) -> None:
    silent = command("silent", "import time; time.sleep(600)", ready_timeout_s=0.2)
    with pytest.raises(Transient, match="silent is not ready in time"):
        await up.run(lambda _: [silent])


async def test_stopping_works_while_something_still_starts(up: Up) -> None:
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        silent = command("silent", "import time; time.sleep(600)", ready_timeout_s=WAIT_S * 10)
        group.create_task(up.run(lambda _: [command("chain")], lambda _: [silent]))
        await up.told(What.READY)
        up.stop.set()
    await up.told(What.STOPPED)
    assert up.ready.empty()


@contextmanager
def separate_supervisor() -> Iterator[subprocess.Popen[bytes]]:
    env = {**os.environ, "CHILD": STUBBORN, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR], env=env, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"up\n"
            yield process
        finally:
            process.kill()


async def test_a_killed_supervisor_leaves_no_process(up: Up) -> None:
    with separate_supervisor() as supervisor:
        children = [child.pid for child in psutil.Process(supervisor.pid).children()]
        assert len(children) == 2
    await until(lambda: not any(is_running(pid) for pid in children))
