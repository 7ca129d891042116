"""The command line: a command is imported when it is chosen, with the libraries that it needs."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from backend.cli import COMMANDS, main

NEVER_IN = {
    "--help": {"asyncio", "pydantic", "structlog"},
    "worker": {"flask", "hypercorn", "jinja2", "quart", "rich", "textual", "tui", "werkzeug"},
    "chain": {"asyncpg", "quart", "redis", "rich", "taskiq", "textual", "tui", "werkzeug"},
    "api": {"backend.execution.executor", "backend.simulator", "rich", "textual", "tui"},
    "up": {"aiohttp", "quart", "redis", "rich", "solders", "taskiq", "textual", "tui", "werkzeug"},
    "dashboard": {"asyncpg", "backend.config", "pydantic", "quart", "taskiq"},
}
"""Modules that a kind of process does not need."""

_REPORT = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_of_each_what_it_says_of_itself(name: str) -> None:
    context = click.Context(main)
    command = main.get_command(context, name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == COMMANDS[name].summary


def test_help_names_every_command() -> None:
    shown = main.get_help(click.Context(main))
    assert [name for name in COMMANDS if f"\n  {name} " not in shown] == []


def list_commands(name: str) -> list[click.Command]:
    """A command, or those of a group."""
    command = main.get_command(click.Context(main), name)
    return (
        list(command.commands.values()) if isinstance(command, click.Group) else [command or main]
    )


@pytest.mark.parametrize(
    "name", ["audit", "halt", "halts", "keys", "limits", "resume", "state", "verify"]
)
def test_what_needs_the_database_says_how_it_is_found(name: str) -> None:
    for command in list_commands(name):
        shown = command.get_help(click.Context(command))
        assert "--data-dir" in shown
        assert "ORDER_ENGINE_DATA_DIR" in shown


def test_a_command_that_is_not_there_is_refused_with_its_name() -> None:
    with pytest.raises(click.UsageError, match="No such command 'node'"):
        main(["node"], standalone_mode=False)


@pytest.mark.parametrize("command", NEVER_IN)
def test_a_process_imports_nothing_that_it_does_not_need(command: str) -> None:
    arguments = ["--help"] if command == "--help" else [command, "--help"]
    start = f"{_REPORT}from backend.cli import main; main({arguments!r})"
    ended = subprocess.run(
        [sys.executable, "-c", start], capture_output=True, text=True, check=True
    )
    assert NEVER_IN[command] & set(ended.stderr.split()) == set()
