"""Themes, and the mapping of text roles to styles: every role is a component class in the sheet.

A status colour is the same in all themes of one brightness, chosen for contrast and for people
who do not tell red from green; every other colour comes from the theme.
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
ROLE_CLASSES: Final = frozenset(f"role--{role}" for role in ROLES)

DARK_COLOURS: Final = {
    "status-pending": "#a3b3c6",
    "status-waiting": "#c4a8f0",
    "status-routing": "#8fb8ff",
    "status-building": "#6fd3ff",
    "status-submitted": "#f4c35a",
    "status-confirmed": "#4fd8b8",
    "status-failed": "#ff9f68",
    "status-ended": "#b7b1c9",
    "tone-muted": "#a0abb9",
}
LIGHT_COLOURS: Final = {
    "status-pending": "#4a5a6e",
    "status-waiting": "#6a3fa0",
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


def build_extra_colours(theme: Theme) -> dict[str, str]:
    """Build the colours a theme lacks: those of statuses, and shades of its own background."""
    palette = theme.to_color_system().generate()
    background, foreground = Color.parse(palette["background"]), Color.parse(palette["foreground"])
    if background.ansi is not None or foreground.ansi is not None:
        background, foreground = _ANSI_FALLBACK[theme.dark]
    shades = {
        name: background.blend(foreground, weight).hex for name, weight in _SHADE_WEIGHTS.items()
    }
    return shades | (DARK_COLOURS if theme.dark else LIGHT_COLOURS)


_SHADE_WEIGHTS: Final = {"tone-cursor": 0.15, "tone-line": 0.28}
_ANSI_FALLBACK: Final = {
    True: (Color(0, 0, 0), Color(255, 255, 255)),
    False: (Color(255, 255, 255), Color(0, 0, 0)),
}


class RoleStyles:
    """Cache of the styles of roles on the background of a widget."""

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._styles: dict[tuple[str, str], Style] = {}

    def reset(self) -> None:
        """Drop all styles: the theme or the style sheet changed."""
        self._styles.clear()

    def style(self, role: str, background: str = "") -> Style:
        """Return the style of a role, on the background of another role if there is one."""
        style = self._styles.get((role, background))
        if style is None:
            style = self._widget.rich_style
            for name in (*background.split(), *role.split()):
                style += self._widget.get_component_rich_style(_component_class(name), partial=True)
            self._styles[role, background] = style
        return style

    def span_style(self, span: Span) -> Style:
        """Return the style of a span, with its click action."""
        style = self.style(span.role)
        return style + Style(meta={"@click": span.action}) if span.action else style


def _component_class(name: str) -> str:
    return name if "--" in name else f"role--{name}"


class AsciiScrollBarRender(ScrollBarRender):
    """Scrollbars without the block characters that fill a part of a cell."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


def use_ascii_scrollbars(widget: Widget) -> None:
    """Give a widget ASCII scrollbars if the terminal needs them."""
    if widget.app.has_class("-ascii"):
        # A class variable of Textual's, set for this scrollbar alone.
        widget.vertical_scrollbar.renderer = AsciiScrollBarRender  # type: ignore[misc]
