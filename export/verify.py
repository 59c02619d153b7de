"""Comparing an artefact, reloaded by a process that lacks this package, with its source."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

PROGRAM = Path(__file__).with_name("clean_process.py")
# Sums in another order differ by rounding: 2e-6 on models of three layers with values around 1.
# What is really different, such as another gelu, differs by 1e-3 and more.
TOLERANCE = 1e-4


class Case(NamedTuple):
    """A target of `clean_process`, what it is given, and what the source computed from it."""

    target: str
    inputs: Mapping[str, np.ndarray]
    expected: Mapping[str, np.ndarray]


class VerificationError(Exception):
    """An artefact cannot be loaded, or does not give the numbers of its source."""


def verify(path: str | os.PathLike, cases: Iterable[Case]) -> float:
    """Compares every expected output and prints the largest difference.

    Floats may differ by `TOLERANCE`, relative to the largest expected value where that exceeds 1;
    everything else must be equal.

    Args:
      path: the artefact.
      cases: what to run; see `clean_process`.

    Returns:
      The largest absolute difference.

    Raises:
      VerificationError: the process failed, or an output is missing or differs.
    """
    cases = list(cases)
    answer = run(path, {case.target: case.inputs for case in cases})
    largest = 0.0
    for case in cases:
        for name, expected in case.expected.items():
            key = f"{case.target}:{name}"
            if key not in answer:
                raise VerificationError(
                    f"An artefact must give every output. Received none for '{key}', only "
                    f"{sorted(answer)}."
                )
            largest = max(largest, _difference(key, answer[key], np.asarray(expected)))
    print(f"verified in another process: {len(cases)} calls, largest difference {largest:.1e}")
    return largest


def run(
    path: str | os.PathLike, requests: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Returns what the artefact gives in another process, by `TARGET:OUTPUT`.

    Args:
      path: the artefact.
      requests: inputs by name for each target of `clean_process`.

    Raises:
      VerificationError: the process failed.
    """
    arrays = {}
    for target, inputs in requests.items():
        arrays[f"{target}:"] = np.zeros(0)  # So that a target without inputs is there too.
        arrays.update({f"{target}:{name}": value for name, value in inputs.items()})
    with tempfile.TemporaryDirectory() as folder:
        request, answer = (str(Path(folder, name)) for name in ("request.npz", "answer.npz"))
        np.savez(request, **arrays)
        finished = subprocess.run(
            [sys.executable, str(PROGRAM), str(path), request, answer],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
            capture_output=True,
            text=True,
        )
        if finished.returncode:
            raise VerificationError(
                f"An artefact must load and run in another process. Received '{path}', where that "
                f"ended with status {finished.returncode}:\n{finished.stderr[-4000:]}"
            )
        with np.load(answer) as outputs:
            return {key: outputs[key] for key in outputs.files}


def _difference(key: str, received: np.ndarray, expected: np.ndarray) -> float:
    if received.shape != expected.shape or received.dtype.kind != expected.dtype.kind:
        raise VerificationError(
            f"An output must have the type and shape of the source. Received '{key}', "
            f"{received.dtype} {received.shape} instead of {expected.dtype} {expected.shape}."
        )
    if expected.dtype.kind != "f":
        if not np.array_equal(received, expected):
            raise VerificationError(f"'{key}' must equal the source. Received other values.")
        return 0.0
    difference = float(np.max(np.abs(received - expected), initial=0.0))
    allowed = TOLERANCE * max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    # Negated, so that NaN fails.
    if not difference <= allowed:
        raise VerificationError(
            f"An output must be that of the source to {allowed:.1e}. Received '{key}', which is "
            f"off by {difference:.1e}."
        )
    return difference
