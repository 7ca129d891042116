"""Keys that are typed ahead, handled strictly one after the other.

A key is a message that passes through the focused widget and its ancestors, and what it does (open
a dialog, move the focus) needs further messages. Keys typed meanwhile would reach the widget that
had the focus before. So the next key waits until the one before has had all its effects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from textual import constants
from textual.app import App
from textual.message_pump import MessagePump
from textual.timer import Timer

from tui.widgets.terminal_answers import KeyEvent, TerminalAnswers

Dispatch = Callable[[KeyEvent], Awaitable[None]]

_EFFECT_TIMEOUT_S: Final = 2.0
"""The next key goes on after this long, should a widget be removed with the key in its queue."""

_ANSWERS_S: Final = 5.0
"""A terminal has answered all queries of the start after this long."""
_HOLD_S: Final = 0.03
"""The rest of an answer follows within this time; nobody sees a key that is so late."""
_END_HOLD_S: Final = constants.ESCAPE_DELAY + 0.4
"""Textual holds the end of an answer back until it knows that its escape begins nothing else."""

_PASSES: Final = 4
"""A key's own way, and what follows from it: enter in an input has the input post a message, its
parent another one, and the screen move the focus."""


class TypedKeys:
    """The keys that wait. ``dispatch`` hands one to Textual; ``open`` begins to do so."""

    def __init__(self, app: App[Any], dispatch: Dispatch) -> None:
        self._app = app
        self._dispatch = dispatch
        self._waiting: deque[KeyEvent] = deque()
        self._is_open = False
        self._turn = 0
        self._timeout: Timer | None = None
        self._answers: TerminalAnswers | None = None if app.is_headless else TerminalAnswers()
        self._hold: Timer | None = None

    @property
    def is_idle(self) -> bool:
        """Whether all keys have had their effects."""
        return not self._waiting and self._timeout is None

    async def open(self) -> None:
        """Begin: there is a screen that takes keys."""
        self._is_open = True
        self._app.set_timer(_ANSWERS_S, self._expect_no_answers)
        await self._dispatch_next()

    async def add(self, event: KeyEvent) -> None:
        """Dispatch a key, at once unless an earlier one is not done.

        At the start, what may be a terminal's answer waits until it is one, or certainly none.
        """
        if self._answers is None:
            await self._queue([event])
            return
        if self._hold is not None:
            self._hold.stop()
            self._hold = None
        await self._queue(self._answers.sort_out(event))
        if self._answers.is_holding:
            hold_s = _END_HOLD_S if self._answers.is_within_answer else _HOLD_S
            self._hold = self._app.set_timer(hold_s, self._release)

    async def _queue(self, events: list[KeyEvent]) -> None:
        self._waiting.extend(events)
        if self._waiting and self._timeout is None:
            await self._dispatch_next()

    async def _release(self) -> None:
        """No more comes: what was held was typed."""
        self._hold = None
        if self._answers is not None:
            await self._queue(self._answers.release())

    async def _expect_no_answers(self) -> None:
        await self._release()
        self._answers = None

    async def _dispatch_next(self) -> None:
        if self._timeout is not None:
            self._timeout.stop()
            self._timeout = None
        if not self._waiting or not self._is_open:
            return
        self._turn += 1
        turn = self._turn

        async def go_on() -> None:
            if turn == self._turn:
                await self._dispatch_next()

        self._timeout = self._app.set_timer(_EFFECT_TIMEOUT_S, go_on)
        path = list(_find_path(self._app.focused or self._app.screen))
        await self._dispatch(self._waiting.popleft())
        # Behind the key in each queue that it passes through; then behind the messages that it
        # began there, as often as they are passed on. The screen on top may be a new one by then,
        # and the focus is moved by a message to the application.
        way = [*path, lambda: self._app.screen, lambda: self._app]
        _pass_through(way * _PASSES, go_on)


PumpLookup = Callable[[], MessagePump]


def _find_path(node: MessagePump) -> Iterator[PumpLookup]:
    """Yield the node and its ancestors, the application last: the way of a key that bubbles."""
    pump: MessagePump | None = node
    while pump is not None:
        yield lambda pump=pump: pump  # type: ignore[misc]
        pump = pump._parent


def _pass_through(path: list[PumpLookup], then: Callable[[], Awaitable[None]]) -> None:
    """Pass a callback through the queues of a path, and call ``then`` in the last one."""
    if not path:
        raise AssertionError("a path ends at the application")
    [first, *others] = path
    callback = then if not others else lambda: _pass_through(others, then)
    if not first().call_later(callback) and others:  # it is being removed: nothing waits in it
        _pass_through(others, then)
