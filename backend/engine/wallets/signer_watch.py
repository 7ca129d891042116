"""The watch of the signer: whether it answers, for the metrics and the readiness of a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

from backend.chain.signing.signer_client import SignerClient
from backend.domain.errors import Unavailable
from backend.domain.times import format_time
from backend.runtime import observe_node

INTERVAL_S: Final = 2.0

Tell = Callable[[str], None]
"""Called with what orders wait for, and with nothing once that is over."""


def ignore(_: str) -> None:
    """Tell nobody."""


async def watch_signer(client: SignerClient, tell: Tell, now: Callable[[], datetime]) -> None:
    """Ask the signer at an interval until cancelled; ``tell`` what orders wait for, or nothing."""
    away_since: datetime | None = None
    observe_node.signer_answers(str(client.path))
    while True:
        try:
            await client.describe()
        except Unavailable as error:
            if away_since is None:
                away_since = now()
                observe_node.signer_away(str(client.path), error.reason)
            tell(f"orders wait for the signer since {format_time(away_since)}")
        else:
            if away_since is not None:
                away_since = None
                observe_node.signer_answers(str(client.path))
                tell("")
        await asyncio.sleep(INTERVAL_S)
