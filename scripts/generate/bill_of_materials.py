"""Prints the bill of materials of a production image as CycloneDX JSON: every locked package with
its version, the hashes of its files, and what requires it. ``scripts/lock/sbom`` runs it.

It is made from the lock file, so it says the same on every machine and needs no network. What the
base image carries beside it is not in it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from locks import LOCK_DIR, PROJECT, ROOT, Package, parse_lock
from packageurl import PackageURL
from packaging.requirements import Requirement


def main() -> None:
    """Print the bill of materials."""
    print(render_bill())


def render_bill() -> str:
    """The bill of materials as text. CycloneDX 1.6 is what most readers of it understand."""
    outputter = make_outputter(build_bill(), OutputFormat.JSON, SchemaVersion.V1_6)
    return outputter.output_as_string(indent=2)


def build_bill() -> Bom:
    """The bill of materials of the project and its locked packages."""
    packages = list(parse_lock((LOCK_DIR / "production.txt").read_text()))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    root = Component(
        name=PROJECT,
        version=project["version"],
        type=ComponentType.APPLICATION,
        bom_ref=PROJECT,
        licenses=[LicenseExpression(project["license"])],
    )
    bill = Bom()
    bill.metadata.component = root
    components = {each: _describe_package(each) for each in packages}
    bill.components.update(components.values())
    parents = [(PROJECT, root), *((each.name, component) for each, component in components.items())]
    for name, parent in parents:
        children = [components[each] for each in packages if name in each.parents]
        bill.register_dependency(parent, children)
    return bill


def _describe_package(package: Package) -> Component:
    requirement = Requirement(package.pin)
    version = next(iter(requirement.specifier)).version
    purl = PackageURL("pypi", None, package.name, version)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(f"https://pypi.org/project/{package.name}/{version}/#files"),
        comment="SHA-256 of every file of the release: one for each platform",
        hashes=list(_read_hashes(package)),
    )
    markers = [Property(name="python:marker", value=str(requirement.marker))]
    return Component(
        name=package.name,
        version=version,
        bom_ref=str(purl),
        purl=purl,
        external_references=[files],
        properties=markers if requirement.marker else [],
    )


def _read_hashes(package: Package) -> Iterator[HashType]:
    for each in package.hashes:
        yield HashType(alg=HashAlgorithm.SHA_256, content=each.removeprefix("sha256:"))


if __name__ == "__main__":
    main()
