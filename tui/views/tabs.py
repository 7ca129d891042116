"""The tabs of the views, each with a count; a click shows a view."""

from __future__ import annotations

from tui.model.desk.holdings import count_open_positions
from tui.output.desk.view_tabs import render_tabs
from tui.session import Session
from tui.text.symbols import FINAL_STATUSES
from tui.text.views import BATCHES, MARKETS, OPEN, ORDERS, POSITIONS, QUALITY
from tui.widgets.text_pane import TextPane


class ViewTabs(TextPane):
    """One line above the view that is shown."""

    def __init__(self, session: Session) -> None:
        super().__init__(id="tabs")
        self._session = session

    def paint(self) -> None:
        """Render the line anew; it is repainted if it differs."""
        counts = count_views(self._session)
        self.show_lines([render_tabs(self._session.shown_view, counts, self.size.width)])


def count_views(session: Session) -> dict[str, int | None]:
    """Count what each view has; ``None`` where it is not known."""
    by_status = session.model.counters.by_status
    total = sum(by_status.values())
    positions = session.model.desk.positions
    return {
        POSITIONS: None if positions is None else count_open_positions(positions["positions"]),
        BATCHES: len(session.model.counters.batches),
        MARKETS: len(session.model.counters.by_pair),
        QUALITY: by_status["confirmed"],
        ORDERS: total,
        OPEN: total - sum(by_status[status] for status in FINAL_STATUSES),
    }
