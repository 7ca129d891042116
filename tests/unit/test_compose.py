"""``compose.yaml``: it scales, waits for its dependencies, and gives containers what they need.

There may be no Docker where tests run: this reads the file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from backend.api.server.shutdown import REQUEST_DRAIN_TIMEOUT_S, SOCKET_DRAIN_TIMEOUT_S
from backend.cli import main
from backend.cli.api import DRAIN_S
from backend.config import Settings, get_variable_name
from backend.config.secret_files import FILE_SUFFIX, is_secret
from backend.execution.release_timeout import RELEASE_TIMEOUT_S

COMPOSE_FILE = Path(__file__).parent.parent.parent / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENGINE_SERVICES = {name: each for name, each in SERVICES.items() if each["image"] == "order-engine"}


VARIABLES = {
    get_variable_name(name) + suffix
    for name, field in Settings.model_fields.items()
    for suffix in ("", *([FILE_SUFFIX] if is_secret(field) else []))
}
ONE_SHOT = {"secrets", "migrate"}


def test_every_part_of_the_engine_is_there() -> None:
    parts = {"secrets", "postgres", "valkey", "migrate", "chain", "api", "worker"}
    assert {name for name, each in SERVICES.items() if "profiles" not in each} == parts
    profile = {name for name, each in SERVICES.items() if each.get("profiles") == ["observability"]}
    assert profile == {"prometheus", "grafana"}


def test_images_are_named_in_one_place_with_tag_and_digest() -> None:
    images = set(COMPOSE["x-images"].values())
    assert all(re.fullmatch(r"[a-z/]+:[\w.-]+@sha256:[0-9a-f]{64}", each) for each in images)
    used = {each["image"] for each in SERVICES.values()} - {"order-engine"}
    used |= {each["build"]["args"]["PYTHON"] for each in ENGINE_SERVICES.values()}
    assert used == images
    assert COMPOSE_FILE.read_text().count("@sha256:") == len(images)
    stages = re.findall(
        r"^FROM (\S+)", ENGINE_SERVICES["api"]["build"]["dockerfile_inline"], re.MULTILINE
    )
    assert set(stages) == {"$$PYTHON"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_no_rights_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    user, group = map(int, service["user"].split(":"))
    assert user > 0
    assert group > 0
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    gained = {"cap_add", "privileged", "devices", "pid", "ipc", "userns_mode", "group_add"}
    assert not gained & set(service)
    assert service.get("network_mode", "none") == "none"


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_bounds(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert 0 < service["pids_limit"] <= 1_024
    assert 0 < service["ulimits"]["nofile"] <= 65_536
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert all("size=" in each for each in service["tmpfs"])


def test_an_api_has_descriptors_for_all_its_sockets() -> None:
    sockets_max = Settings.model_fields["sockets_max"].default
    assert SERVICES["api"]["ulimits"]["nofile"] > 2 * sockets_max


@pytest.mark.parametrize("name", sorted(set(ENGINE_SERVICES) - {"secrets"}))
def test_every_setting_is_passed_through(name: str) -> None:
    environment = ENGINE_SERVICES[name]["environment"]
    assert set(environment) == VARIABLES
    fixed = {
        variable
        for variable, value in environment.items()
        if value is not None and not re.fullmatch(rf"\${{{variable}:?-[^}}]*}}", value)
    }
    # What the file itself refers to: ports that it publishes or asks, and the volume.
    assert fixed == {"ORDER_ENGINE_HOST", "ORDER_ENGINE_DATA_DIR"} | {
        f"ORDER_ENGINE_{port}" for port in ("PORT", "METRICS_PORT", "CHAIN_PORT")
    }


def test_no_password_is_written_down() -> None:
    text = COMPOSE_FILE.read_text()
    assert not re.search(r"PASSWORD: ", text)
    assert not re.search(r"://[^/\s:]+:(?!\$\$\()[^/\s@]+@", text)


def test_workers_can_be_multiplied() -> None:
    assert not {"container_name", "ports", "hostname"} & set(SERVICES["worker"])


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_on_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONE_SHOT))
def test_a_long_running_service_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    if name in {"api", "worker"}:
        assert "/readyz" in SERVICES[name]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_for_what_it_needs(name: str) -> None:
    for needed, condition in SERVICES[name].get("depends_on", {}).items():
        ends = "healthcheck" not in SERVICES[needed]
        expected = "service_completed_successfully" if ends else "service_healthy"
        assert condition == {"condition": expected}


@pytest.mark.parametrize("name", sorted(set(ENGINE_SERVICES) - {"secrets"}))
def test_our_services_run_commands_that_exist(name: str) -> None:
    command, *options = ENGINE_SERVICES[name]["command"]
    defined = main.get_command(click.Context(main), command)
    assert defined is not None
    known = {flag for param in defined.params for flag in param.opts}
    assert {option for option in options if option.startswith("--")} <= known


def test_what_listens_to_all_is_open_on_purpose_and_takes_keys() -> None:
    environment = ENGINE_SERVICES["api"]["environment"]
    assert environment["ORDER_ENGINE_HOST"] == "0.0.0.0"  # noqa: S104 - in its container
    assert environment["ORDER_ENGINE_API_KEYS"] is None
    assert environment["ORDER_ENGINE_OPEN_ACCESS"] == "${ORDER_ENGINE_OPEN_ACCESS:-network}"


def test_the_image_copies_only_what_is_there() -> None:
    dockerfile: str = COMPOSE["x-app"]["build"]["dockerfile_inline"]
    copied_paths = [
        source
        for line in dockerfile.splitlines()
        if line.startswith("COPY ") and "--from" not in line
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
        source = volume.split(":")[0]
        if source.startswith("./"):
            assert (COMPOSE_FILE.parent / source).is_dir()
            assert volume.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]
