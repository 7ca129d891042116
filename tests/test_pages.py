"""The pages are true: links and paths exist, and the commands in them run."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(".venv") or part == "node_modules" for part in path.parts)
]
README_LINES_MAX = 250
RUN_S = 240

_LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
_PATH = re.compile(r"`((?:[a-z_]+/)+[a-z_]*(?:\.(?:py|md|sql|yaml|http))?)`")

RUN_HERE = {
    "scripts/install dev",
    "scripts/test tests/unit/test_amounts.py",
    ".venv/bin/python -m tests.simulation --seeds 0:20",
    "scripts/chaos --list",
    "scripts/deployments --list",
}
RUN_ELSEWHERE = {
    "scripts/check": ".ci/run",
    ".ci/run": "it is CI itself",
    "scripts/bench all --quick": "tests/e2e/test_bench.py",
    "scripts/attack --minutes 1": "tests/chaos/test_attack.py, shorter",
    "scripts/fuzz --requests 5000": "tests/integration/test_fuzz.py, shorter",
    "scripts/oracle --orders 1000": "tests/integration/test_oracle.py, shorter",
    ".venv/bin/order-engine exactness --swaps 200": "tests/unit/test_exactness.py, shorter",
    "./scripts/quickstart.sh": ".ci/run, with --smoke",
    "curl -X POST http://127.0.0.1:3000/api/orders/execute"
    """ -d '{"tokenIn":"SOL","tokenOut":"USDC","amount":10}'""": "tests/e2e/test_up.py",
    "curl http://127.0.0.1:3000/api/orders": "tests/e2e/test_up.py",
    "docker compose up --build --scale worker=4": "tests/unit/test_compose.py, as far as it can"
    " without Docker",
}


_WALKTHROUGH = re.compile(r"^### Orders that wait\n.*?^```\n", re.DOTALL | re.MULTILINE)
"""What ``tests/e2e/test_walkthrough.py`` runs."""


def commands(page: str) -> list[str]:
    """The commands of a page's ``sh`` blocks, without their comments."""
    text = _WALKTHROUGH.sub("", (ROOT / page).read_text(encoding="utf-8"))
    lines = [line for block in _BLOCK.findall(text) for line in block.splitlines()]
    return [command for line in lines if (command := re.split(r"\s+# ", line)[0].strip())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if ":" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "backend/README.md"])
def test_every_path_that_a_page_names_exists(page: str) -> None:
    named = set(_PATH.findall((ROOT / page).read_text(encoding="utf-8")))
    missing = [
        path
        for path in named
        if not (ROOT / path).exists() and not (ROOT / "backend" / path).exists()
    ]
    assert missing == []


def test_the_readme_is_short_enough_to_be_read() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= README_LINES_MAX


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_command_of_a_page_is_run_by_a_test(page: str) -> None:
    assert [each for each in commands(page) if each not in RUN_HERE | set(RUN_ELSEWHERE)] == []


@pytest.mark.parametrize("command", sorted(RUN_HERE))
def test_a_command_of_a_page_runs(command: str) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    run = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-2_000:] + run.stderr[-2_000:]
