"""What the dashboard remembers between runs: one small JSON file in the user's config folder.

A file that cannot be read or understood is as good as none: the dashboard starts with defaults
rather than not at all, and writes a good one when it is left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import platformdirs

PRESETS_MAX = 20

Form = dict[str, str]
"""What is typed into the batch builder, by field."""


def default_path() -> Path:
    """Where the settings of this user are."""
    return platformdirs.user_config_path("order-engine", appauthor=False) / "dashboard.json"


@dataclass(slots=True)
class Settings:
    """Each has a default; ``columns`` are the optional ones that are switched on."""

    theme: str = "order-engine-dark"
    sort: str = "time"
    is_descending: bool = True
    columns: list[str] = field(default_factory=list)
    last_batch: Form = field(default_factory=dict)
    presets: dict[str, Form] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Settings:
        """The settings in a file, or defaults for whatever is missing or makes no sense."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return cls()
        return cls.of(stored) if isinstance(stored, dict) else cls()

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Settings:
        """The settings in a mapping; a value of the wrong type is left out."""
        settings = cls()
        for each in fields(cls):
            value = stored.get(each.name)
            if isinstance(value, type(getattr(settings, each.name))):
                setattr(settings, each.name, value)
        settings.columns = [name for name in settings.columns if isinstance(name, str)]
        settings.last_batch = _form(settings.last_batch)
        settings.presets = {
            str(name): _form(form)
            for name, form in list(settings.presets.items())[:PRESETS_MAX]
            if isinstance(form, dict)
        }
        return settings

    def save(self, path: Path) -> None:
        """Write the settings, whole or not at all; raises ``OSError``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        partial.replace(path)


def _form(stored: Mapping[str, Any]) -> Form:
    return {str(name): str(value) for name, value in stored.items()}
