"""A widget that shows lines, and draws again only those that differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tui.text.format import Line
from tui.widgets.theme import INK, Pen, plain_bars


class Lines(ScrollView):
    """Shows lines; more of them than fit can be scrolled."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(INK)
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, can_focus: bool = False) -> None:  # noqa: A002
        super().__init__(id=id)
        self.can_focus = can_focus
        self._lines: Sequence[Line] = ()
        self._pen = Pen(self)

    def on_mount(self) -> None:
        """Draw scrollbars as the terminal can."""
        plain_bars(self)

    @property
    def text(self) -> Sequence[Line]:
        """The lines."""
        return self._lines

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines."""
        old, self._lines = self._lines, lines
        if len(old) != len(lines):
            self._resized()
        for y in range(max(len(old), len(lines))):
            if y >= len(old) or y >= len(lines) or old[y] != lines[y]:
                self.refresh_line(y)

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        width = self.scrollable_content_region.width
        y += self.scroll_offset.y
        line = self._lines[y] if y < len(self._lines) else []
        segments = [Segment(span.text, self._pen.of(span)) for span in line]
        return Strip(segments).adjust_cell_length(width, self._pen.style(""))

    def notify_style_update(self) -> None:
        """The theme changed."""
        self._pen.reset()
        super().notify_style_update()

    def _resized(self) -> None:
        # Assigned past the reactive: it would lay out the whole screen for a scrollbar.
        self.set_reactive(Widget.virtual_size, Size(self.size.width, len(self._lines)))
        if self.show_vertical_scrollbar:
            self.vertical_scrollbar.window_virtual_size = len(self._lines)
        if self.scroll_offset.y > self.max_scroll_y:
            self.scroll_to(y=self.max_scroll_y, animate=False)

    def refresh_line(self, y: int) -> None:
        """Draw one line again."""
        self.refresh(Region(0, y - self.scroll_offset.y, self.size.width, 1))
