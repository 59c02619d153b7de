"""Show the versions that matter, known-bad pairs, and what is missing.

Prints one line a package and leaves with status 2 if something will not work.
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
    """`albert-tf doctor` takes none."""


def run(args: argparse.Namespace) -> None:
    """Prints the report.

    Raises:
      InputError: a package is missing or does not fit another one.
    """
    found = {name: _version(name) for name in PACKAGES}
    print(f"{'albert_tf':<20}{__version__}")
    print(f"{'python':<20}{platform.python_version()}")
    for name, version in found.items():
        print(f"{name:<20}{version or 'missing'}")
    print(f"{'processors':<20}{os.cpu_count()}")
    troubles = problems(found, sys.version_info[:2])
    if troubles:
        raise InputError(" ".join(troubles))
    print("no known problem")


def problems(found: dict[str, str | None], python: tuple[int, int]) -> list[str]:
    """Returns a sentence for each thing that will not work.

    Args:
      found: version by package, None where it is missing.
      python: major and minor version.
    """
    result = []
    missing = sorted(name for name, version in found.items() if version is None)
    if missing:
        result.append(
            f"All packages must be installed. Missing: {', '.join(missing)}. Run "
            f"pip install {' '.join(missing)}."
        )
    if not (3, 10) <= python <= (3, 12):
        result.append(f"Python must be 3.10 to 3.12. Received {python[0]}.{python[1]}.")
    setuptools = found.get("setuptools")
    if setuptools and int(setuptools.split(".")[0]) > 80:
        result.append(
            "setuptools must be older than 81, as tensorflow-hub 0.16.1 imports pkg_resources. "
            f"Received {setuptools}. Run pip install 'setuptools<81'."
        )
    minors = {
        name: ".".join(found[name].split(".")[:2])
        for name in ("tensorflow", "tensorflow-text", "tf-keras", "tf-models-official")
        if found.get(name)
    }
    if len(set(minors.values())) > 1:
        result.append(
            "TensorFlow and what builds on it must have one minor version. Received "
            f"{', '.join(f'{name} {minor}' for name, minor in minors.items())}. Run pip install "
            "--constraint constraints.txt albert-tf."
        )
    return result


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
