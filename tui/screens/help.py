"""What the keys, the marks and the words of a filter mean."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from tui import keys
from tui.model import filters
from tui.text.format import Line, Span
from tui.text.symbols import STATUSES, Marks
from tui.widgets.lines import Lines


class HelpScreen(ModalScreen[None]):
    """Everything on one page, which can be scrolled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "Close"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]

    def __init__(self, marks: Marks) -> None:
        super().__init__()
        self._marks = marks

    def compose(self) -> ComposeResult:
        """The page."""
        page = Lines(id="help", can_focus=True)
        page.border_title = "Help"
        page.border_subtitle = "esc closes"
        yield page

    def on_mount(self) -> None:
        """Fill the page."""
        page = self.query_one(Lines)
        page.show(help_lines(self._marks))
        page.focus()

    def action_scroll(self, step: int) -> None:
        """Scroll by a line."""
        self.query_one(Lines).scroll_relative(y=step, animate=False)


def help_lines(marks: Marks) -> list[Line]:
    """The page, line by line."""
    lines: list[Line] = [[Span("KEYS", "title")]]
    lines += [
        [Span(f"  {key.key:<9}", "key"), Span(key.meaning)] for key in (*keys.FOOTER, *keys.OTHERS)
    ]
    lines += [[], [Span("STATUSES", "title")]]
    lines += [
        [Span(f"  {digit}  {marks.status[status]} {status:<10}", status), Span(_MEANINGS[status])]
        for digit, status in enumerate(STATUSES, start=1)
    ]
    lines += [[], [Span("FILTERS", "title")]]
    words = (filters.__doc__ or "").replace("``", "").splitlines()[2:]
    lines += [[Span(f"  {word}", "" if word.startswith(" ") else "key")] for word in words]
    lines += [[], [Span("COLUMNS", "title")]]
    lines += [[Span(f"  {name:<8}", "key"), Span(text)] for name, text in _COLUMNS.items()]
    return lines


_MEANINGS = {
    "pending": "accepted and stored, not taken up yet",
    "routing": "both exchanges are asked; also while a new attempt waits for its time",
    "building": "an exchange is chosen, the transaction is being made",
    "submitted": "signed, stored and sent to the chain",
    "confirmed": "landed: the swap happened",
    "failed": "it will never be executed",
    "cancelled": "withdrawn before it was sent",
    "expired": "its time ran out before it was sent",
}
_COLUMNS = {
    "Amount": "what goes in, with its token: a buy of SOL/USDC spends USDC",
    "Price": "what was paid, in quote tokens for one base token",
    "bps": "executed against the chosen quote: + is better for you",
    "ms": "from accepted until it ended, or until now",
    "gap": "how much more the chosen exchange offered than the other one (palette)",
}
