"""PgBouncer, Debian's package, in front of the PostgreSQL of the test run.

Where it is missing these tests are skipped, in CI they fail. It refuses to run as root, and runs as
the user of PostgreSQL, whose socket only that user can open.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import pytest

PROGRAM = Path("/usr/sbin/pgbouncer")
PORT = 6432
WAIT_S = 30


def require_pgbouncer() -> None:
    """Skip the test without PgBouncer; fail it in CI."""
    if PROGRAM.exists():
        return
    reason = f"{PROGRAM} is missing: apt-get install --no-install-recommends pgbouncer"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@asynccontextmanager
async def run_pgbouncer(
    database_url: str, folder: Path, pool_mode: str, **settings: object
) -> AsyncIterator[str]:
    """Run PgBouncer in a pool mode; yields the URL of the same database through it."""
    require_pgbouncer()
    parts = urlsplit(database_url)
    [server] = parse_qs(parts.query)["host"]
    owner = Path(server).stat()  # noqa: ASYNC240
    home = folder / f"pgbouncer-{pool_mode}"
    home.mkdir()
    users, config = home / "users.txt", home / "pgbouncer.ini"
    users.write_text(f'"{parts.username}" ""\n')
    options = {
        "listen_addr": "",
        "listen_port": PORT,
        "unix_socket_dir": home,
        "auth_type": "trust",
        "auth_file": users,
        "pool_mode": pool_mode,
        **settings,
    }
    lines = [f"{name} = {value}" for name, value in options.items()]
    config.write_text("\n".join([f"[databases]\n* = host={server}\n[pgbouncer]", *lines, ""]))
    process = await _start(config, home, owner)
    try:
        async with asyncio.timeout(WAIT_S):
            while not await _is_listening(home / f".s.PGSQL.{PORT}"):
                assert process.returncode is None, "PgBouncer ended while starting"
                await asyncio.sleep(0.01)
        query = f"host={quote(str(home))}&port={PORT}"
        yield urlunsplit(parts._replace(query=query))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _is_listening(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def _start(config: Path, home: Path, owner: os.stat_result) -> asyncio.subprocess.Process:
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(home, owner.st_uid, owner.st_gid)
    return await asyncio.create_subprocess_exec(
        PROGRAM,
        config,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        user=owner.st_uid if is_root else None,
        group=owner.st_gid if is_root else None,
        extra_groups=[] if is_root else None,
    )
