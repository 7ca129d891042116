"""Makes the views beside the orders."""

from __future__ import annotations

from tui.session import Session
from tui.views.batches import BatchesPane
from tui.views.desk_pane import DeskPane
from tui.views.market import MarketPane
from tui.views.positions import PositionsPane
from tui.views.quality import QualityPane


def build_panes(session: Session) -> dict[str, DeskPane]:
    """Build the views by their names."""
    kinds = (BatchesPane, PositionsPane, MarketPane, QualityPane)
    panes: list[DeskPane] = [kind(session) for kind in kinds]
    return {str(pane.id): pane for pane in panes}
