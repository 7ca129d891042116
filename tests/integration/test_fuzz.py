"""Odd requests are refused with a reason, and leave nothing behind."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from backend.config import Profile
from backend.simulator.options import SimulatorOptions
from backend.trials.fuzz.answers import (
    RefusedForNow,
    find_faults,
    find_problem_fault,
    list_order_ids,
    require_answer,
    require_placement,
)
from backend.trials.fuzz.odd_requests import BATCH, EXECUTE, ORDERS, OddRequest
from backend.trials.fuzz.run import FuzzRun
from tests.integration.apis import open_api
from tests.scenario import run_node

REQUESTS = 1_000
PROBLEM = "application/problem+json"
REFUSED_BATCH = (
    '{"status":422,"code":"batch_refused","detail":"a","orders":['
    '{"problem":{"status":422,"code":"b","detail":"c"}},"d"]}'
)


async def test_an_odd_request_is_refused_with_a_reason_or_stored(
    database_url: str, redis_url: str, data_dir: Path
) -> None:
    many = SimulatorOptions(profile=Profile.INSTANT, pools="many")
    with capture_logs() as logs:
        async with (
            run_node(data_dir, many) as node,
            open_api(database_url, redis_url, solana_rpc_url=node) as api,
        ):
            result = await FuzzRun(api.url, api.session, seed=3).run(REQUESTS)
    assert result.violations == []
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
        ("[]", "is not an object"),
        ('{"status":422,"code":"a","detail":"b","errors":["c"]}', "has an error without"),
    ],
)
def test_what_a_problem_has_to_say(text: str, fault: str | None) -> None:
    found = find_problem_fault(text)
    assert found is None if fault is None else (found or "").startswith(fault)


@pytest.mark.parametrize(
    ("method", "path", "status", "content_type", "text", "faults"),
    [
        ("POST", BATCH, 502, "text/html", "<html>", ["502 <html>"]),
        ("POST", BATCH, 400, "text/html", "<html>", ["400: is not JSON: <html>"]),
        ("POST", BATCH, 400, PROBLEM, "[]", ["400: is not an object: []"]),
        ("POST", BATCH, 202, "application/json", "null", ["202: is not an object: null"]),
        ("POST", EXECUTE, 202, "application/json", "", ["202: is not JSON: "]),
        ("GET", ORDERS, 200, "text/plain", "", []),
        (
            *("POST", BATCH, 422, PROBLEM, REFUSED_BATCH),
            [
                "an order of a batch: names no field: {'problem': {'status': 422, 'code': 'b',"
                " 'detail': 'c'}}",
                "an order of a batch: is not an object: d",
            ],
        ),
        ("POST", BATCH, 422, "text/plain", '{"orders":[]}', ["422: is text/plain, and no problem"]),
    ],
)
def test_a_fault_of_an_answer_is_told_whatever_came(
    method: str, path: str, status: int, content_type: str, text: str, faults: list[str]
) -> None:
    found = list(find_faults(OddRequest(method, path), status, content_type, text))
    assert [fault[: len(start)] for fault, start in zip(found, faults, strict=True)] == faults


@pytest.mark.parametrize("delay", [None, "soon", "-1", "3600"])
def test_a_503_that_does_not_say_when_to_come_again_is_no_answer(delay: str | None) -> None:
    require_answer(503, {} if delay is None else {"Retry-After": delay}, "{}")
    assert list(find_faults(OddRequest("GET", ORDERS), 503, PROBLEM, "{}")) == ["503 {}"]


def test_a_503_is_sent_again_after_the_time_that_it_says() -> None:
    require_answer(500, {"Retry-After": "1"}, "{}")
    with pytest.raises(RefusedForNow, match=r"^503 \{\}$") as refusal:
        require_answer(503, {"Retry-After": "2"}, "{}")
    assert refusal.value.retry_after_s == 2
    with pytest.raises(RefusedForNow):
        require_placement('{"status":503,"code":"a","detail":"b"}')
    for text in ("<html>", "[]", '{"status":500}'):
        require_placement(text)


@pytest.mark.parametrize("text", ["", "[]", '"orderId"', '{"orders":["orderId"]}'])
def test_no_order_is_accepted_by_an_answer_that_is_not_of_orders(text: str) -> None:
    assert list(list_order_ids(text)) == []
