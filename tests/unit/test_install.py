"""The first command of a fresh clone says what it installs before it does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from backend.cli.up import up
from tests.conftest import ROOT


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


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
