"""Writes the parts of README.md that are made from code: the lifecycle and the settings.

A part stands between ``<!-- generated: name -->`` and ``<!-- end -->``. With ``--check`` nothing is
written, and a part that is not up to date is an error.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from backend.config import Settings, env_name
from backend.domain import lifecycle

README = Path(__file__).parents[2] / "README.md"
MARKED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Brings README.md up to date, or with ``--check`` says whether it is."""
    is_check = sys.argv[1:] == ["--check"]
    now = README.read_text(encoding="utf-8")
    fresh = MARKED.sub(_part, now)
    if missing := set(PARTS) - {match[2] for match in MARKED.finditer(now)}:
        sys.exit(f"README.md has no place for: {', '.join(sorted(missing))}")
    if is_check and fresh != now:
        sys.exit(
            "README.md is not up to date: run .venv/bin/python scripts/generate/readme_parts.py"
        )
    if fresh != now:
        README.write_text(fresh, encoding="utf-8")


def _part(match: re.Match[str]) -> str:
    lines = "\n".join(PARTS[match[2]]())
    return f"{match[1]}{lines}\n{match[3]}"


def _lifecycle() -> Iterator[str]:
    yield "```mermaid"
    yield from lifecycle.diagram()
    yield "```"


def _settings() -> Iterator[str]:
    yield "| variable | default | what |"
    yield "|---|---|---|"
    for name, field in Settings.model_fields.items():
        yield f"| `{env_name(name)}` | {_shown(field.default)} | {field.description} |"


def _shown(default: object) -> str:
    """A default as one writes it into the environment; nothing for one that is unset."""
    match default:
        case None | "" | ():
            return ""
        case bool():
            return f"`{int(default)}`"
        case Enum():
            return f"`{default.value}`"
        case _:
            return f"`{default}`"


PARTS = {"lifecycle": _lifecycle, "settings": _settings}

if __name__ == "__main__":
    main()
