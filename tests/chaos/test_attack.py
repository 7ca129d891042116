"""A short attack from the command line: its figures, and a client that sees no error."""

from __future__ import annotations

import asyncio
import re

import pytest

from backend.trials.attack.attackers import ATTACKS, attack
from tests.e2e.up import run_command
from tests.integration.apis import open_api, wait_until

RUN_S = 200
ATTACKED = (
    ("/healthz", 200),
    ("/openapi.json", 200),
    ("/api/orders/batch", 401),
    ("/api/orders/execute", 401),
)


@pytest.mark.long
def test_a_client_sees_no_error_while_others_attack() -> None:
    output = run_command(
        *("attack", "--minutes", "0.15", "--warm-up-s", "5"),
        # Tests beside it slow it down: what is too late is for the long form to tell.
        *("--rate", "20", "--descriptors", "400", "--machine-ms", "20000"),
        timeout_s=RUN_S,
    )
    assert "everything together: ok" in output
    errors = re.search(r"errors +│ (\d+) +│ (\d+) +│", output)
    assert errors is not None
    assert errors.groups() == ("0", "0")


def find_refusals(metrics: str) -> list[str]:
    """How many requests were refused for the host that they named, also by other tests."""
    return re.findall(r"^http_foreign_hosts_total (.*)$", metrics, re.MULTILINE)


async def test_the_attackers_reach_what_they_attack(database_url: str, redis_url: str) -> None:
    async with (
        open_api(database_url, redis_url, api_keys="anna:anna-key-0123456789") as api,
        asyncio.TaskGroup() as group,
    ):

        async def read_metrics() -> str:
            async with api.session.get("/metrics") as response:
                return await response.text()

        refused_before = find_refusals(await read_metrics())
        attacking = group.create_task(attack(api.url, 1.0, list(ATTACKS)))

        async def are_reached() -> bool:
            metrics = await read_metrics()
            counters = [f'total{{route="{route}",status="{status}"}}' for route, status in ATTACKED]
            return all(counter in metrics for counter in counters)

        await wait_until(are_reached)
        # Not turned away at the door, where no attack is one.
        assert find_refusals(await read_metrics()) == refused_before
        attacking.cancel()
