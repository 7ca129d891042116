"""Tells operators what they must hear, one message at a time and never too many.

What happens between two messages is one message. A text that was told within the last ten minutes
is not told again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from backend.domain.errors import EngineError
from backend.notices import observe_notices
from backend.notices.messenger import Messenger
from backend.notices.texts import TITLE, compose_message, describe, list_new
from backend.store.errors import DATABASE_ERRORS
from backend.store.notices.notice_store import NoticePosition, NoticeStore

LOOK_INTERVAL_S: Final = 2.0
TOLD_S: Final = 600.0
"""How long a text is not told again."""
ATTEMPTS_MAX: Final = 12
RETRY_MAX_S: Final = 300.0
_STATEMENT_ERRORS: Final = (*DATABASE_ERRORS, EngineError)


@dataclass(frozen=True, slots=True)
class NoticePolicy:
    """How often operators are told: one message in so many seconds, at most."""

    interval_s: float
    retry_s: float = 5.0


class Notifier:
    """Tells operators while ``run`` is running, if this process is the one that does."""

    def __init__(
        self, store: NoticeStore, messenger: Messenger, policy: NoticePolicy, random: Random
    ) -> None:
        self._store = store
        self._messenger = messenger
        self._policy = policy
        self._random = random
        self._told: dict[str, float] = {}

    async def run(self) -> None:
        """Look at an interval until cancelled."""
        try:
            while True:
                wait_s = LOOK_INTERVAL_S
                try:
                    if await self._look():
                        wait_s = max(wait_s, self._policy.interval_s)
                except _STATEMENT_ERRORS as error:
                    observe_notices.read_failed(error)
                await asyncio.sleep(wait_s * self._random.uniform(0.9, 1.1))
        finally:
            self._messenger.close()

    async def _look(self) -> bool:
        """Tell what has happened; returns whether a message was sent."""
        position = await self._store.claim()
        if position is None:
            return False
        found, end = await self._store.read(position)
        now_s = asyncio.get_running_loop().time()
        self._told = {text: at for text, at in self._told.items() if at > now_s - TOLD_S}
        texts = list_new([describe(each) for each in found], self._told)
        is_ours = not texts or await self._tell(texts)
        if is_ours and end != position:
            await self._store.store(end)
        return bool(texts)

    async def _tell(self, texts: Sequence[str]) -> bool:
        """Send texts until a service has taken them, or too often; returns whether to go on.

        The lease is extended before each attempt: else another process tells them.
        """
        body = compose_message(texts)
        for attempt in range(ATTEMPTS_MAX):
            results = await self._messenger.send(TITLE, body)
            for result in results:
                observe = (
                    observe_notices.message_sent
                    if result.is_sent
                    else observe_notices.message_failed
                )
                observe(result.service)
            if any(result.is_sent for result in results):
                now_s = asyncio.get_running_loop().time()
                self._told.update(dict.fromkeys(texts, now_s))
                return True
            await asyncio.sleep(min(self._policy.retry_s * 2**attempt, RETRY_MAX_S))
            if await self._claim() is None:
                return False
        observe_notices.message_dropped(body)
        return True

    async def _claim(self) -> NoticePosition | None:
        try:
            return await self._store.claim()
        except _STATEMENT_ERRORS as error:
            observe_notices.read_failed(error)
            return None
