"""A one-line choice between a few words, all of them visible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.widgets.theme import ROLE_CLASSES, RoleStyles


class Choice(Widget, can_focus=True):
    """A line of options, chosen with arrows or a click; ``value`` is the key of the chosen one."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*ROLE_CLASSES, "choice--on", "choice--focus"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space", "step(1)", "Next", show=False),
        Binding("left", "step(-1)", "Previous", show=False),
    ]

    class Changed(Message):
        """Posted when another option is chosen."""

    def __init__(self, options: Mapping[str, str], value: str, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._options = dict(options)
        self._value = value if value in options else next(iter(options))
        self._styles = RoleStyles(self)
        self.styles.height = 1
        self.styles.width = sum(len(each) + 5 for each in self._options.values())

    @property
    def value(self) -> str:
        """The key of the chosen option."""
        return self._value

    @value.setter
    def value(self, value: str) -> None:
        if value in self._options and value != self._value:
            self._value = value
            self.refresh()
            self.post_message(self.Changed())

    def action_step(self, step: int) -> None:
        """Choose the next option (``step`` 1) or the previous one (-1)."""
        keys = list(self._options)
        self.value = keys[(keys.index(self._value) + step) % len(keys)]

    def on_click(self, event: events.Click) -> None:
        """Choose the option under the mouse."""
        right = 0
        for key, label in self._options.items():
            right += len(label) + 5
            if event.x < right:
                self.value = key
                return

    def render_line(self, y: int) -> Strip:
        """Render the options."""
        segments = []
        for key, label in self._options.items():
            is_chosen = key == self._value
            background = "choice--focus" if is_chosen and self.has_focus else ""
            style = self._styles.style("choice--on" if is_chosen else "muted", background)
            segments.append(Segment(f"({'x' if is_chosen else ' '}) {label}", style))
            segments.append(Segment(" ", self._styles.style("")))
        return Strip(segments if y == 0 else []).adjust_cell_length(self.size.width, Style())

    def on_focus(self) -> None:
        """Repaint: the focus is visible."""
        self.refresh()

    def on_blur(self) -> None:
        """Repaint: the focus is visible."""
        self.refresh()

    def notify_style_update(self) -> None:
        """Drop the styles: the theme changed."""
        self._styles.reset()
        super().notify_style_update()
