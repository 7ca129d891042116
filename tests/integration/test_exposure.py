"""Where an API without keys is served: on loopback, and elsewhere only if a setting says so."""

from __future__ import annotations

import asyncio
import re
from urllib.error import HTTPError
from urllib.request import urlopen

import aiohttp
import pytest

from backend.api.admission.metrics_access import MetricsAccess
from backend.api.server.exposure import build_metrics_access, build_public_address, check_exposure
from backend.api.server.listener import open_listeners
from backend.config import ConfigurationError, Settings
from backend.engine.metrics_server import Readiness, serve_metrics
from tests.conftest import ROOT
from tests.e2e.up import START_TIMEOUT_S, build_command, build_environment
from tests.integration.apis import open_api
from tests.integration.test_listeners import HOSTS, listen

KEYS = "anna:anna-key-0123456789"
ANNA = {"Authorization": "Bearer anna-key-0123456789"}
ALL = "0.0.0.0"  # noqa: S104 - of a test
IS_LOOPBACK = re.compile(r"127|localhost|1\]?$")


def build_access(settings: Settings) -> MetricsAccess:
    return build_metrics_access(settings, build_public_address(settings))


@pytest.mark.parametrize("host", HOSTS)
def test_without_keys_only_loopback_is_listened_to(host: str) -> None:
    with listen(host) as listeners:
        keyless = Settings.load(host=host, api_keys="")
        if IS_LOOPBACK.search(host.strip()):
            note = check_exposure(keyless, listeners)
            assert note is not None
            assert "ORDER_ENGINE_API_KEYS is not set" in note
        else:
            with pytest.raises(ConfigurationError, match="ORDER_ENGINE_OPEN_ACCESS=network"):
                check_exposure(keyless, listeners)
        for access in ("network", "live"):
            assert check_exposure(keyless.model_copy(update={"open_access": access}), listeners)
        assert check_exposure(Settings.load(host=host, api_keys=KEYS), listeners) is None


@pytest.mark.parametrize("access", ["loopback", "network"])
def test_with_real_money_keys_are_needed_on_loopback_too(access: str) -> None:
    with listen("127.0.0.1") as listeners:
        live = Settings.load(live=True, open_access=access)
        with pytest.raises(ConfigurationError, match="ORDER_ENGINE_OPEN_ACCESS=live"):
            check_exposure(live, listeners)
        assert check_exposure(live.model_copy(update={"open_access": "live"}), listeners)
        assert check_exposure(live.model_copy(update={"api_keys": (KEYS,)}), listeners) is None


@pytest.mark.parametrize("command", ["api", "up"])
async def test_a_process_that_would_be_open_to_all_does_not_start(command: str) -> None:
    arguments = (command, "--port", "0", *(("--headless",) if command == "up" else ()))
    process = await asyncio.create_subprocess_exec(
        *build_command(*arguments),
        cwd=ROOT,
        env=build_environment(ORDER_ENGINE_HOST=ALL, DATABASE_URL="postgresql://127.0.0.1:9/x"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(START_TIMEOUT_S):
        output, _ = await process.communicate()
    assert process.returncode == 1
    assert b"Error: ORDER_ENGINE_API_KEYS is not set" in output
    assert b"Traceback" not in output


FORWARDED_FROM_AFAR = (
    {"X-Forwarded-For": "203.0.113.7"},
    {"Forwarded": "for=203.0.113.7"},
    {"X-Forwarded-For": "127.0.0.1, 203.0.113.7"},
    {"X-Forwarded-For": "unknown"},
)


async def test_metrics_are_for_this_machine_unless_a_setting_says_otherwise(
    database_url: str, redis_url: str
) -> None:
    async def load(session: aiohttp.ClientSession, url: str, **headers: str) -> int:
        async with session.get(f"{url}/metrics", headers=headers) as response:
            assert ("# HELP" in await response.text()) == (response.status == 200)
            return response.status

    async with open_api(database_url, redis_url, allowed_hosts="orders.example") as api:
        assert await load(api.session, api.url) == 200
        for headers in (*FORWARDED_FROM_AFAR[:3], {"Host": "orders.example"}):
            assert await load(api.session, api.url, **headers) == 403
    async with open_api(database_url, redis_url, trusted_proxies="") as api:
        assert await load(api.session, api.url, **{"X-Forwarded-For": "127.0.0.1"}) == 403
    keyed = {"api_keys": KEYS, "metrics_access": "key"}
    async with open_api(database_url, redis_url, **keyed) as api:
        assert await load(api.session, api.url) == 401
        assert await load(api.session, api.url, **ANNA) == 200
        listeners = open_listeners("127.0.0.1", 0)
        url = f"http://127.0.0.1:{listeners[0].getsockname()[1]}"
        refusal = build_access(Settings.load(**keyed)).find_refusal
        with serve_metrics(listeners, refusal, Readiness()):
            assert await load(api.session, url) == 401
            assert await load(api.session, url, **ANNA) == 200
        listeners = open_listeners("127.0.0.1", 0)
        url = f"http://127.0.0.1:{listeners[0].getsockname()[1]}"
        with serve_metrics(listeners, build_access(Settings.load()).find_refusal, Readiness()):
            assert await load(api.session, url) == 200
            for headers in (FORWARDED_FROM_AFAR[0], {"Host": "evil.example"}):
                assert await load(api.session, url, **headers) == 403
    async with open_api(database_url, redis_url, metrics_access="open") as api:
        assert await load(api.session, api.url, **FORWARDED_FROM_AFAR[0]) == 200


async def test_a_worker_is_ready_once_it_has_started_and_while_its_loop_answers() -> None:
    listeners = open_listeners("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listeners[0].getsockname()[1]}/readyz"

    def load() -> tuple[int, str]:
        try:
            with urlopen(url) as response:
                return int(response.status), response.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    readiness = Readiness()
    with serve_metrics(listeners, build_access(Settings.load()).find_refusal, readiness):
        assert await asyncio.to_thread(load) == (503, "not ready\n")
        readiness.start()
        assert await asyncio.to_thread(load) == (200, "ready\n")
        readiness.tell("orders wait for the signer")
        assert await asyncio.to_thread(load) == (200, "ready\norders wait for the signer\n")
        assert load()[0] == 503  # asked by the loop itself, which waits for the response


def test_metrics_that_ask_for_a_key_need_keys() -> None:
    with pytest.raises(ConfigurationError, match=r"^ORDER_ENGINE_METRICS_ACCESS is 'key'"):
        build_access(Settings.load(metrics_access="key"))


async def test_orders_that_were_placed_without_a_key_are_told_of_when_keys_are_set(
    database_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    note = "orders are of the owner 'local'"
    async with open_api(database_url, redis_url, api_keys=KEYS):
        assert note not in capsys.readouterr().out
    async with open_api(database_url, redis_url) as api:
        for _ in range(2):
            await api.place_order()
    async with open_api(database_url, redis_url, api_keys=KEYS) as api:
        warning = capsys.readouterr().out
        assert f"2 {note}" in warning
        assert "local:<key>" in warning
    keys = f"{KEYS},local:local-key-0123456789"
    async with open_api(database_url, redis_url, api_keys=keys) as api:
        assert note not in capsys.readouterr().out
        headers = {"X-API-Key": "local-key-0123456789"}
        async with api.session.get("/api/orders", headers=headers) as response:
            assert len((await response.json())["orders"]) == 2
