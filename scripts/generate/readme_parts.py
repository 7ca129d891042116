"""Writes the generated sections of the pages: the lifecycle in backend/README.md, the settings
in backend/SETTINGS.md, their variables and the rules of Redis in compose.yaml, and in
backend/DEPLOYMENT.md the configurations that the trials run.

A section is between ``<!-- generated: name -->`` and ``<!-- end -->``; in YAML between comments
with the same words. With ``--check`` nothing is written, and an outdated section is an error.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from pathlib import Path

from backend.config import Settings, get_variable_name
from backend.config.secret_files import FILE_SUFFIX, is_secret
from backend.domain import lifecycle
from backend.trials.deployments.templates import EXAMPLES, render_example

ROOT = Path(__file__).parents[2]
PAGES = {
    "backend/README.md": {"lifecycle"},
    "backend/SETTINGS.md": {"settings"},
    "backend/DEPLOYMENT.md": set(EXAMPLES),
    "compose.yaml": {"variables", "rules"},
}
SECTION = re.compile(
    r"((?:<!--| +#) generated: ([\w.-]+)(?: -->)?\n).*?((?:<!--| +#) end\b)", re.DOTALL
)


def main() -> None:
    """Update the pages, or with ``--check`` fail if one is outdated."""
    is_check = sys.argv[1:] == ["--check"]
    for page, sections in PAGES.items():
        path = ROOT / page
        old_text = path.read_text(encoding="utf-8")
        new_text = SECTION.sub(_replace_section, old_text)
        if missing := sections - {match[2] for match in SECTION.finditer(old_text)}:
            sys.exit(f"{page} has no place for: {', '.join(sorted(missing))}")
        if is_check and new_text != old_text:
            sys.exit(
                f"{page} is not up to date: run .venv/bin/python scripts/generate/readme_parts.py"
            )
        if new_text != old_text:
            path.write_text(new_text, encoding="utf-8")


def _replace_section(match: re.Match[str]) -> str:
    lines = "\n".join(SECTIONS[match[2]]())
    return f"{match[1]}{lines}\n{match[3]}"


def _render_lifecycle() -> Iterator[str]:
    yield "```mermaid"
    yield from lifecycle.render_diagram()
    yield "```"


def _render_settings() -> Iterator[str]:
    yield "| variable | default | what |"
    yield "|---|---|---|"
    for name, field in Settings.model_fields.items():
        default = _format_default(field.default)
        variable = f"`{get_variable_name(name)}`"
        if is_secret(field):
            variable += f" (or `{get_variable_name(name)}{FILE_SUFFIX}`)"
        yield f"| {variable} | {default} | {field.description} |"


def _render_variables() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        yield f"  {get_variable_name(name)}:"
        if is_secret(field):
            yield f"  {get_variable_name(name)}{FILE_SUFFIX}:"


def _render_rules() -> Iterator[str]:
    """The rules of the engine's user in Redis, as a variable of a shell script."""
    [user] = re.findall(r"^user engine .* (\+ping .*)$", render_example("users.acl"), re.MULTILINE)
    yield f"        rules='{user}'"


def _render_configuration(name: str) -> Iterator[str]:
    yield "```nginx" if name.startswith("nginx") else "```"
    yield render_example(name).rstrip("\n")
    yield "```"


def _format_default(default: object) -> str:
    """Format a default as it is written into the environment; empty if there is none."""
    match default:
        case None | "" | ():
            return ""
        case tuple():
            return f"`{','.join(default)}`"
        case bool():
            return f"`{int(default)}`"
        case Enum():
            return f"`{default.value}`"
        case _:
            return f"`{default}`"


SECTIONS: dict[str, Callable[[], Iterator[str]]] = {
    "lifecycle": _render_lifecycle,
    "settings": _render_settings,
    "variables": _render_variables,
    "rules": _render_rules,
    **{name: partial(_render_configuration, name) for name in EXAMPLES},
}

if __name__ == "__main__":
    main()
