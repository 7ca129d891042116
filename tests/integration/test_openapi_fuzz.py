"""Fuzzing from the OpenAPI document: no response violates it, and none is an internal error.

The requests are the same in every run, so that a failure is reproducible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction, load_all_checks
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.integration.full_engine import run_full_engine

Operation = APIOperation[Any, Any, Any, Any]
EXAMPLES_MAX = 20
# A schema cannot say which tokens are known, or how many decimals their amounts may have.
EXCLUDED_CHECKS: list[CheckFunction] = [positive_data_acceptance]


def list_operations(url: str) -> Iterator[Operation]:
    """The operations of the document, without the WebSockets."""
    for result in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if "101" not in operation.definition.raw["responses"]:
            yield operation


def fuzz_operation(url: str, operation: Operation, mode: GenerationMode) -> int:
    """Send generated requests to one operation; return how many."""
    sent = 0

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES_MAX,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def send_case(case: Case[Any]) -> None:
        nonlocal sent
        case.call_and_validate(base_url=url, excluded_checks=EXCLUDED_CHECKS)
        sent += 1

    with suppress(Unsatisfiable):  # some operations have no invalid request
        send_case()
    return sent


def fuzz_all_operations(url: str) -> dict[str, int]:
    load_all_checks()
    return {
        operation.label: sum(fuzz_operation(url, operation, mode) for mode in GenerationMode)
        for operation in list_operations(url)
    }


@pytest.mark.long
async def test_every_response_is_as_documented(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    async with run_full_engine(database_url, redis_url, data_dir) as engine:
        sent = await asyncio.to_thread(fuzz_all_operations, engine.api.url)
    assert min(sent.values()) >= 1
    assert sum(sent.values()) > 10 * EXAMPLES_MAX
    assert sent["POST /api/orders/execute"] == 2 * EXAMPLES_MAX
