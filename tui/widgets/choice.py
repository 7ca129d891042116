"""A choice between a few words, all of them visible, on one line or on as many as they need."""

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

from tui.widgets.theme import RoleStyles


class Choice(Widget, can_focus=True):
    """Options, chosen with arrows or a click; ``value`` is the key of the chosen one.

    With ``cells_max`` they go on in another line where one is full.
    """

    # Textual computes each for each choice whenever a form changes: only those that are used.
    COMPONENT_CLASSES: ClassVar[set[str]] = {"role--muted", "choice--on", "choice--focus"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space", "step(1)", "Next", show=False),
        Binding("left", "step(-1)", "Previous", show=False),
    ]

    class Changed(Message):
        """Posted when another option is chosen."""

    def __init__(
        self,
        options: Mapping[str, str],
        value: str,
        *,
        id: str,  # noqa: A002
        cells_max: int | None = None,
    ) -> None:
        super().__init__(id=id)
        self._options = dict(options)
        self._value = value if value in options else next(iter(options))
        self._styles = RoleStyles(self)
        self._lines = _break_lines(self._options, cells_max)
        self.styles.height = len(self._lines)
        self.styles.width = max(
            sum(_count_cells(self._options[key]) for key in line) for line in self._lines
        )

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
        for key in self._lines[event.y] if 0 <= event.y < len(self._lines) else ():
            right += _count_cells(self._options[key])
            if event.x < right:
                self.value = key
                return

    def render_line(self, y: int) -> Strip:
        """Render the options of a line."""
        segments = []
        for key in self._lines[y] if y < len(self._lines) else ():
            label = self._options[key]
            is_chosen = key == self._value
            background = "choice--focus" if is_chosen and self.has_focus else ""
            style = self._styles.style("choice--on" if is_chosen else "muted", background)
            segments.append(Segment(f"({'x' if is_chosen else ' '}) {label}", style))
            segments.append(Segment(" ", self._styles.style("")))
        return Strip(segments).adjust_cell_length(self.size.width, Style())

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


def _count_cells(label: str) -> int:
    """The width of an option, with its mark and the gap behind it."""
    return len(label) + 5


def _break_lines(options: Mapping[str, str], cells_max: int | None) -> list[list[str]]:
    """The keys of the options, by line."""
    lines: list[list[str]] = [[]]
    cells = 0
    for key, label in options.items():
        cells += _count_cells(label)
        if cells_max is not None and cells > cells_max and lines[-1]:
            lines.append([])
            cells = _count_cells(label)
        lines[-1].append(key)
    return lines
