"""Keeps the metrics of the initial weights in the folder of a run.

A session that resumes the run has other weights and cannot compute them again.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

from albert_tf import files
from albert_tf.errors import InputError
from albert_tf.tasks.encoded_examples import EncodedExamples

FILE = "initial.json"


def write(folder: Path, examples: EncodedExamples, metrics: dict[str, float]) -> None:
    """Writes the metrics of the initial weights on the examples."""
    values = {"examples": _digest(examples), "metrics": metrics}
    with files.replacing(folder / FILE) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read(folder: Path, examples: EncodedExamples) -> dict[str, float]:
    """Returns the metrics of an earlier session; none if there are none on these examples.

    Raises:
      InputError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    values = files.read_json(path, "The metrics of the initial weights")
    metrics = values.get("metrics")
    if not isinstance(metrics, dict) or not all(map(_is_number, metrics.values())):
        raise InputError(
            "The metrics of the initial weights must be numbers by name. Received "
            f"'{path}' with {metrics!r:.80}. Remove the file."
        )
    return metrics if values.get("examples") == _digest(examples) else {}


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _digest(examples: EncodedExamples) -> str:
    arrays = [*examples.ids, *(examples.labels[name] for name in sorted(examples.labels))]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
