"""Requests made up from the OpenAPI document: no answer breaks it, and none is an error of ours.

The requests are the same in every run, so that a run that fails fails again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction, load_all_checks
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.integration.whole import whole_engine

Operation = APIOperation[Any, Any, Any, Any]
EXAMPLES = 20
# A schema cannot say which tokens are known, or how many decimals an amount of them may have.
UNTOLD: list[CheckFunction] = [positive_data_acceptance]


def operations(url: str) -> Iterator[Operation]:
    """What the document describes, without the WebSockets."""
    for found in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if "101" not in operation.definition.raw["responses"]:
            yield operation


def fuzz(url: str, operation: Operation, mode: GenerationMode) -> int:
    """Send made-up requests to one operation; how many were sent."""
    sent = 0

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def holds(case: Case[Any]) -> None:
        nonlocal sent
        case.call_and_validate(base_url=url, excluded_checks=UNTOLD)
        sent += 1

    with suppress(Unsatisfiable):  # some operations cannot be asked wrongly
        holds()
    return sent


def fuzz_all(url: str) -> dict[str, int]:
    load_all_checks()
    return {
        operation.label: sum(fuzz(url, operation, mode) for mode in GenerationMode)
        for operation in operations(url)
    }


async def test_no_request_is_answered_otherwise_than_documented(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with whole_engine(database_url, redis_url, data_dir) as engine:
        sent = await asyncio.to_thread(fuzz_all, engine.api.url)
    assert min(sent.values()) >= 1
    assert sum(sent.values()) > 10 * EXAMPLES
    assert sent["POST /api/orders/execute"] == 2 * EXAMPLES
