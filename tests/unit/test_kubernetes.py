"""``scripts/kubernetes``: what Kubernetes takes, and what the engine needs of it.

There may be no cluster where tests run: this reads the files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from backend.api.server.shutdown import REQUEST_DRAIN_TIMEOUT_S, SOCKET_DRAIN_TIMEOUT_S
from backend.cli import COMMANDS
from backend.execution.release_timeout import RELEASE_TIMEOUT_S
from tests.unit.test_compose import VARIABLES

FOLDER = Path(__file__).parent.parent.parent / "scripts" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
RESOURCES: list[dict[str, Any]] = [
    each
    for name in KUSTOMIZATION["resources"]
    for each in yaml.safe_load_all((FOLDER / name).read_text())
]
SETTINGS = dict(each.split("=", 1) for each in KUSTOMIZATION["configMapGenerator"][0]["literals"])
VERSIONS = ("1.30", "1.37")


def name_resource(resource: dict[str, Any]) -> str:
    return f"{resource['kind']}/{resource['metadata']['name']}"


def find(name: str) -> dict[str, Any]:
    [found] = [each for each in RESOURCES if name_resource(each) == name]
    return found


def find_pod(resource: dict[str, Any]) -> dict[str, Any]:
    spec = resource["spec"]
    spec = spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec
    pod: dict[str, Any] = spec["template"]["spec"]
    return pod


RUNNING = [each for each in RESOURCES if each["kind"] in {"Deployment", "Job", "CronJob"}]
SERVING = [each for each in RUNNING if each["kind"] == "Deployment"]


def test_every_file_is_named() -> None:
    assert {*KUSTOMIZATION["resources"], "kustomization.yaml"} == {
        path.name for path in FOLDER.iterdir()
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("resource", RESOURCES, ids=name_resource)
def test_kubernetes_takes_each_resource(resource: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(resource, version, strict=True)


def test_settings_are_those_of_the_engine() -> None:
    named = {
        each["name"]
        for r in RUNNING
        for c in find_pod(r)["containers"]
        for each in c.get("env", ())
    }
    assert {*SETTINGS, *named} <= VARIABLES
    urls = {name for name in SETTINGS if name.endswith("_URL")}
    assert urls == {"ORDER_ENGINE_PUBLIC_URL"}  # those with passwords are files


@pytest.mark.parametrize("resource", RUNNING, ids=name_resource)
def test_pods_run_commands_of_the_engine_without_rights(resource: dict[str, Any]) -> None:
    pod = find_pod(resource)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    volumes = {each["name"] for each in pod["volumes"]}
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert {each["name"] for each in container["volumeMounts"]} <= volumes
        assert container["resources"]["limits"].keys() == {"memory"}
    for container in pod["containers"]:
        assert container["args"][0] in COMMANDS


@pytest.mark.parametrize("resource", SERVING, ids=name_resource)
def test_pods_that_serve_have_probes_and_a_disruption_budget(resource: dict[str, Any]) -> None:
    [container] = find_pod(resource)["containers"]
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"] == "/readyz"
    assert "livenessProbe" in container
    budget = find(f"PodDisruptionBudget/{resource['metadata']['name']}")
    labels = resource["spec"]["template"]["metadata"]["labels"]
    assert budget["spec"]["selector"] == resource["spec"]["selector"] == {"matchLabels": labels}
    assert budget["spec"]["minAvailable"] < resource["spec"]["replicas"]


def test_pods_are_not_killed_while_they_may_still_stop_by_themselves() -> None:
    graces = {
        each["metadata"]["name"]: find_pod(each)["terminationGracePeriodSeconds"]
        for each in SERVING
    }
    assert graces["worker"] > float(SETTINGS["ORDER_ENGINE_SHUTDOWN_S"]) + RELEASE_TIMEOUT_S
    drains_s = SOCKET_DRAIN_TIMEOUT_S + REQUEST_DRAIN_TIMEOUT_S
    assert graces["api"] > float(SETTINGS["ORDER_ENGINE_DRAIN_S"]) + drains_s


def test_ports_are_those_of_the_settings() -> None:
    ports = {
        each["metadata"]["name"]: find_pod(each)["containers"][0]["ports"][0]["containerPort"]
        for each in SERVING
    }
    assert ports == {
        "api": int(SETTINGS["ORDER_ENGINE_PORT"]),
        "worker": int(SETTINGS["ORDER_ENGINE_METRICS_PORT"]),
    }


def test_an_archive_is_off_until_somebody_resumes_it() -> None:
    assert find("CronJob/archive")["spec"]["suspend"] is True
