"""The base of the views beside the orders: lines of text, repainted when something changed."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.model.connection_state import ConnectionStatus
from tui.session import Session
from tui.widgets.text_pane import TextPane


class DeskPane(TextPane):
    """A view; its ``id`` is its name. ``paint`` renders it from the session."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "Page down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "Page up", show=False),
        Binding("home,g", "scroll_home", "Top", show=False),
        Binding("end,G", "scroll_end", "Bottom", show=False),
    ]

    def __init__(self, session: Session, name: str) -> None:
        super().__init__(id=name, can_focus=True)
        self.session = session
        self.display = False

    @property
    def problem(self) -> str:
        """Why the view may not be up to date; empty if it is."""
        model = self.session.model
        if model.connection.status is ConnectionStatus.OFFLINE:
            return "offline: this is the last that is known; r connects again"
        return model.desk.problems.get(str(self.id), "")

    def paint(self) -> None:
        """Render the lines anew; only those that differ are repainted."""
        raise NotImplementedError

    def action_scroll(self, step: int) -> None:
        """Scroll by lines."""
        self.scroll_relative(y=step, animate=False)

    def action_page(self, step: int) -> None:
        """Scroll by screens."""
        self.scroll_relative(y=step * max(self.size.height - 1, 1), animate=False)
