"""Writes ``scripts/lock``: the release of each package, with the hashes of its files.

``scripts/lock/renew`` runs it. Locked versions stay as they are where ``pyproject.toml`` permits
them; arguments go to uv, such as ``--upgrade`` or ``--upgrade-package aiohttp``. ``--check`` needs
no network: it fails if ``pyproject.toml`` requires something else than what was locked.

One resolution serves the sets of packages that are installed together, so that each package is
locked once: in the smallest set that needs it. A larger set includes the file of a smaller one.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).parents[2]
LOCK_DIR: Final = ROOT / "scripts" / "lock"
PROJECT: Final = "order-engine"
_PYTHON_MIN: Final = "3.11"
_PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==")
_DIGEST = re.compile(r"^# Requirements of pyproject.toml: (\w+)$", re.MULTILINE)

SETS: Final = {
    "production": ("pyproject.toml", "--extra=notify", "--extra=otel"),
    "embedded": ("pyproject.toml", "--extra=notify", "--extra=otel", "--extra=embedded"),
    "dev": ("pyproject.toml", "--all-extras", "--group=dev"),
}
"""What the project's environments hold, the smaller ones first, as arguments of uv."""
ALONE: Final = ("build", "tools")
"""What is installed apart from them: the build backend, and the tools of ``scripts/lock``."""


class Package(NamedTuple):
    """A locked release: its line without hashes, its hashes, and what requires it."""

    name: str
    pin: str
    hashes: tuple[str, ...]
    parents: tuple[str, ...]


def main(arguments: Sequence[str]) -> None:
    """Write the files, or with ``--check`` fail if one is outdated."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    digest = hash_requirements(project)
    if list(arguments) == ["--check"]:
        paths = [LOCK_DIR / f"{name}.txt" for name in (*SETS, *ALONE)]
        if outdated := [path.name for path in paths if read_digest(path) != digest]:
            names = ", ".join(f"scripts/lock/{name}" for name in outdated)
            sys.exit(f"{names}: not made from this pyproject.toml; run scripts/lock/renew")
        return
    with tempfile.TemporaryDirectory() as folder:
        lock_sets(Path(folder), digest, arguments)
        build_file = Path(folder) / "build.in"
        # An editable installation needs the second one, which a backend asks for when it runs.
        build_file.write_text("\n".join([*project["build-system"]["requires"], "editables"]))
        lock_alone("build", str(build_file), Path(folder), digest, arguments)
        lock_alone("tools", "--group=tools", Path(folder), digest, arguments)


def hash_requirements(project: dict[str, Any]) -> str:
    """A digest of the requirements in ``pyproject.toml``, whatever their order and comments."""
    table = project["project"]
    lists = {
        "build": project["build-system"]["requires"],
        "python": [table["requires-python"]],
        "dependencies": table["dependencies"],
        **{f"extra {name}": each for name, each in table["optional-dependencies"].items()},
        **{f"group {name}": each for name, each in project["dependency-groups"].items()},
    }
    text = json.dumps({name: sorted(each) for name, each in lists.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_digest(path: Path) -> str | None:
    """The digest of the requirements that a file was made from; None if it names none."""
    match = _DIGEST.search(path.read_text()) if path.exists() else None
    return match[1] if match else None


def lock_sets(folder: Path, digest: str, arguments: Sequence[str]) -> None:
    """Resolve the largest set and write each package into the smallest set that needs it."""
    *_, largest = SETS
    everything = folder / "everything.txt"
    everything.write_text("\n".join(map(read_lock, SETS)))
    packages = resolve(SETS[largest], everything, arguments)
    names: set[str] = set()
    includes: list[str] = []
    for name, selection in SETS.items():
        constraint = f"--constraints={everything}"
        chosen = resolve((*selection, constraint), folder / f"{name}.txt", ())
        added = {each.name for each in chosen} - names
        names |= added
        write_lock(name, includes, [each for each in packages if each.name in added], names, digest)
        includes = [f"-r {name}.txt"]


def lock_alone(
    name: str, selection: str, folder: Path, digest: str, arguments: Sequence[str]
) -> None:
    """Resolve and write a file that shares nothing with the others."""
    output = folder / f"{name}.txt"
    output.write_text(read_lock(name))
    packages = resolve([selection], output, arguments)
    write_lock(name, [], packages, {each.name for each in packages}, digest)


def read_lock(name: str) -> str:
    """The text of a lock file without what it includes; empty if there is none yet."""
    path = LOCK_DIR / f"{name}.txt"
    return re.sub(r"^-r .*\n", "", path.read_text(), flags=re.MULTILINE) if path.exists() else ""


def resolve(selection: Iterable[str], output: Path, arguments: Iterable[str]) -> list[Package]:
    """Let uv choose releases that fit all platforms and Pythons; ``output`` has those of before."""
    command = ["uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header"]
    options = [f"--python-version={_PYTHON_MIN}", f"--output-file={output}"]
    subprocess.run([*command, *options, *arguments, *selection], cwd=ROOT, check=True)
    return list(parse_lock(output.read_text()))


def parse_lock(text: str) -> Iterator[Package]:
    """The packages of a file that uv or this module wrote."""
    for block in re.split(r"\n(?=\S)", text):
        if match := _PIN.match(block):
            pin, _, rest = block.partition("\\\n")
            yield Package(
                match[1],
                pin.strip(),
                tuple(re.findall(r"--hash=(\S+)", rest)),
                tuple(re.findall(r"^    #\s+(?:(?:via|for) )?([a-z0-9-]+)", rest, re.MULTILINE)),
            )


def write_lock(
    name: str,
    includes: Sequence[str],
    packages: Iterable[Package],
    names: Collection[str],
    digest: str,
) -> None:
    """Write a file of ``packages``, which name those that require them among ``names``."""
    lines = [
        "# Written by scripts/lock/renew; do not edit.",
        f"# Requirements of pyproject.toml: {digest}",
        *includes,
    ]
    for each in packages:
        lines.append(" \\\n    ".join([each.pin, *(f"--hash={value}" for value in each.hashes)]))
        parents = [parent for parent in each.parents if parent in names or parent == PROJECT]
        lines += [f"    # for {parent}" for parent in parents]
    (LOCK_DIR / f"{name}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
