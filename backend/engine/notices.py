"""What tells operators, wired."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any
from uuid import UUID

from backend.config import ConfigurationError, Settings
from backend.notices.messenger import Messenger, MessengerError
from backend.notices.notifier import NoticePolicy, Notifier
from backend.store.database import DatabasePool
from backend.store.notices.notice_store import NoticeStore


def open_messenger(settings: Settings) -> Messenger | None:
    """The services that operators have named; ``None`` if there are none.

    Raises ``ConfigurationError``.
    """
    if not settings.notify.strip():
        return None
    try:
        return Messenger(settings.notify)
    except MessengerError as error:
        raise ConfigurationError(str(error)) from None


def build_notices(
    settings: Settings, messenger: Messenger | None, pool: DatabasePool, holder: UUID
) -> list[Callable[[], Coroutine[Any, Any, None]]]:
    """What tells operators by their services, while ``holder`` is the process that does."""
    if messenger is None:
        return []
    policy = NoticePolicy(settings.notify_interval_s)
    random = Random(f"{settings.seed} {os.getpid()}")  # noqa: S311 - jitter, not a secret
    return [Notifier(NoticeStore(pool, holder), messenger, policy, random).run]
