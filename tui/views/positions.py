"""The view of positions: balances, cost, profit and loss, and what is too little in words."""

from __future__ import annotations

from tui.model.desk.holdings import add_up_holdings, list_shortages
from tui.output.desk.positions import PositionsContext, render_positions
from tui.session import Session
from tui.text.views import LIMITS, POSITIONS
from tui.views.desk_pane import DeskPane


class PositionsPane(DeskPane):
    """What is held of each token."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, POSITIONS)

    def paint(self) -> None:
        """Render the lines anew; only those that differ are repainted."""
        session, desk = self.session, self.session.model.desk
        told = [] if desk.positions is None else desk.positions["positions"]
        holdings = add_up_holdings(desk.wallets, told)
        self.show_lines(
            render_positions(
                PositionsContext(
                    desk.positions,
                    holdings,
                    list_shortages(holdings, session.model.sorted_orders),
                    session.symbols,
                    self.size.width - 1,
                    max(session.source.now_ms() - desk.positions_at_ms, 0),
                    self.problem or desk.problems.get(LIMITS, ""),
                    desk.limits,
                )
            )
        )
