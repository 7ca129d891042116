"""Odd requests are refused with a reason, and leave nothing behind."""

from __future__ import annotations

from collections import Counter

import pytest
from structlog.testing import capture_logs

from backend.trials.fuzz.answers import find_problem_fault
from backend.trials.fuzz.run import FuzzRun
from tests.integration.apis import open_api

REQUESTS = 1_000


async def test_an_odd_request_is_refused_with_a_reason_or_stored(
    database_url: str, redis_url: str
) -> None:
    with capture_logs() as logs:
        async with open_api(database_url, redis_url) as api:
            result = await FuzzRun(api.url, api.session, seed=3).run(REQUESTS)
    # No node is there: a market that an amendment needs is not known.
    violations = [each for each in result.violations if "cannot be read now" not in each]
    assert violations == []
    assert Counter(each["log_level"] for each in logs)["error"] == 0
    assert {"101", "200", "202", "400", "404", "422"} <= result.statuses.keys()
    assert len(result.accepted) > 50


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            '{"status":422,"code":"a","detail":"b","errors":[{"field":"c","code":"d","reason":"e"}]}',
            None,
        ),
        ('{"status":404,"code":"a","detail":"b"}', None),
        ('{"status":422,"code":"a","detail":"b"}', "names no field"),
        ('{"status":422,"code":"a","detail":"b","errors":[{"field":"c"}]}', "has an error without"),
        ('{"status":404,"detail":"b"}', "has no code"),
        ('{"status":500,"code":"a","detail":"b"}', "is an internal error"),
        ("<html>", "is not JSON"),
    ],
)
def test_what_a_problem_has_to_say(text: str, fault: str | None) -> None:
    found = find_problem_fault(text)
    assert found is None if fault is None else (found or "").startswith(fault)
