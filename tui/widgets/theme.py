"""Roles become colours: the names that lines use, as component classes of the style sheet.

A status colour is the same in all themes of one brightness, chosen for contrast and for people
who do not tell red from green; everything else comes from the theme.
"""

from __future__ import annotations

from typing import ClassVar, Final

from rich.style import Style
from textual.color import Color
from textual.scrollbar import ScrollBarRender
from textual.theme import Theme
from textual.widget import Widget

from tui.text.format import Span
from tui.text.symbols import STATUSES

ROLES: Final = (
    *STATUSES,
    "accent",
    "action",
    "buy",
    "chosen",
    "good",
    "key",
    "muted",
    "offline",
    "paused",
    "running",
    "sell",
    "share",
    "spark",
    "strong",
    "title",
    "warn",
    "worse",
)
INK: Final = frozenset(f"ink--{role}" for role in ROLES)

DARK: Final = {
    "status-pending": "#a3b3c6",
    "status-routing": "#8fb8ff",
    "status-building": "#6fd3ff",
    "status-submitted": "#f4c35a",
    "status-confirmed": "#4fd8b8",
    "status-failed": "#ff9f68",
    "status-ended": "#b7b1c9",
    "tone-muted": "#a0abb9",
}
LIGHT: Final = {
    "status-pending": "#4a5a6e",
    "status-routing": "#1f55b5",
    "status-building": "#005f87",
    "status-submitted": "#7a5200",
    "status-confirmed": "#00604e",
    "status-failed": "#9e3600",
    "status-ended": "#5b5470",
    "tone-muted": "#4f5965",
}

THEMES: Final = (
    Theme(
        name="order-engine-dark",
        primary="#4fd8b8",
        secondary="#8fb8ff",
        accent="#6fd3ff",
        warning="#f4c35a",
        error="#ff9f68",
        success="#4fd8b8",
        foreground="#dbe2ea",
        background="#0f141a",
        surface="#151c24",
        panel="#1e2832",
        dark=True,
    ),
    Theme(
        name="order-engine-light",
        primary="#006b57",
        secondary="#1f55b5",
        accent="#005f87",
        warning="#7a5200",
        error="#a83a00",
        success="#006b57",
        foreground="#1b232c",
        background="#fbfbf9",
        surface="#f2f3f1",
        panel="#e4e7e6",
        dark=False,
    ),
)


def colours(theme: Theme) -> dict[str, str]:
    """The colours that a theme lacks: those of statuses, and shades of its own background."""
    shown = theme.to_color_system().generate()
    ground, ink = Color.parse(shown["background"]), Color.parse(shown["foreground"])
    if ground.ansi is not None or ink.ansi is not None:
        ground, ink = _PAPER[theme.dark]
    shades = {name: ground.blend(ink, share).hex for name, share in _SHADES.items()}
    return shades | (DARK if theme.dark else LIGHT)


_SHADES: Final = {"tone-cursor": 0.15, "tone-line": 0.28}
_PAPER: Final = {
    True: (Color(0, 0, 0), Color(255, 255, 255)),
    False: (Color(255, 255, 255), Color(0, 0, 0)),
}


class Pen:
    """The styles of roles on the background of a widget, looked up once each."""

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._styles: dict[tuple[str, str], Style] = {}

    def reset(self) -> None:
        """The theme or the styles changed."""
        self._styles.clear()

    def style(self, role: str, ground: str = "") -> Style:
        """The style of a role, on the background of another role if ``ground`` is given."""
        style = self._styles.get((role, ground))
        if style is None:
            style = self._widget.rich_style
            for name in (*ground.split(), *role.split()):
                style += self._widget.get_component_rich_style(_class(name), partial=True)
            self._styles[role, ground] = style
        return style

    def of(self, span: Span) -> Style:
        """The style of a span, which knows what a click does."""
        style = self.style(span.role)
        return style + Style(meta={"@click": span.action}) if span.action else style


def _class(name: str) -> str:
    return name if "--" in name else f"ink--{name}"


class AsciiBars(ScrollBarRender):
    """Scrollbars without the shapes that show parts of a cell."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


def plain_bars(widget: Widget) -> None:
    """Give a widget such scrollbars, if the terminal needs them."""
    if widget.app.has_class("-ascii"):
        # A class variable of Textual's, set for this scrollbar alone.
        widget.vertical_scrollbar.renderer = AsciiBars  # type: ignore[misc]
