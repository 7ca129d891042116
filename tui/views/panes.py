"""Makes the views beside the orders."""

from __future__ import annotations

from tui.session import Session
from tui.views.desk_pane import DeskPane
from tui.views.market import MarketPane
from tui.views.positions import PositionsPane


def build_panes(session: Session) -> dict[str, DeskPane]:
    """Build the views by their names."""
    panes: tuple[DeskPane, ...] = (PositionsPane(session), MarketPane(session))
    return {str(pane.id): pane for pane in panes}
