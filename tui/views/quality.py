"""The view of the quality of execution: times by step, failures, slippage and savings."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.model.counts.rates import WINDOW_S
from tui.output.desk.quality import QualityContext, render_quality
from tui.session import Session
from tui.text.views import QUALITY
from tui.views.desk_pane import DeskPane


class QualityPane(DeskPane):
    """One period at a time, with rows by pair or by DEX."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket,right", "step_period(1)", "Longer period"),
        Binding("left_square_bracket,left", "step_period(-1)", "Shorter period"),
        Binding("b", "step_group", "By pair or by DEX"),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__(session, QUALITY)

    def paint(self) -> None:
        """Render the lines anew; only those that differ are repainted."""
        session = self.session
        now_ms = session.server_now_ms
        self.show_lines(
            render_quality(
                QualityContext(
                    session.model.desk.quality,
                    session.quality,
                    session.model.counters.rates.ends_per_second(now_ms, WINDOW_S),
                    session.symbols,
                    self.size.width - 1,
                    self.size.height,
                    now_ms,
                    self.problem,
                )
            )
        )

    def action_step_period(self, step: int) -> None:
        """Look at the next longer period (1) or the next shorter one (-1)."""
        self.session.quality.step_period(step)
        self._show_choice()

    def action_choose_period(self, name: str) -> None:
        """Look at a period."""
        self.session.quality.period = name
        self._show_choice()

    def action_step_group(self) -> None:
        """Show rows by the other group."""
        self.session.quality.step_group()
        self._show_choice()

    def action_choose_group(self, name: str) -> None:
        """Show rows by a group."""
        self.session.quality.group = name
        self._show_choice()

    async def action_show_failures(self, code: str) -> None:
        """Show the orders that failed for a reason."""
        await self.screen.run_action(f"set_filter('status:failed code:{code}')")

    def _show_choice(self) -> None:
        self.session.wake_polls()
        self.paint()
