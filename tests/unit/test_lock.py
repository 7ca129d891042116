"""``scripts/lock``: complete, made from this ``pyproject.toml``, and enforced when installing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

LOCK_DIR = ROOT / "scripts" / "lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
REQUIREMENTS: dict[str, list[str]] = {
    "production": [
        *PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"]["notify"],
        *PROJECT["project"]["optional-dependencies"]["otel"],
    ],
    "embedded": PROJECT["project"]["optional-dependencies"]["embedded"],
    "dev": [
        *(each for extra in PROJECT["project"]["optional-dependencies"].values() for each in extra),
        *PROJECT["dependency-groups"]["dev"],
    ],
    "tools": PROJECT["dependency-groups"]["tools"],
    "build": PROJECT["build-system"]["requires"],
}
ENVIRONMENTS = [
    {
        "python_version": version,
        "python_full_version": f"{version}.9",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": platform,
        "platform_machine": machine,
    }
    for version in ("3.11", "3.12", "3.13", "3.14")
    for platform, machine in (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
]
INSTALLED = {canonicalize_name(each.name): each for each in distributions()}


def read_lines(name: str) -> Iterator[str]:
    """The entries of a lock file and of those that it includes, a line each."""
    text = (LOCK_DIR / f"{name}.txt").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.startswith("-r "):
            yield from read_lines(line.removeprefix("-r ").removesuffix(".txt"))
        elif line.strip() and not line.strip().startswith("#"):
            yield line


def read_pins(name: str) -> list[Requirement]:
    return [Requirement(line.split(" --hash")[0]) for line in read_lines(name)]


def holds(requirement: Requirement, environment: dict[str, str], extra: str = "") -> bool:
    marker = requirement.marker
    return marker is None or marker.evaluate({**environment, "extra": extra})


def find_version(pins: Iterable[Requirement], name: str, environment: dict[str, str]) -> str:
    found = [
        next(iter(pin.specifier)).version
        for pin in pins
        if canonicalize_name(pin.name) == canonicalize_name(name) and holds(pin, environment)
    ]
    assert len(found) == 1, f"{name} is locked {len(found)} times for {environment}"
    return found[0]


def test_the_lock_is_made_from_what_the_project_requires() -> None:
    script = ROOT / "scripts" / "generate" / "locks.py"
    check = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert (check.returncode, check.stderr) == (0, "")


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_release_is_locked_with_the_hashes_of_its_files(name: str) -> None:
    for line in read_lines(name):
        assert re.fullmatch(r"[a-z0-9-]+==\S+( ; [^\\]+?)?(\s+--hash=sha256:[0-9a-f]{64})+", line)


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_what_the_project_requires_is_locked_for_every_platform(name: str) -> None:
    pins = read_pins(name)
    for environment in ENVIRONMENTS:
        for text in REQUIREMENTS[name]:
            requirement = Requirement(text)
            if holds(requirement, environment):
                version = find_version(pins, requirement.name, environment)
                assert requirement.specifier.contains(version)


@pytest.mark.parametrize("name", ["production", "embedded", "dev"])
def test_what_packages_require_is_locked_with_them(name: str) -> None:
    """By what the installed releases say of themselves, on this platform."""
    pins = read_pins(name)
    here = {pin.name: next(iter(pin.specifier)).version for pin in pins if holds(pin, {})}
    pending = [Requirement(text) for text in [*REQUIREMENTS["production"], *REQUIREMENTS[name]]]
    seen = set()
    while pending:
        requirement = pending.pop()
        package = canonicalize_name(requirement.name)
        if (package, *requirement.extras) in seen or not holds(requirement, {}):
            continue
        seen.add((package, *requirement.extras))
        assert requirement.specifier.contains(here[package])
        installed = INSTALLED.get(package)
        if installed is not None and installed.version == here[package]:
            pending += required_by(installed, requirement.extras)
    assert {package for package, *_ in seen} >= set(here)


def required_by(installed: Distribution, extras: Iterable[str]) -> list[Requirement]:
    requirements = [Requirement(text) for text in installed.requires or []]
    return [
        Requirement(str(each).split(";")[0])
        for each in requirements
        if any(holds(each, {}, extra) for extra in ("", *extras))
    ]


def test_a_production_installation_has_no_embedded_servers() -> None:
    servers = {Requirement(text).name for text in REQUIREMENTS["embedded"]}
    assert servers
    assert not servers & {pin.name for pin in read_pins("production")}
    assert servers <= {pin.name for pin in read_pins("embedded")}


def test_the_bill_of_materials_has_every_package_of_a_production_installation() -> None:
    script = ROOT / "scripts" / "generate" / "bill_of_materials.py"
    bill = json.loads(subprocess.check_output([sys.executable, script]))
    hashes = {
        each["purl"]: {item["content"] for item in each["externalReferences"][0]["hashes"]}
        for each in bill["components"]
    }
    locked = {
        f"pkg:pypi/{line.split(' ')[0].replace('==', '@')}": set(
            re.findall(r"--hash=sha256:(\w+)", line)
        )
        for line in read_lines("production")
    }
    assert hashes == locked
    children = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    reached, pending = set(), ["order-engine"]
    while pending:
        reached.add(each := pending.pop())
        pending += set(children[each]) - reached
    assert reached == {"order-engine", *locked}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A wheel without a dependency, in a folder of its own."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel = folder / "grain-1.0-py3-none-any.whl"
    info = "grain-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("grain.py", "size = 1\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: grain\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"grain.py,,\n{info}/METADATA,,\n{info}/RECORD,,\n")
    return wheel


def test_one_altered_hash_is_refused(clone: Path, package: Path) -> None:
    # The pip of the system serves as well, and need not be installed first.
    venv.create(clone / ".venv", system_site_packages=True, symlinks=True)
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    altered = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    production = clone / "scripts" / "lock" / "production.txt"
    production.write_text(f"grain==1.0 --hash=sha256:{altered}\n")
    run = install(clone, package.parent)
    assert run.returncode != 0
    assert "DO NOT MATCH THE HASHES" in run.stderr
    assert not list(clone.glob(".venv/lib/*/site-packages/grain*"))
    assert not list(clone.glob(".venv/installed-*"))
    production.write_text(f"grain==1.0 --hash=sha256:{digest}\n")
    (clone / "scripts" / "lock" / "build.txt").write_text("missing==1.0 --hash=sha256:00\n")
    run = install(clone, package.parent)
    assert "missing" in run.stderr  # the next file, so this one was taken
    assert list(clone.glob(".venv/lib/*/site-packages/grain.py"))
    assert not list(clone.glob(".venv/installed-*"))


def install(clone: Path, wheels: Path) -> subprocess.CompletedProcess[str]:
    """Run the installation of a clone with pip, without a network."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    path = os.pathsep.join(
        folder for folder in os.get_exec_path() if not (Path(folder) / "uv").exists()
    )
    return subprocess.run(
        [clone / "scripts" / "install", "production"],
        env={**environ, **pip, "PATH": path, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
