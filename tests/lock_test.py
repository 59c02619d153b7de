"""requirements.lock: the versions of constraints.txt, with hashes, for what setup.py requires."""

import json
import re
import shlex
import subprocess
import sys

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.paths import ROOT

SYSTEMS = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}
ENVIRONMENTS = [
    {
        "python_version": f"3.{minor}",
        "python_full_version": f"3.{minor}.9",
        "sys_platform": platform,
        "platform_system": system,
        "platform_machine": "x86_64",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    for minor in range(10, 14)
    for platform, system in SYSTEMS.items()
]


def entries(text):
    """The requirements in a file, each with its hashes."""
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", "").splitlines()
    parts = [re.split(r"\s+--hash=", line) for line in lines]
    return [(Requirement(requirement), hashes) for requirement, *hashes in parts]


def versions(name, environment):
    """The versions by name that a file of requirements gives in an environment."""
    found = {}
    for requirement, _ in entries((ROOT / name).read_text()):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (specifier,) = requirement.specifier
            key = canonicalize_name(requirement.name)
            assert specifier.operator == "==" and key not in found, requirement
            found[key] = specifier.version
    return found


@pytest.fixture(scope="module")
def required():
    """A function that returns the requirements of setup.py, and those of extras."""
    given = {"__file__": str(ROOT / "setup.py")}
    exec((ROOT / "setup.py").read_text().split("\nsetup(")[0], given)

    def lines(*extras):
        chosen = [*given["REQUIRES"], *(line for e in extras for line in given["EXTRAS"][e])]
        return [Requirement(line) for line in chosen]

    return lines


@pytest.mark.parametrize(
    "environment", ENVIRONMENTS, ids=lambda e: f"{e['sys_platform']}-{e['python_version']}"
)
def test_the_lock_has_the_versions_of_the_constraints(environment, required):
    locked = versions("requirements.lock", environment)
    constraints = versions("constraints.txt", environment)
    assert locked.items() <= constraints.items()
    for requirement in required("test", "docs"):
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(Version(version)), requirement


def test_every_file_in_the_lock_has_a_hash():
    locked = entries((ROOT / "requirements.lock").read_text())
    assert len(locked) > 200
    for requirement, hashes in locked:
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), requirement


def test_the_test_sees_markers_and_hashes():
    text = (
        "# made\na==1 ; sys_platform == 'linux' \\\n    --hash=sha256:0f \\\n    --hash=sha256:1e\n"
    )
    ((requirement, hashes),) = entries(text)
    assert str(requirement) == 'a==1; sys_platform == "linux"'
    assert hashes == ["sha256:0f", "sha256:1e"]


def test_the_environment_of_make_contains_only_what_the_lock_has():
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile.split("\n$(INSTALLED):")[1].split("\n\n")[0]
    installs = [line for line in recipe.splitlines() if " install " in line]
    assert len(installs) == 3 and all(
        "$(LOCKED)" in line or "--no-build-isolation --no-deps" in line for line in installs
    )
    assert "\nLOCKED := --require-hashes --requirement\n" in makefile


def test_readers_of_weights_have_versions_without_known_holes(required):
    lowest = {requirement.name: requirement.specifier for requirement in required("torch")}
    # CVE-2026-24747, CVE-2026-1260, and CVE-2025-2915 in HDF5 1.14.
    for name, affected in {"torch": "2.9.1", "sentencepiece": "0.2.0", "h5py": "3.15.1"}.items():
        assert affected not in lowest[name]


def test_make_sbom_lists_the_packages_with_versions_and_dependencies(tmp_path):
    """Its command runs on the environment of the tests."""
    line = re.search(r"^\t(.*cyclonedx-py .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    line = line.replace("build/runtime", sys.executable)
    line = line.replace("build/sbom.json", str(tmp_path / "sbom.json"))
    command = shlex.split(line.replace("$(BIN)/cyclonedx-py", f"{sys.executable} -m cyclonedx_py"))
    subprocess.run(command, check=True, capture_output=True)
    listed = json.loads((tmp_path / "sbom.json").read_text())
    assert listed["bomFormat"] == "CycloneDX"
    addresses = {part["name"]: part.get("purl") for part in listed["components"]}
    assert addresses["tensorflow"].startswith("pkg:pypi/tensorflow@2.20.")
    needs = {entry["ref"].split("==")[0]: entry for entry in listed["dependencies"]}
    assert any(name.startswith("tensorflow==") for name in needs["albert-tf"]["dependsOn"])
