"""The help page: keys, status symbols, the filter language and the columns."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from tui import keys
from tui.model import filters
from tui.text.format import Line, Span
from tui.text.symbols import STATUSES, Symbols
from tui.widgets.text_pane import TextPane


class HelpScreen(ModalScreen[None]):
    """One scrollable page of help."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "Close"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]

    def __init__(self, symbols: Symbols) -> None:
        super().__init__()
        self._symbols = symbols

    def compose(self) -> ComposeResult:
        """Lay out the page."""
        page = TextPane(id="help", can_focus=True)
        page.border_title = "Help"
        page.border_subtitle = "esc closes"
        yield page

    def on_mount(self) -> None:
        """Render the page and focus it."""
        page = self.query_one(TextPane)
        page.show_lines(build_help_lines(self._symbols))
        page.focus()

    def action_scroll(self, step: int) -> None:
        """Scroll by a line."""
        self.query_one(TextPane).scroll_relative(y=step, animate=False)


def build_help_lines(symbols: Symbols) -> list[Line]:
    """Build the lines of the page."""
    lines: list[Line] = [[Span("KEYS", "title")]]
    lines += [
        [Span(f"  {key.key:<9}", "key"), Span(key.meaning)]
        for key in (*keys.FOOTER_KEYS, *keys.OTHER_KEYS)
    ]
    lines += [[], [Span("STATUSES", "title")]]
    lines += [
        [
            Span(f"  {digit}  {symbols.status[status]} {status:<10}", status),
            Span(_STATUS_MEANINGS[status]),
        ]
        for digit, status in enumerate(STATUSES, start=1)
    ]
    lines += [[], [Span("FILTERS", "title")]]
    words = (filters.__doc__ or "").replace("``", "").splitlines()[2:]
    lines += [[Span(f"  {word}", "" if word.startswith(" ") else "key")] for word in words]
    lines += [[], [Span("COLUMNS", "title")]]
    lines += [[Span(f"  {name:<8}", "key"), Span(text)] for name, text in _COLUMN_MEANINGS.items()]
    return lines


_STATUS_MEANINGS = {
    "pending": "accepted and stored, not taken up yet",
    "routing": "every venue is asked; also while a new attempt waits for its time",
    "building": "a venue is chosen, the transaction is being made",
    "submitted": "signed, stored and sent to the chain",
    "confirmed": "landed: the swap happened",
    "failed": "it will never be executed",
    "cancelled": "withdrawn: what of it was not sent never is",
    "expired": "its time ran out before it was sent",
    "waiting": "until the market has the price that it waits for",
}
_COLUMN_MEANINGS = {
    "Amount": "what goes in, with its token: a buy of SOL/USDC spends USDC",
    "Price": "what was paid, in quote tokens for one base token; else what it waits for",
    "DEX": "the exchange of the pool that pays most; +1: with one more leg, its detail has all",
    "bps": "executed against the chosen quote: + is better for you; else how far the price is",
    "ms": "from accepted until it ended, or until now",
    "gap": "how much more the route offered than the best other pool, in bps (palette)",
}
