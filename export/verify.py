"""Compares an artefact with its source, in a separate process that does not have this package."""

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
# Summing in another order causes rounding differences, 2e-6 for a model with three layers and
# values around 1. Real differences, such as another form of gelu, are 1e-3 or more.
TOLERANCE = 1e-4
# A difference of 1e-7 may round an activation to the next of 255 levels.
REDUCED_TOLERANCE = 2e-2


class Case(NamedTuple):
    """A target of `clean_process`, its inputs, and the outputs of the source for them."""

    target: str
    inputs: Mapping[str, np.ndarray]
    expected: Mapping[str, np.ndarray]


class VerificationError(Exception):
    """An artefact cannot be loaded, or its outputs differ from those of its source."""


def verify(path: str | os.PathLike, cases: Iterable[Case], tolerance: float = TOLERANCE) -> float:
    """Compares every expected output and prints the largest difference.

    Floats may differ by `tolerance`, relative to the largest expected value if that exceeds 1.
    Everything else must be equal.

    Args:
      path: the artefact.
      cases: the calls to run, with their expected outputs.
      tolerance: see above.

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
                    f"An artefact must return every output. Received {sorted(answer)} without "
                    f"'{key}'."
                )
            largest = max(largest, _difference(key, answer[key], np.asarray(expected), tolerance))
    print(f"verified in a separate process: {len(cases)} calls, largest difference {largest:.1e}")
    return largest


def run(
    path: str | os.PathLike, requests: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Runs the artefact in a separate process and returns its outputs by `TARGET:OUTPUT`.

    Args:
      path: the artefact.
      requests: inputs by name for each target of `clean_process`.

    Raises:
      VerificationError: the process failed.
    """
    arrays = {}
    for target, inputs in requests.items():
        arrays[f"{target}:"] = np.zeros(0)  # Represents a target without inputs.
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
                f"An artefact must load and run in a separate process. Received '{path}', which "
                f"failed with status {finished.returncode}:\n{finished.stderr[-4000:]}"
            )
        with np.load(answer) as outputs:
            return {key: outputs[key] for key in outputs.files}


def _difference(key: str, received: np.ndarray, expected: np.ndarray, tolerance: float) -> float:
    if received.shape != expected.shape or received.dtype.kind != expected.dtype.kind:
        raise VerificationError(
            f"An output must have the type and shape that it has in the source. Received '{key}', "
            f"{received.dtype} {received.shape} instead of {expected.dtype} {expected.shape}."
        )
    if expected.dtype.kind != "f":
        if not np.array_equal(received, expected):
            raise VerificationError(
                f"An output that is not a float must equal that of the source. Received '{key}' "
                "with different values."
            )
        return 0.0
    difference = float(np.max(np.abs(received - expected), initial=0.0))
    allowed = tolerance * max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    # Comparisons with NaN are false, so this form of the condition also rejects NaN.
    if not difference <= allowed:
        raise VerificationError(
            f"An output must not differ from that of the source by more than {allowed:.1e}. "
            f"Received '{key}' with a difference of {difference:.1e}."
        )
    return difference
