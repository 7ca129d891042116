"""What ``compose.yaml`` promises: it scales, waits for what it needs, and stays on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.cli import main
from backend.config import Settings, env_name
from backend.execution.lease_renewer import HAND_BACK_S

FILE = Path(__file__).parent.parent.parent / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: each for name, each in SERVICES.items() if each["image"] == "order-engine"}


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
def test_what_keeps_running_tells_its_health(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", OURS)
def test_a_service_waits_for_what_it_needs(name: str) -> None:
    for needed, condition in OURS[name].get("depends_on", {}).items():
        ends = "healthcheck" not in SERVICES[needed]
        wanted = "service_completed_successfully" if ends else "service_healthy"
        assert condition == {"condition": wanted}


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_commands_and_settings_that_exist(name: str) -> None:
    command, *options = OURS[name]["command"]
    known = {flag for param in main.commands[command].params for flag in param.opts}
    assert {option for option in options if option.startswith("--")} <= known
    settings = {env_name(field) for field in Settings.model_fields}
    assert set(OURS[name]["environment"]) <= settings


def test_the_image_copies_only_what_is_there() -> None:
    recipe: str = COMPOSE["x-app"]["build"]["dockerfile_inline"]
    copied = [
        source
        for line in recipe.splitlines()
        if line.startswith("COPY ")
        for source in line.split()[1:-1]
    ]
    assert copied
    assert [source for source in copied if not (FILE.parent / source).exists()] == []


def test_a_worker_is_not_killed_while_it_may_still_hand_back_its_orders() -> None:
    grace_s = int(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > Settings.model_fields["shutdown_s"].default + HAND_BACK_S


@pytest.mark.parametrize("name", SERVICES)
def test_every_volume_is_declared(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        assert volume.split(":")[0] in COMPOSE["volumes"]
