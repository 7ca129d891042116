"""Setting limits, by requests and by the command: what is wrong is named, and changes nothing."""

from __future__ import annotations

from typing import Any, Final

from backend.store.audit_log.reads import read_rows
from backend.store.database import open_pool
from tests.integration.apis import RunningApi, open_api
from tests.integration.operator_commands import run_command, try_command
from tests.integration.stored_keys import send
from tests.integration.test_api_documents import assert_valid

LIMITS: Final = "/api/admin/limits"
GOOD: Final = {
    "maxOrdersPerSecond": 20,
    "maxOpenOrders": 500,
    "maxOrderValue": "1000.5",
    "maxDailyVolume": "18446744073709.551615",
    "maxPriceImpactBps": 0,
    "maxReferenceDistanceBps": 10000,
    "maxSlippageBps": 100,
    "allowedMints": ["SOL", "USDC"],
    "deniedMints": ["BONK", "7vfCXTUXx5WJV5JADk17DUJ4ksgau7utNKj4b963voxs"],
    "maxDailyLoss": "50",
    "onDailyLoss": "REDUCING",
}
SHOWN: Final = {**GOOD, "deniedMints": ["BONK", "WETH"], "reference": "USDC"}
COUNTS: Final = ["maxOrdersPerSecond", "maxOpenOrders", "maxPriceImpactBps", "maxSlippageBps"]
AMOUNTS: Final = ["maxOrderValue", "maxDailyVolume", "maxDailyLoss"]
BAD_NUMBERS: Final = ["NaN", "-1", "1e400", "Infinity", '""', '"x"', "[]", "{}", "true", "1" * 50]
BAD_COUNTS: Final = [*BAD_NUMBERS, "1.5", "99999999999", '"NaN"']
BAD_AMOUNTS: Final = [*BAD_NUMBERS, "0", '"0.0000001"', '"18446744073709.551616"', '"-5"']
BAD: Final = [
    *((name, value) for name in (*COUNTS, "maxReferenceDistanceBps") for value in BAD_COUNTS),
    *((name, value) for name in AMOUNTS for value in BAD_AMOUNTS),
    *((name, "0") for name in COUNTS[:2]),
    *(("allowedMints", value) for value in ("[]", "5", '["NOPE"]', "[5]", '"SOL,NOPE"')),
    ("deniedMints", '["So1111111111111111111111111111111111111111"]'),
    ("onDailyLoss", '"ACTIVE"'),
    ("maxOrders", "5"),
]


async def put(api: RunningApi, text: str, path: str = LIMITS) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"}
    async with api.session.put(path, data=text, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_what_is_wrong_in_limits_is_named_and_nothing_is_set(
    database_url: str, redis_url: str
) -> None:
    async with open_api(database_url, redis_url) as api:
        for name, value in BAD:
            status, problem = await put(api, f'{{"maxOpenOrders": 5, "{name}": {value}}}')
            if name == "maxOpenOrders":
                assert status in {400, 422}  # as a member that is there twice
                status, problem = await put(api, f'{{"{name}": {value}}}')
            assert status == 422, (name, value, problem)
            assert [error["field"] for error in problem["errors"]] == [name], (name, value)
        for body, status in (("{}", 422), ("[]", 422), ("5", 422), ("", 400)):
            assert (await put(api, body))[0] == status, body
        assert (await put(api, '{"maxOpenOrders": 5}', f"{LIMITS}/{'a' * 201}"))[0] == 422
        assert await api.get(LIMITS) == {"limits": []}


async def test_limits_are_shown_as_they_were_set(database_url: str, redis_url: str) -> None:
    async with open_api(database_url, redis_url) as api:
        for path, owner in ((LIMITS, None), (f"{LIMITS}/anna%20b", "anna b")):
            status, row = await send(api, path, method="PUT", body=GOOD)
            assert_valid("LimitRow", row)
            assert (status, row["owner"], row["limits"]) == (200, owner, SHOWN)
        rows = await api.get(LIMITS)
        assert_valid("LimitRows", rows)
        assert [row["owner"] for row in rows["limits"]] == [None, "anna b"]
        shown = await api.get(f"{LIMITS}/anna%20b")
        assert_valid("Limits", shown)
        assert (shown["limits"], shown["left"]["maxDailyLoss"]) == (SHOWN, "50")
        _, removed = await send(api, f"{LIMITS}/anna%20b", method="DELETE")
        assert_valid("LimitsRemoved", removed)
    async with open_pool(database_url, connections_max=1) as pool:
        rows_of_log = [row async for row in read_rows(pool)]
    actions = [row.action for row in rows_of_log]
    assert actions == ["limits_set", "limits_set", "limits_removed"]
    assert '"maxOrderValue": 1000500000' in rows_of_log[1].data
    assert all(row.who == "local" and row.address for row in rows_of_log)


async def test_the_command_shows_sets_and_removes(database_url: str) -> None:
    lines = (
        ("set", "maxOpenOrders=5", "maxOrderValue=100"),
        ("set", "--owner", "anna", "maxOpenOrders=none", "deniedMints=BONK,RAY"),
        ("remove", "--owner", "anna", "deniedMints"),
        ("show", "--owner", "anna"),
    )
    outputs = [await run_command(database_url, "limits", *arguments) for arguments in lines]
    assert outputs[0].startswith("every owner (set ")
    assert outputs[0].endswith("  maxOpenOrders = 5\n  maxOrderValue = 100\n")
    assert outputs[1].endswith("  maxOpenOrders = none\n  deniedMints = BONK,RAY\n")
    assert outputs[2] == "owner anna: removed deniedMints\n"
    assert outputs[3].startswith(outputs[0])
    assert outputs[3].endswith("  maxOpenOrders = none\n")
    code, output = await try_command(database_url, "limits", "set", "maxOrderValue=NaN")
    assert code != 0
    assert "maxOrderValue must be a finite number (of USDC)" in output
    assert "Traceback" not in output
