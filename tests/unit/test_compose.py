"""``compose.yaml``: it scales, waits for its dependencies, and binds to this machine only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from backend.api.server.shutdown import REQUEST_DRAIN_TIMEOUT_S, SOCKET_DRAIN_TIMEOUT_S
from backend.cli import main
from backend.cli.api import DRAIN_S
from backend.config import Settings, get_variable_name
from backend.execution.release_timeout import RELEASE_TIMEOUT_S

COMPOSE_FILE = Path(__file__).parent.parent.parent / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENGINE_SERVICES = {name: each for name, each in SERVICES.items() if each["image"] == "order-engine"}


def test_every_part_of_the_engine_is_there() -> None:
    assert set(SERVICES) == {"postgres", "valkey", "migrate", "chain", "api", "worker"}
    assert SERVICES["postgres"]["image"] == "postgres:18"
    assert SERVICES["valkey"]["image"] == "valkey/valkey:9"


def test_workers_can_be_multiplied() -> None:
    assert not {"container_name", "ports", "hostname"} & set(SERVICES["worker"])


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_on_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
def test_a_long_running_service_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", ENGINE_SERVICES)
def test_a_service_waits_for_what_it_needs(name: str) -> None:
    for needed, condition in ENGINE_SERVICES[name].get("depends_on", {}).items():
        ends = "healthcheck" not in SERVICES[needed]
        expected = "service_completed_successfully" if ends else "service_healthy"
        assert condition == {"condition": expected}


@pytest.mark.parametrize("name", ENGINE_SERVICES)
def test_our_services_run_commands_and_settings_that_exist(name: str) -> None:
    command, *options = ENGINE_SERVICES[name]["command"]
    defined = main.get_command(click.Context(main), command)
    assert defined is not None
    known = {flag for param in defined.params for flag in param.opts}
    assert {option for option in options if option.startswith("--")} <= known
    settings = {get_variable_name(field) for field in Settings.model_fields}
    assert set(ENGINE_SERVICES[name]["environment"]) <= settings


def test_what_listens_to_all_is_open_on_purpose_and_takes_keys() -> None:
    environment = ENGINE_SERVICES["api"]["environment"]
    assert environment["ORDER_ENGINE_HOST"] == "0.0.0.0"  # noqa: S104 - in its container
    assert environment["ORDER_ENGINE_API_KEYS"] == "${ORDER_ENGINE_API_KEYS:-}"
    assert environment["ORDER_ENGINE_OPEN_ACCESS"] == "${ORDER_ENGINE_OPEN_ACCESS:-network}"


def test_the_image_copies_only_what_is_there() -> None:
    dockerfile: str = COMPOSE["x-app"]["build"]["dockerfile_inline"]
    copied_paths = [
        source
        for line in dockerfile.splitlines()
        if line.startswith("COPY ")
        for source in line.split()[1:-1]
    ]
    assert copied_paths
    assert [source for source in copied_paths if not (COMPOSE_FILE.parent / source).exists()] == []


def test_a_worker_is_not_killed_while_it_may_still_release_its_leases() -> None:
    grace_s = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > Settings.model_fields["shutdown_s"].default + RELEASE_TIMEOUT_S


def test_an_api_is_not_killed_while_it_may_still_take_orders() -> None:
    grace_s = int(SERVICES["api"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > DRAIN_S + SOCKET_DRAIN_TIMEOUT_S + REQUEST_DRAIN_TIMEOUT_S


@pytest.mark.parametrize("name", SERVICES)
def test_every_volume_is_declared(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        assert volume.split(":")[0] in COMPOSE["volumes"]
