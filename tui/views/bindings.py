"""The keys of the main screen."""

from __future__ import annotations

from typing import Final

from textual.binding import Binding

from tui.text.symbols import STATUSES
from tui.text.views import VIEWS

MAIN_BINDINGS: Final = (
    *(Binding(view.key, f"show_view('{view.name}')", view.title) for view in VIEWS),
    Binding("tab", "step_view(1)", "Next view"),
    Binding("shift+tab", "step_view(-1)", "Previous view"),
    Binding("slash", "filter", "Filter"),
    Binding("s", "sort", "Sort by the next column"),
    Binding("S", "reverse", "Turn the order around"),
    Binding("right_square_bracket", "failed(1)", "Next failed"),
    Binding("left_square_bracket", "failed(-1)", "Previous failed"),
    Binding("f", "follow", "Follow"),
    Binding("space", "pause", "Pause"),
    Binding("y", "app.copy('id')", "Copy the id"),
    Binding("Y", "app.copy('json')", "Copy as JSON"),
    Binding("t", "app.copy('tx')", "Copy the signature"),
    Binding("p", "app.copy('pools')", "Copy the pools"),
    Binding("e", "app.export", "Export"),
    Binding("R", "app.resubmit", "Resubmit failures"),
    Binding("a", "app.amend", "Amend the order"),
    Binding("x", "app.cancel", "Cancel the order"),
    Binding("X", "app.cancel_shown", "Cancel all open orders shown"),
    Binding("F", "app.reasons", "Failures by reason"),
    Binding("enter", "app.open", "Detail"),
    Binding("n", "app.batch", "New batch"),
    Binding("o", "app.order", "Order"),
    Binding("O,full_stop", "app.repeat_order", "Repeat the last order"),
    Binding("u", "app.explore", "Open the signature in an explorer"),
    Binding("v", "mark", "Mark the order"),
    Binding("V", "unmark", "Remove all marks"),
    Binding("r", "app.retry_now", "Connect again now"),
    Binding("m", "app.mouse", "Mouse"),
    Binding("q", "app.quit", "Quit"),
    Binding("question_mark", "app.help", "Help"),
    Binding("l", "log", "Log"),
    Binding("d", "dismiss_difference", "Dismiss a difference of a balance"),
    Binding("escape", "clear_filter", "Clear the filter"),
    Binding("0", "all_statuses", "All statuses"),
    *(
        Binding(str(digit), f"toggle_status('{status}')", status)
        for digit, status in enumerate(STATUSES, start=1)
    ),
)
