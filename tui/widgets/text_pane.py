"""A widget that shows lines of styled text, and repaints only the lines that changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tui.text.format import Line, to_ascii
from tui.widgets.theme import ROLE_CLASSES, RoleStyles, use_ascii_scrollbars


class TextPane(ScrollView):
    """A scrollable pane of lines."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(ROLE_CLASSES)
    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, can_focus: bool = False) -> None:  # noqa: A002
        super().__init__(id=id)
        self.can_focus = can_focus
        self._lines: Sequence[Line] = ()
        self._styles = RoleStyles(self)
        self._is_ascii = False

    def on_mount(self) -> None:
        """Use ASCII scrollbars on terminals that need them."""
        use_ascii_scrollbars(self)
        self._is_ascii = self.app.has_class("-ascii")

    @property
    def lines(self) -> Sequence[Line]:
        """The lines that are shown."""
        return self._lines

    def show_lines(self, lines: Sequence[Line]) -> None:
        """Replace the lines, and repaint those that differ."""
        old, self._lines = self._lines, lines
        if len(old) != len(lines):
            self._update_virtual_size()
        for y in range(max(len(old), len(lines))):
            if y >= len(old) or y >= len(lines) or old[y] != lines[y]:
                self.refresh_line(y)

    def render_line(self, y: int) -> Strip:
        """Render one line of the screen."""
        width = self.scrollable_content_region.width
        y += self.scroll_offset.y
        line = self._lines[y] if y < len(self._lines) else []
        if self._is_ascii:
            line = [span._replace(text=to_ascii(span.text)) for span in line]
        segments = [Segment(span.text, self._styles.span_style(span)) for span in line]
        return Strip(segments).adjust_cell_length(width, self._styles.style(""))

    def notify_style_update(self) -> None:
        """Drop the styles: the theme changed."""
        self._styles.reset()
        super().notify_style_update()

    def _update_virtual_size(self) -> None:
        size = Size(self.size.width, len(self._lines))
        overflows = size.height > self.scrollable_content_region.height
        if self.styles.overflow_y == "auto" and overflows != self.show_vertical_scrollbar:
            self.virtual_size = size  # lays out the screen with, or without, the scrollbar
        else:  # without triggering the reactive, which would lay out the screen for nothing
            self.set_reactive(Widget.virtual_size, size)
        if self.show_vertical_scrollbar:
            self.vertical_scrollbar.window_virtual_size = len(self._lines)
        if self.scroll_offset.y > self.max_scroll_y:
            self.scroll_to(y=self.max_scroll_y, animate=False)

    def refresh_line(self, y: int) -> None:
        """Repaint one line."""
        self.refresh(Region(0, y - self.scroll_offset.y, self.size.width, 1))
