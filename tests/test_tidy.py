"""The rules of the house that no linter checks. Imports are checked by ``scripts/check``."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINES_MAX = 300
FUNCTION_LINES_MAX = 40
FOLDER_FILES_MAX = 15
# A broad except is right where the failure of one must not end the others, and nowhere else.
EDGES = (
    "backend/api/",  # one request: its client is told
    "backend/execution/",  # one order: it is retried
    "backend/notices/",  # one service of operators: the others are told
    "backend/queue/",  # one look of the sweep: the next may succeed
    "backend/triggers/",  # one slot: the next may succeed
    "backend/runtime/coalescer.py",  # nothing ends here: those who asked get the error
)

SOURCES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for folder in ("backend", "tui", "scripts", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
PRODUCT = [name for name in SOURCES if name.startswith(("backend/", "tui/"))]
BACKEND = [name for name in SOURCES if name.startswith("backend/")]
FOLDERS = [
    folder
    for top in ("backend", "tui", "scripts", "static")
    for folder in sorted([ROOT / top, *(ROOT / top).rglob("*/")])
    if folder.name != "__pycache__"
]
SHELL_SCRIPTS = [
    path
    for folder in ("scripts", ".ci")
    for path in sorted((ROOT / folder).iterdir())
    if path.is_file() and path.read_bytes().startswith(b"#!/usr/bin/env bash\n")
]

Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@cache
def parse(name: str) -> ast.Module:
    return ast.parse(SOURCES[name])


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return lines
    docstring = function.body[0]
    assert docstring.end_lineno is not None
    return lines - (docstring.end_lineno - docstring.lineno + 1)


def public(tree: ast.Module | ast.ClassDef) -> Iterator[Documented]:
    """The public functions and classes of a module, and the public methods of its classes."""
    for node in tree.body:
        if not isinstance(node, Documented) or node.name.startswith("_"):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            yield from public(node)


def is_overload(node: Documented) -> bool:
    return any(ast.unparse(each).endswith("overload") for each in node.decorator_list)


def test_a_file_is_short_enough_to_read_in_one_go() -> None:
    lengths = {name: len(source.splitlines()) for name, source in SOURCES.items()}
    assert {name: lines for name, lines in lengths.items() if lines > LINES_MAX} == {}


def test_a_function_fits_on_a_screen() -> None:
    lengths = {
        (name, each.name): lines_without_docstring(each)
        for name in SOURCES
        for each in functions(parse(name))
    }
    assert {each: n for each, n in lengths.items() if n > FUNCTION_LINES_MAX} == {}


def test_a_folder_has_few_enough_files_to_be_seen_at_once() -> None:
    files = {
        str(folder.relative_to(ROOT)): [path.name for path in folder.iterdir() if path.is_file()]
        for folder in FOLDERS
        if folder.name != "migrations"  # a numbered sequence, which only grows
    }
    assert {
        name: sorted(each) for name, each in files.items() if len(each) > FOLDER_FILES_MAX
    } == {}


def test_nothing_is_left_for_later() -> None:
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
    left = {
        name: [line for line in source.splitlines() if marks.search(line)]
        for name, source in SOURCES.items()
    }
    assert {name: lines for name, lines in left.items() if lines} == {}


def test_a_module_says_what_lives_in_it() -> None:
    assert [name for name in PRODUCT if not ast.get_docstring(parse(name))] == []


def test_what_is_public_has_a_contract() -> None:
    bare = [
        (name, node.name)
        for name in BACKEND
        for node in public(parse(name))
        if not ast.get_docstring(node) and not is_overload(node)
    ]
    assert bare == []


def test_errors_are_caught_by_name() -> None:
    broad = [
        (name, handler.lineno)
        for name in PRODUCT
        if not name.startswith(EDGES)
        for handler in ast.walk(parse(name))
        if isinstance(handler, ast.ExceptHandler)
        and (handler.type is None or ast.unparse(handler.type) == "Exception")
    ]
    assert broad == []


@pytest.mark.parametrize("path", SHELL_SCRIPTS, ids=lambda path: path.name)
def test_a_shell_script_is_sound_and_can_be_run(path: Path) -> None:
    checked = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "set -euo pipefail" in path.read_text()
    assert path.stat().st_mode & 0o111 == 0o111
