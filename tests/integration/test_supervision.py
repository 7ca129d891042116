"""Supervised engine processes: order of start and stop, restarts, and no orphans."""

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
from backend.embedded import Notice, NoticeKind, engine_processes
from backend.embedded.engine_processes import ProcessCommand, Stage, StartStep
from tests.processes import WAIT_TIMEOUT_S, is_running, wait_until

ROOT = Path(__file__).parent.parent.parent

# Sends its pid on every connection, and records its start and stop in a file.
SERVER_SCRIPT = """
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
AWAITS_API_SCRIPT = f"""
import pathlib, time
journal = pathlib.Path("journal")
while not journal.exists() or "api starts" not in journal.read_text():
    time.sleep(0.01)
{SERVER_SCRIPT}"""
IGNORES_SIGTERM_SCRIPT = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    time.sleep(60)
"""
SUPERVISOR_SCRIPT = """
import asyncio, os, pathlib, sys
from backend.embedded import engine_processes
def stage(ready):
    argv = (sys.executable, "-c", os.environ["CHILD"])
    return [engine_processes.ProcessCommand(f"child-{n}", argv, os.environ) for n in range(2)]
asyncio.run(engine_processes.run_stages(
    [[stage]], log_dir=pathlib.Path("."), stop=asyncio.Event(), force_stop=asyncio.Event(),
    on_ready=lambda ready: print("up", flush=True), on_notice=lambda notice: None,
))
"""


def build_command(
    name: str, script: str = SERVER_SCRIPT, **options: float | tuple[int, ...]
) -> ProcessCommand:
    env = {**os.environ, "NAME": name}
    match options.get("pass_fds"):
        case (int(fd),):
            env["LISTEN_FD"] = str(fd)
        case _:
            pass
    return ProcessCommand(name, (sys.executable, "-c", script), env, **options)  # type: ignore[arg-type]


@dataclass
class SupervisedRun:
    """A running ``run_stages`` and its notices."""

    log_dir: Path
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    force_stop: asyncio.Event = field(default_factory=asyncio.Event)
    ready: asyncio.Queue[Mapping[str, str]] = field(default_factory=asyncio.Queue)
    notices: asyncio.Queue[Notice] = field(default_factory=asyncio.Queue)

    async def run(self, *steps: Stage | StartStep) -> None:
        await engine_processes.run_stages(
            [[step] if callable(step) else step for step in steps],
            log_dir=self.log_dir,
            stop=self.stop,
            force_stop=self.force_stop,
            on_ready=self.ready.put_nowait,
            on_notice=self.notices.put_nowait,
        )

    async def expect_notice(self, kind: NoticeKind) -> Notice:
        """Wait for the next notice, which must be of ``kind``."""
        notice = await self.notices.get()
        assert notice.kind is kind, notice
        return notice


@pytest.fixture
def supervised_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SupervisedRun:
    monkeypatch.chdir(tmp_path)
    return SupervisedRun(tmp_path)


@asynccontextmanager
async def run_in_context(
    supervised_run: SupervisedRun, *steps: Stage | StartStep
) -> AsyncIterator[Mapping[str, str]]:
    """Run ``steps`` and yield the processes' addresses; stop them on exit."""
    async with asyncio.timeout(WAIT_TIMEOUT_S), asyncio.TaskGroup() as group:
        group.create_task(supervised_run.run(*steps))
        yield await supervised_run.ready.get()
        supervised_run.stop.set()


def fetch_pid(address: str) -> int:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_TIMEOUT_S) as connection:
        return int(connection.recv(32))


async def test_stages_start_in_order_and_stop_in_reverse(supervised_run: SupervisedRun) -> None:
    ready_addresses: list[Mapping[str, str]] = []

    def build_api_stage(ready: Mapping[str, str]) -> list[ProcessCommand]:
        ready_addresses.append(ready)
        return [build_command("api")]

    async with run_in_context(
        supervised_run,
        lambda _: [build_command("chain")],
        lambda _: [build_command("worker-1")],
        build_api_stage,
    ) as addresses:
        assert set(addresses) == {"chain", "worker-1", "api"}
        assert ready_addresses == [{name: addresses[name] for name in ("chain", "worker-1")}]
        pids = [fetch_pid(address) for address in addresses.values()]
    assert not any(is_running(pid) for pid in pids)
    names = ["chain", "worker-1", "api"]
    journal = [f"{name} starts" for name in names] + [f"{name} stops" for name in names[::-1]]
    assert (supervised_run.log_dir / "journal").read_text().splitlines() == journal


async def test_stages_of_a_step_start_together_and_stop_in_reverse(
    supervised_run: SupervisedRun,
) -> None:
    async with run_in_context(
        supervised_run,
        [
            lambda _: [build_command("worker-1", AWAITS_API_SCRIPT)],
            lambda _: [build_command("api")],
        ],
    ) as addresses:
        assert set(addresses) == {"worker-1", "api"}
    journal = ["api starts", "worker-1 starts", "api stops", "worker-1 stops"]
    assert (supervised_run.log_dir / "journal").read_text().splitlines() == journal


async def test_a_process_that_dies_is_started_again_and_refuses_no_connection(
    supervised_run: SupervisedRun,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        api = build_command("api", pass_fds=(listener.fileno(),))
        async with run_in_context(supervised_run, lambda _: [api]) as addresses:
            await supervised_run.expect_notice(NoticeKind.READY)
            first = fetch_pid(addresses["api"])
            os.kill(first, signal.SIGKILL)
            assert (
                await supervised_run.expect_notice(NoticeKind.DIED)
            ).detail == "ended by SIGKILL"
            second = await asyncio.to_thread(fetch_pid, addresses["api"])
            assert second != first
            await supervised_run.expect_notice(NoticeKind.READY)
    assert not is_running(second)


async def test_a_process_that_ignores_the_request_to_stop_is_killed(
    supervised_run: SupervisedRun,
) -> None:
    async with run_in_context(
        supervised_run,
        lambda _: [build_command("stubborn", IGNORES_SIGTERM_SCRIPT, stop_timeout_s=0.1)],
    ):
        await supervised_run.expect_notice(NoticeKind.READY)
    await supervised_run.expect_notice(NoticeKind.KILLED)


async def test_force_stop_cuts_a_long_stop_short(supervised_run: SupervisedRun) -> None:
    async with run_in_context(
        supervised_run,
        lambda _: [
            build_command("stubborn", IGNORES_SIGTERM_SCRIPT, stop_timeout_s=WAIT_TIMEOUT_S * 10)
        ],
    ):
        await supervised_run.expect_notice(NoticeKind.READY)
        supervised_run.force_stop.set()
    await supervised_run.expect_notice(NoticeKind.KILLED)


async def test_a_process_that_cannot_start_ends_the_run_with_the_reason(
    supervised_run: SupervisedRun,
) -> None:
    pids: list[int] = []

    def build_failing_stage(ready: Mapping[str, str]) -> list[ProcessCommand]:
        pids.append(fetch_pid(ready["chain"]))
        return [build_command("api", "raise SystemExit('the port is taken')")]

    with pytest.raises(Transient, match=r"(?s)api ended with code 1.*the port is taken"):
        await supervised_run.run(lambda _: [build_command("chain")], build_failing_stage)
    assert not any(is_running(pid) for pid in pids)


async def test_a_process_that_is_never_ready_ends_the_run(supervised_run: SupervisedRun) -> None:
    never_ready = build_command("silent", "import time; time.sleep(600)", ready_timeout_s=0.2)
    with pytest.raises(Transient, match="silent is not ready in time"):
        await supervised_run.run(lambda _: [never_ready])


async def test_stopping_works_while_something_still_starts(supervised_run: SupervisedRun) -> None:
    async with asyncio.timeout(WAIT_TIMEOUT_S), asyncio.TaskGroup() as group:
        never_ready = build_command(
            "silent", "import time; time.sleep(600)", ready_timeout_s=WAIT_TIMEOUT_S * 10
        )
        group.create_task(
            supervised_run.run(lambda _: [build_command("chain")], lambda _: [never_ready])
        )
        await supervised_run.expect_notice(NoticeKind.READY)
        supervised_run.stop.set()
    await supervised_run.expect_notice(NoticeKind.STOPPED)
    assert supervised_run.ready.empty()


@contextmanager
def run_separate_supervisor() -> Iterator[subprocess.Popen[bytes]]:
    env = {**os.environ, "CHILD": IGNORES_SIGTERM_SCRIPT, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR_SCRIPT], env=env, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"up\n"
            yield process
        finally:
            process.kill()


async def test_a_killed_supervisor_leaves_no_process(supervised_run: SupervisedRun) -> None:
    with run_separate_supervisor() as supervisor:
        children = [child.pid for child in psutil.Process(supervisor.pid).children()]
        assert len(children) == 2
    await wait_until(lambda: not any(is_running(pid) for pid in children))
