"""The embedded servers: restarts, data safety and cleanup, however they or their parent end."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis.asyncio as redis

from backend import embedded
from backend.domain.errors import Rejected
from backend.embedded.account import Account, choose_account
from backend.embedded.binaries import Program, ensure_executable, find_postgres, find_valkey
from tests.processes import WAIT_TIMEOUT_S, is_running, wait_until

ROOT = Path(__file__).parent.parent.parent
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run servers as another user")


async def count_row_and_key(servers: embedded.ServerUrls) -> tuple[int, int]:
    connection = await asyncpg.connect(servers.database_url)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS visits (at timestamptz)")
        await connection.execute("INSERT INTO visits VALUES (now())")
        rows: int = await connection.fetchval("SELECT count(*) FROM visits")
    finally:
        await connection.close()
    async with redis.from_url(servers.redis_url) as client:
        return rows, int(await client.incr("visits"))


def server_pids(data_dir: Path) -> list[int]:
    files = (data_dir / "postgres" / "postmaster.pid", data_dir / "valkey" / "valkey.pid")
    return [int(file.read_text().split("\n", 1)[0]) for file in files]


@contextmanager
def run_server_process(
    data_dir: Path, env: dict[str, str]
) -> Iterator[tuple[int, embedded.ServerUrls]]:
    """Run the embedded servers in a separate process; yield its pid and their URLs."""
    with subprocess.Popen(
        [sys.executable, ROOT / "tests" / "server_process.py", data_dir],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**env, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        yield process.pid, embedded.ServerUrls(**addresses)
        process.communicate(timeout=WAIT_TIMEOUT_S)


@asynccontextmanager
async def run_servers_with_notices(
    data_dir: Path,
) -> AsyncIterator[tuple[embedded.ServerUrls, asyncio.Queue[embedded.Notice]]]:
    notices: asyncio.Queue[embedded.Notice] = asyncio.Queue(1_000)
    async with embedded.run_servers(data_dir, on_notice=notices.put_nowait) as servers:
        for _ in range(2):
            assert (await notices.get()).kind is embedded.NoticeKind.READY
        yield servers, notices


async def test_rows_and_keys_are_there_after_a_restart(data_dir: Path) -> None:
    for visit in (1, 2):
        async with embedded.run_servers(data_dir) as servers:
            assert await count_row_and_key(servers) == (visit, visit)


async def test_leaving_stops_the_servers_and_removes_their_sockets(data_dir: Path) -> None:
    async with run_servers_with_notices(data_dir) as (servers, notices):
        pids = server_pids(data_dir)
        sockets = Path(servers.redis_url.removeprefix("unix://")).parent
        assert sockets.stat().st_mode & 0o077 == 0
    assert not any(is_running(pid) for pid in pids)
    assert not sockets.exists()
    assert {(await notices.get()).kind for _ in pids} == {embedded.NoticeKind.STOPPED}


async def test_a_killed_parent_leaves_no_process_and_loses_no_row(data_dir: Path) -> None:
    for visit in (1, 2, 3):
        with run_server_process(data_dir, dict(os.environ)) as (parent, servers):
            assert await count_row_and_key(servers) == (visit, visit)
            pids = server_pids(data_dir)
            pids += [child.pid for child in psutil.Process(pids[0]).children()]
            os.kill(parent, signal.SIGKILL)
        # The next iteration starts while these may still be exiting.
    await wait_until(lambda: not any(is_running(pid) for pid in pids))
    async with embedded.run_servers(data_dir) as servers:
        assert await count_row_and_key(servers) == (4, 4)


@pytest.mark.parametrize("number", [0, 1], ids=["postgres", "valkey"])
async def test_a_killed_server_comes_back_at_the_same_address(data_dir: Path, number: int) -> None:
    async with (
        run_servers_with_notices(data_dir) as (servers, notices),
        asyncio.timeout(WAIT_TIMEOUT_S),
    ):
        for visit in (1, 2, 3):
            assert await count_row_and_key(servers) == (visit, visit)
            os.kill(server_pids(data_dir)[number], signal.SIGKILL)
            assert (await notices.get()).kind is embedded.NoticeKind.DIED
            assert (await notices.get()).kind is embedded.NoticeKind.READY


@contextmanager
def run_sleeping_process(account: Account) -> Iterator[subprocess.Popen[bytes]]:
    uid, gid = (account.uid, account.gid) if account.is_switched else (None, None)
    with subprocess.Popen(["sleep", "600"], user=uid, group=gid) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_a_process_that_stale_pid_files_name_is_left_alone(data_dir: Path) -> None:
    async with embedded.run_servers(data_dir) as servers:
        await count_row_and_key(servers)
        pid_lines = (data_dir / "postgres" / "postmaster.pid").read_text().split("\n")[1:]
    account = choose_account(data_dir)
    with run_sleeping_process(account) as foreign:
        stale = data_dir / "postgres" / "postmaster.pid"
        stale.write_text("\n".join([str(foreign.pid), *pid_lines]))
        account.chown(stale)
        (data_dir / "valkey" / "valkey.pid").write_text(f"{foreign.pid}\n")
        async with embedded.run_servers(data_dir) as servers:
            assert await count_row_and_key(servers) == (2, 2)
        assert foreign.poll() is None


async def test_a_second_instance_is_refused_at_once(data_dir: Path) -> None:
    async with embedded.run_servers(data_dir) as servers:
        with pytest.raises(Rejected, match=f"in use by process {os.getpid()}") as refused:
            async with embedded.run_servers(data_dir):
                pytest.fail("two supervisors over one data directory")
        assert refused.value.code == "data_dir_in_use"
        assert await count_row_and_key(servers) == (1, 1)


async def test_a_deep_data_directory_works(data_dir: Path) -> None:
    deep = data_dir.joinpath(*["a-rather-long-name-for-a-folder"] * 6)
    async with embedded.run_servers(deep) as servers:
        assert await count_row_and_key(servers) == (1, 1)


async def test_a_data_directory_that_was_half_made_is_made_again(data_dir: Path) -> None:
    (data_dir / "postgres.partial").mkdir()
    (data_dir / "postgres.partial" / "PG_VERSION").write_text("18\n")
    async with embedded.run_servers(data_dir) as servers:
        assert await count_row_and_key(servers) == (1, 1)


async def test_an_empty_environment_is_enough(data_dir: Path) -> None:
    with run_server_process(data_dir, {"HOME": ""}) as (_, servers):
        assert await count_row_and_key(servers) == (1, 1)


async def test_given_urls_pass_through_and_start_nothing(data_dir: Path) -> None:
    notices: list[embedded.Notice] = []
    async with embedded.run_servers(
        data_dir, database_url="postgresql://db/x", redis_url="redis://r", on_notice=notices.append
    ) as servers:
        assert servers == embedded.ServerUrls("postgresql://db/x", "redis://r")
    assert notices == []


async def test_the_doctor_names_the_holder_and_the_programs(data_dir: Path) -> None:
    before = dict(embedded.diagnose(data_dir))
    assert before["held by"] == "nobody"
    assert before["PostgreSQL"].startswith(find_postgres().version)
    async with embedded.run_servers(data_dir):
        during = dict(embedded.diagnose(data_dir))
    assert during["held by"].startswith(f"{os.getpid()} ")
    assert during["postgres process"].split()[0].isdecimal()


async def test_data_of_another_major_version_is_refused(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir()
    (data_dir / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(Rejected, match="written by PostgreSQL 9"):
        async with embedded.run_servers(data_dir):
            pytest.fail("a server over data that it cannot read")


@as_root
async def test_root_runs_the_servers_as_an_ordinary_user(data_dir: Path) -> None:
    async with embedded.run_servers(data_dir):
        for pid in server_pids(data_dir):
            process = psutil.Process(pid)
            assert process.uids().effective == choose_account(data_dir).uid != 0
            assert process.gids().effective == choose_account(data_dir).gid != 0


@as_root
async def test_an_empty_private_folder_lets_the_servers_pass_and_nobody_else(
    data_dir: Path,
) -> None:
    private = data_dir / "private"
    private.mkdir(mode=0o700)
    async with embedded.run_servers(private) as servers:
        assert await count_row_and_key(servers) == (1, 1)
    assert private.stat().st_mode & 0o777 == 0o710
    assert private.stat().st_gid == choose_account(private).gid


@as_root
async def test_a_parent_that_the_servers_cannot_enter_is_named_and_left_alone(
    data_dir: Path,
) -> None:
    private = data_dir / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(Rejected, match=f"cannot enter {private}:"):
        async with embedded.run_servers(private / "data"):
            pytest.fail("servers that access a private folder")
    assert private.stat().st_mode & 0o777 == 0o700


def copy_program(folder: Path, program: Program) -> Program:
    assert program.tree, "the wheels are installed with the project"
    copies = [folder / source.relative_to(program.base) for source in program.tree]
    for source, copy in zip(program.tree, copies, strict=True):
        if source.is_dir():
            shutil.copytree(source, copy)
        else:
            shutil.copy2(source, copy)
    path = folder / program.path.relative_to(program.base)
    return replace(program, path=path, base=folder, tree=tuple(copies))


@as_root
@pytest.mark.parametrize("find", [find_postgres, find_valkey])
async def test_programs_out_of_reach_are_copied_once(
    data_dir: Path, find: Callable[[], Program]
) -> None:
    account = choose_account(data_dir)
    private = data_dir / "private"
    private.mkdir(mode=0o700)
    original = copy_program(private, find())
    copy = ensure_executable(original, account, data_dir / "servers")
    assert copy.path.is_relative_to(data_dir / "servers")
    assert account.run([copy.path, "--version"]) is not None
    inode = copy.path.stat().st_ino
    assert ensure_executable(original, account, data_dir / "servers") == copy
    assert copy.path.stat().st_ino == inode


async def test_nobody_else_may_read_data_or_logs(data_dir: Path) -> None:
    new = data_dir / "new"
    older = new / "logs" / "postgres.log"
    async with embedded.run_servers(new) as servers:
        await count_row_and_key(servers)
        older.parent.chmod(0o755)
        older.chmod(0o644)
    async with embedded.run_servers(new) as servers:
        await count_row_and_key(servers)
        for path in (new, *new.iterdir(), *(new / "logs").iterdir()):
            if path.name != "servers":  # copies of programs
                assert path.stat().st_mode & 0o067 == 0, path
