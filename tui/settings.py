"""Settings that persist between runs: one small JSON file in the user's config folder.

A file that is unreadable or invalid is ignored: the dashboard starts with the defaults rather than
failing, and writes a valid file when it exits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import platformdirs

PRESETS_MAX = 20
ASK_ABOVE = 150_000
"""Orders that sell more than this many USDC together are placed at the second request only.

So are those that sell a share of the wallet: it may be worth more.
"""

EXPLORER = "https://explorer.solana.com/tx/{signature}?cluster={cluster}"
"""The address at which a transaction of a cluster is shown."""

BatchForm = dict[str, str]
"""The text of each field of the batch builder, by field name."""


def default_path() -> Path:
    """The path of this user's settings file."""
    return platformdirs.user_config_path("order-engine", appauthor=False) / "dashboard.json"


@dataclass(slots=True)
class Settings:
    """The settings; field names are the keys of the file.

    ``columns``: optional columns shown. ``ask_above``: in USDC; orders that sell more than this
    together, or a share of the wallet, are placed once it was asked for twice.
    ``export_folder``: where exports go; empty is the user's data folder. ``explorer``: the address
    of a transaction, with ``{signature}``, and ``{cluster}`` if it shows several. ``last_order``:
    the form of the last single order.
    ``seen_differences``: until when differences of a balance were dismissed, by wallet and token.
    """

    theme: str = "order-engine-dark"
    sort: str = "time"
    is_descending: bool = True
    columns: list[str] = field(default_factory=list)
    last_batch: BatchForm = field(default_factory=dict)
    presets: dict[str, BatchForm] = field(default_factory=dict)
    ask_above: int = ASK_ABOVE
    seen_differences: dict[str, str] = field(default_factory=dict)
    export_folder: str = ""
    explorer: str = EXPLORER
    last_order: BatchForm = field(default_factory=dict)

    @property
    def export_path(self) -> Path:
        """The folder that exports go to."""
        if self.export_folder.strip():
            return Path(self.export_folder.strip()).expanduser()
        return platformdirs.user_data_path("order-engine", appauthor=False) / "exports"

    @classmethod
    def load(cls, path: Path) -> Settings:
        """Load settings from a file, with defaults for values that are missing or invalid."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return cls()
        return cls.from_mapping(stored) if isinstance(stored, dict) else cls()

    @classmethod
    def from_mapping(cls, stored: Mapping[str, Any]) -> Settings:
        """Build settings from a mapping; values of the wrong type are ignored."""
        settings = cls()
        for setting in fields(cls):
            value = stored.get(setting.name)
            if isinstance(value, type(getattr(settings, setting.name))):
                setattr(settings, setting.name, value)
        settings.columns = [name for name in settings.columns if isinstance(name, str)]
        settings.seen_differences = _to_form(settings.seen_differences)
        settings.last_batch = _to_form(settings.last_batch)
        settings.last_order = _to_form(settings.last_order)
        settings.presets = {
            str(name): _to_form(form)
            for name, form in list(settings.presets.items())[:PRESETS_MAX]
            if isinstance(form, dict)
        }
        return settings

    def save(self, path: Path) -> None:
        """Write the settings file atomically; raises ``OSError``."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        partial.replace(path)


def _to_form(stored: Mapping[str, Any]) -> BatchForm:
    return {str(name): str(value) for name, value in stored.items()}
