"""The command in a real terminal: it starts, quits, and exits when the terminal hangs up."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.terminal import run_in_terminal
from tests.tui.servers import run_api_process
from tests.tui.sessions import RECORDING
from tui.text.symbols import needs_ascii

WAIT_S = 60
NOWHERE = "http://127.0.0.1:9"
KEY = "anna-key-0123456789"
OPENED_BY_UP = """
import asyncio, sys
from backend.embedded.start_terminal import run_dashboard

asyncio.run(run_dashboard(sys.argv[1], sys.argv[2]))
"""


def ignore_hangup() -> object:
    return signal.signal(signal.SIGHUP, signal.SIG_IGN)


async def test_q_restores_the_terminal_and_saves_the_settings(tmp_path: Path) -> None:
    async with run_in_terminal(tmp_path, "--replay", str(RECORDING), "--speed", "0") as dashboard:
        await dashboard.wait_for_output("confirmed")
        os.write(dashboard.master, b"sq")
        assert await dashboard.wait_for_exit() == 0
        assert b"\x1b[?1049l" in dashboard.output
        assert b"Traceback" not in dashboard.output
    saved = (tmp_path / "order-engine" / "dashboard.json").read_text()
    assert '"sort": "pair"' in saved


async def test_keys_typed_ahead_go_to_the_form_that_an_earlier_one_opens(tmp_path: Path) -> None:
    async with run_in_terminal(tmp_path, "--url", NOWHERE) as dashboard:
        await dashboard.wait_for_output("offline")
        os.write(dashboard.master, b"n\x152345")
        await dashboard.wait_for_output("2,345 orders")


async def test_keys_typed_ahead_go_to_the_filter_and_back_to_the_table(tmp_path: Path) -> None:
    async with run_in_terminal(tmp_path, "--url", NOWHERE) as dashboard:
        await dashboard.wait_for_output("offline")
        os.write(dashboard.master, b"/sS\rq")
        assert await dashboard.wait_for_exit() == 0
    saved = (tmp_path / "order-engine" / "dashboard.json").read_text()
    assert '"sort": "time"' in saved  # as text, no key sorted


@pytest.mark.parametrize("before", [None, ignore_hangup], ids=["sighup", "sighup-ignored"])
async def test_it_exits_when_the_terminal_hangs_up(
    tmp_path: Path, before: Callable[[], object] | None
) -> None:
    async with run_in_terminal(tmp_path, "--url", NOWHERE, before=before) as dashboard:
        await dashboard.wait_for_output("offline")
        dashboard.hang_up()
        await dashboard.wait_for_exit()


async def test_it_exits_with_a_terminal_of_another_session(tmp_path: Path) -> None:
    async with run_in_terminal(tmp_path, "--url", NOWHERE, is_controlling=False) as dashboard:
        await dashboard.wait_for_output(
            "offline 3 s"
        )  # longer than the interval of the terminal check
        dashboard.hang_up()
        await dashboard.wait_for_exit()


async def test_an_invalid_recording_is_reported_in_a_sentence(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"recording":1}\nnonsense\n')
    async with run_in_terminal(tmp_path, "--replay", str(bad)) as dashboard:
        assert await dashboard.wait_for_exit() == 1
        await dashboard.wait_for_output("line 2")
        assert b"Traceback" not in dashboard.output


async def run_plain(*arguments: str, **environ: str) -> tuple[int, list[str], str]:
    """Run with ``--plain``; returns the exit status, the lines of stdout, and stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tui", "--plain", *arguments),
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WAIT_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode().splitlines(), err.decode()


async def test_without_a_terminal_it_reports_an_error() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tui", "--replay", str(RECORDING)),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert (process.returncode, b"--plain" in errors) == (2, True)


async def test_plain_output_has_a_line_for_each_transition() -> None:
    status, lines, errors = await run_plain("--replay", str(RECORDING), "--speed", "0", TZ="UTC")
    assert (status, errors) == (0, "")
    assert sum(" confirmed " in line for line in lines) == 434
    assert sum(" failed " in line for line in lines) == 19
    assert any("insufficient_funds: the wallet does not hold" in line for line in lines)
    assert any(line.endswith("resumed after 2.20s, 60 events replayed") for line in lines)


async def test_plain_output_can_be_ascii_only() -> None:
    _, lines, _ = await run_plain("--ascii", "--replay", str(RECORDING), "--speed", "0")
    assert lines
    assert all(line.isascii() for line in lines)


async def test_plain_output_ends_quietly_when_the_pipe_closes() -> None:
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m tui --plain --replay {RECORDING} --speed 0 | head -1",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WAIT_S):
        out, err = await process.communicate()
    assert (len(out.splitlines()), err) == (1, b"")


@pytest.mark.parametrize(
    ("encoding", "environ", "is_ascii"),
    [
        ("utf-8", {"LANG": "en_US.UTF-8"}, False),
        ("UTF8", {}, False),
        ("ascii", {}, True),
        ("latin-1", {"LANG": "en_US"}, True),
        ("utf-8", {"LANG": "ja_JP.UTF-8"}, True),
        ("utf-8", {"LANG": "ja_JP.UTF-8", "LC_ALL": "C.UTF-8"}, False),
    ],
)
def test_ascii_is_used_where_shapes_would_be_drawn_wrong(
    encoding: str, environ: dict[str, str], is_ascii: bool
) -> None:
    assert needs_ascii(encoding, environ) is is_ascii


def test_the_model_and_the_client_import_no_terminal_and_no_backend() -> None:
    import subprocess

    code = (
        "import sys, tui.connection.feed, tui.connection.order_sender, tui.connection.recording, "
        "tui.model.model, tui.model.plan.batch_plan, tui.output.summary, tui.session,"
        " tui.table.view;"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'textual', 'backend'}))"
    )
    result: Any = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


async def test_a_key_is_read_from_a_file_and_a_refusal_ends_plain_output(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    keys = {"ORDER_ENGINE_API_KEYS": f"anna:{KEY}"}
    async with run_api_process(database_url, redis_url, **keys) as api:
        status, _, errors = await run_plain("--url", api.url)
        assert (status, "ORDER_ENGINE_API_KEY" in errors) == (1, True)
        status, _, errors = await run_plain("--url", api.url, "--key", "another-key-0123456789")
        assert (status, "the list of processes shows --key" in errors) == (1, True)
        key_file = tmp_path / "key"
        key_file.write_text(f"{KEY}\n")
        async with run_in_terminal(
            tmp_path, "--url", api.url, "--key-file", str(key_file)
        ) as dashboard:
            await dashboard.wait_for_output("live")
        opened_by_up = ("-c", OPENED_BY_UP)
        async with run_in_terminal(tmp_path, api.url, KEY, program=opened_by_up) as dashboard:
            await dashboard.wait_for_output("live")
        async with run_in_terminal(tmp_path, "--url", api.url) as dashboard:
            await dashboard.wait_for_output("refuses requests without an API key")
            await dashboard.wait_for_output("r tries again")
