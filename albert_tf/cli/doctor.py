"""Check the installation: package versions, incompatible packages, missing packages.

Prints one line per package. Exits with status 2 if it finds a problem.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib import metadata

from albert_tf.errors import InputError
from albert_tf.version import __version__

PACKAGES = (
    "tensorflow",
    "tensorflow-text",
    "tensorflow-hub",
    "tf-keras",
    "tf-models-official",
    "sentencepiece",
    "gin-config",
    "numpy",
    "protobuf",
    "setuptools",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds no arguments, as `albert-tf doctor` has none."""


def run(args: argparse.Namespace) -> None:
    """Prints the report.

    Raises:
      InputError: a package is missing or is incompatible with another one.
    """
    versions = {name: _version(name) for name in PACKAGES}
    print(f"{'albert_tf':<20}{__version__}")
    print(f"{'python':<20}{platform.python_version()}")
    for name, version in versions.items():
        print(f"{name:<20}{version or 'missing'}")
    print(f"{'processors':<20}{os.cpu_count()}")
    messages = problems(versions, sys.version_info[:2])
    if messages:
        raise InputError(" ".join(messages))
    print("no problems found")


def problems(versions: dict[str, str | None], python: tuple[int, int]) -> list[str]:
    """Returns an error message for each problem.

    Args:
      versions: version of each package; None if it is not installed.
      python: major and minor version of Python.
    """
    result = []
    missing = sorted(name for name, version in versions.items() if version is None)
    if missing:
        result.append(
            f"All packages must be installed. Missing: {', '.join(missing)}. Run "
            f"pip install {' '.join(missing)}."
        )
    if not (3, 10) <= python <= (3, 12):
        result.append(
            f"Python must be 3.10 to 3.12. Received {python[0]}.{python[1]}. Install another "
            "Python version."
        )
    setuptools = versions.get("setuptools")
    if setuptools and int(setuptools.split(".")[0]) > 80:
        result.append(
            "setuptools must be older than 81, as tensorflow-hub 0.16.1 imports pkg_resources. "
            f"Received {setuptools}. Run pip install 'setuptools<81'."
        )
    minors = {
        name: ".".join(versions[name].split(".")[:2])
        for name in ("tensorflow", "tensorflow-text", "tf-keras", "tf-models-official")
        if versions.get(name)
    }
    if len(set(minors.values())) > 1:
        result.append(
            "TensorFlow and the packages built on it must have the same minor version. Received "
            f"{', '.join(f'{name} {minor}' for name, minor in minors.items())}. Run pip install "
            "--constraint constraints.txt albert-tf."
        )
    return result


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
