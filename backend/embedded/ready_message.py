"""What a person is told when the API is ready: its address, and how to open what belongs to it."""

from __future__ import annotations

from backend.api.server.listener import get_reachable_url
from backend.runtime.startup import name_command


def build_ready_message(url: str) -> str:
    """Build the ``ready`` line of an API at ``url``, and a line each for its clients.

    The first line is what the supervisor and scripts read.
    """
    reachable = get_reachable_url(url)
    return "\n".join(
        (
            f"ready {url}",
            f"  page       {reachable}/",
            f"  documents  {reachable}/docs",
            f"  dashboard  {name_command()} dashboard --url {reachable}",
        )
    )
