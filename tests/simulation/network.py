"""The ways between simulated processes and servers, on which answers come late or never.

A request is served in the server's own time. So it is also served when whoever sent it has died,
has given up, or stands still; and an answer that is lost was served all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TypeVar

Answer = TypeVar("Answer")

LATE_MAX_S = 8.0
"""How long after its sender gave up a request may still be served."""


@dataclass(slots=True)
class Weather:
    """How a server can be reached. The parts of requests that are lost add up to at most 1.

    Of a request that is ``lost`` nothing arrives; of one that is ``unanswered`` only the answer is
    lost; one that is ``late`` is served after its sender has given up, if that still happens.
    """

    slowest_s: float = 0.02
    is_down: bool = False
    lost: float = 0.0
    unanswered: float = 0.0
    late: float = 0.0
    is_over: bool = False


class _Fate(Enum):
    ANSWERED = 0
    LOST = 1
    UNANSWERED = 2
    LATE = 3


class Way:
    """The way to one server.

    ``gone`` makes the error of a sender that gets no answer, after ``patience_s`` at most.
    """

    def __init__(
        self, weather: Weather, random: Random, gone: Callable[[], Exception], *, patience_s: float
    ) -> None:
        self.weather = weather
        self._random = random
        self._gone = gone
        self._patience_s = patience_s

    async def ask(self, serve: Callable[[], Answer]) -> Answer:
        """What ``serve`` returns or raises at the server. Raises ``gone`` if no answer comes."""
        if self.weather.is_over:
            raise asyncio.CancelledError
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        random, weather = self._random, self.weather
        fate = self._fate()
        there_s = random.uniform(0.0005, weather.slowest_s)
        if weather.is_down:
            self._in(there_s, _fail, answer, self._gone())
            return await answer
        gives_up_s = there_s + random.uniform(0, self._patience_s)
        if fate is not _Fate.ANSWERED:
            self._in(gives_up_s, _fail, answer, self._gone())
        if fate is _Fate.LATE:
            there_s = gives_up_s + random.uniform(0, LATE_MAX_S)
        if fate is not _Fate.LOST:
            hears = answer if fate is _Fate.ANSWERED else None
            self._in(there_s, self._serve, serve, hears, fate)
        return await answer

    def _fate(self) -> _Fate:
        weather = self.weather
        chance = self._random.random()
        for fate, part in (
            (_Fate.LOST, weather.lost),
            (_Fate.UNANSWERED, weather.unanswered),
            (_Fate.LATE, weather.late),
        ):
            chance -= part
            if chance < 0:
                return fate
        return _Fate.ANSWERED

    def _serve(
        self, serve: Callable[[], Answer], hears: asyncio.Future[Answer] | None, fate: _Fate
    ) -> None:
        if self.weather.is_down or (fate is _Fate.LATE and not self.weather.late):
            if hears is not None:
                _fail(hears, self._gone())
            return
        back_s = self._random.uniform(0.0005, self.weather.slowest_s)
        try:
            answer = serve()
        except AssertionError:
            raise  # the model is wrong
        except Exception as error:  # noqa: BLE001 - it is what the server answers
            if hears is not None:
                self._in(back_s, _fail, hears, error)
            return
        if hears is not None:
            self._in(back_s, _hear, hears, answer)

    def _in(self, seconds: float, do: Callable[..., None], *args: object) -> None:
        # In a context of its own: what is on its way belongs to no process.
        asyncio.get_running_loop().call_later(seconds, do, *args, context=Context())


def _hear(hears: asyncio.Future[Answer], answer: Answer) -> None:
    if not hears.done():
        hears.set_result(answer)


def _fail(hears: asyncio.Future[Answer], error: Exception) -> None:
    if not hears.done():
        hears.set_exception(error)
