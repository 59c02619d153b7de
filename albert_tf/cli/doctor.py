"""Check the installation: platform, Python and package versions, missing packages.

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
PYTHON = ((3, 10), (3, 13))  # The first and the last version, as in setup.py and the Makefile.
# The packages without wheels on a platform, and where to run instead.
_NO_WHEELS = {
    ("Windows", None): ("tensorflow-text", "Use Linux, for example in WSL 2 or a container"),
    ("Darwin", "x86_64"): (
        "tensorflow and tensorflow-text",
        "Use Linux in a container or on another machine, or a Mac with an Apple processor",
    ),
}


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
    print(f"{'platform':<20}{platform.system()} {platform.machine()}")
    for name, version in versions.items():
        print(f"{name:<20}{version or 'missing'}")
    print(f"{'processors':<20}{os.cpu_count()}")
    messages = problems(versions, sys.version_info[:2], platform.system(), platform.machine())
    if messages:
        raise InputError(" ".join(messages))
    if sys.version_info < (3, 11):
        print("TensorFlow Datasets (TRAIN_TFDS, EVAL_TFDS) need Python 3.11 or later; files do not")
    print("no problems found")


def problems(
    versions: dict[str, str | None],
    python: tuple[int, int],
    system: str = "Linux",
    machine: str = "x86_64",
) -> list[str]:
    """Returns an error message for each problem.

    Args:
      versions: version of each package; None if it is not installed.
      python: major and minor version of Python.
      system: the name of the operating system, as `platform.system` returns it.
      machine: the processor, as `platform.machine` returns it.
    """
    result = []
    for name in ((system, None), (system, machine)):
        if name in _NO_WHEELS:
            packages, remedy = _NO_WHEELS[name]
            result.append(
                "The platform must be Linux, or macOS on an Apple processor. Received "
                f"{system} {machine}, for which there are no wheels of {packages} 2.20. {remedy}."
            )
    missing = sorted(name for name, version in versions.items() if version is None)
    if missing:
        result.append(
            f"All packages must be installed. Missing: {', '.join(missing)}. Run "
            f"pip install {' '.join(missing)}."
        )
    first, last = (".".join(map(str, version)) for version in PYTHON)
    if not PYTHON[0] <= python <= PYTHON[1]:
        result.append(
            f"Python must be {first} to {last}. Received {python[0]}.{python[1]}, for which "
            "TensorFlow 2.20 has no wheels. Install another Python version."
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
