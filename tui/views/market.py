"""The view of markets: the chart of a pair, its pools and its open orders."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.model.desk.levels import Level, list_levels
from tui.output.desk.market import MarketContext, render_market
from tui.session import Session
from tui.text.views import MARKETS
from tui.views.desk_pane import DeskPane


class MarketPane(DeskPane):
    """One pair at a time; keys choose the pair, the length of a bar, and an open order."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket", "step_pair(1)", "Next pair"),
        Binding("left_square_bracket", "step_pair(-1)", "Previous pair"),
        Binding("left", "pan(-1)", "Earlier"),
        Binding("right", "pan(1)", "Later"),
        Binding("0", "follow_now", "Back to now"),
        Binding("minus", "zoom(1)", "Longer bars"),
        Binding("plus,equals_sign", "zoom(-1)", "Shorter bars"),
        Binding("v", "fit_orders", "Make room for all open orders"),
        Binding("down,j", "step_order(1)", "Next order"),
        Binding("up,k", "step_order(-1)", "Previous order"),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session, MARKETS)

    def paint(self) -> None:
        """Render the lines anew; only those that differ are repainted."""
        session, choice = self.session, self.session.market
        pairs = session.model.counters.by_pair
        if choice.pair is None and pairs:
            choice.pair = pairs.most_common(1)[0][0]
            session.wake_polls()
        levels = self._list_levels()
        if choice.order_id not in {level.order.id for level in levels}:
            choice.order_id = levels[0].order.id if levels else ""
        self.show_lines(
            render_market(
                MarketContext(
                    session.model.desk.market,
                    choice,
                    levels,
                    len(pairs),
                    session.symbols,
                    self.size.width,
                    self.size.height,
                    session.server_now_ms,
                    session.timezone,
                    self.problem,
                )
            )
        )

    def _list_levels(self) -> list[Level]:
        pair = self.session.market.pair
        return [] if pair is None else list_levels(self.session.model.sorted_orders, pair)

    def action_step_pair(self, step: int) -> None:
        """Show the next pair (1) or the one before (-1)."""
        self.session.market.step_pair(self.session.model.counters.by_pair, step)
        self._show_choice()

    def action_zoom(self, step: int) -> None:
        """Show longer bars (1) or shorter ones (-1)."""
        self.session.market.zoom(step)
        self._show_choice()

    def action_pan(self, step: int) -> None:
        """Show earlier bars (-1) or later ones (1)."""
        self.session.market.pan(step, self.session.server_now_ms)
        self._show_choice()

    def action_follow_now(self) -> None:
        """Let the chart end at the present again."""
        self.session.market.end_ms = None
        self._show_choice()

    def action_fit_orders(self) -> None:
        """Make room on the chart for all open orders, or for the prices alone again."""
        self.session.market.has_all_orders ^= True
        self.paint()

    def action_step_order(self, step: int) -> None:
        """Choose the next open order (1) or the one before (-1)."""
        ids = [level.order.id for level in self._list_levels()]
        if ids:
            chosen = self.session.market.order_id
            number = ids.index(chosen) + step if chosen in ids else 0
            self.session.market.order_id = ids[max(min(number, len(ids) - 1), 0)]
            self.paint()

    def action_choose_order(self, number: int) -> None:
        """Choose the order in a row."""
        for level in self._list_levels()[number : number + 1]:
            self.session.market.order_id = level.order.id
            self.paint()

    def _show_choice(self) -> None:
        self.session.wake_polls()
        self.paint()
