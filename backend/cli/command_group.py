"""A group of commands of which only the chosen one is imported.

The libraries of all commands together take more than a second of CPU time to import, which every
process would spend at its start.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import click

from backend.runtime.resources.memory import exclude_imports_from_gc


class CommandSource(NamedTuple):
    """Where a command is defined, and the line that describes it in the list of commands."""

    module: str
    attribute: str
    summary: str


class CommandGroup(click.Group):
    """Imports a command when it is chosen; lists all commands without importing any."""

    def __init__(self, *, sources: Mapping[str, CommandSource], **options: Any) -> None:
        super().__init__(**options)
        self._sources = sources

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, sorted."""
        return sorted(self._sources)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; ``None`` if there is no such command."""
        source = self._sources.get(cmd_name)
        if source is None:
            return None
        with exclude_imports_from_gc():
            module = import_module(source.module)
        command: click.Command = getattr(module, source.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands with what each does."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self._sources[name].summary) for name in self.list_commands(ctx)]
            )
