"""Exports of less precision: makes the products, and compares their outputs with float32."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from albert_tf.data.text_lines import read_lines
from albert_tf.errors import InputError
from albert_tf.modeling import int8, precision
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.precision import FLOAT32, INT8, ReducedPrecision
from albert_tf.serving.shared_model import SharedModel
from albert_tf.serving.signatures import SAMPLES, TEXT_ENCODER
from albert_tf.tasks.predictor import Predictor
from albert_tf.tokenization.tokenizer import AlbertTokenizer

# The drift of int8 is about 0.03 on random weights, in twelve layers.
MAX_DRIFT = 0.1
_LEAST_SCORE = -1e9  # Scores of places that cannot be chosen are less.
_LONGEST = 128  # tokens of a text, for encoders.
_BATCH = 16


@dataclasses.dataclass(frozen=True)
class Settings:
    """The precision of an export.

    Attributes:
      precision: a name in `precision.PRECISIONS`.
      calibration: a file of texts to compare the outputs on: lines for an encoder; what
        `albert-tf predict` takes for a task, with labels or without. None for a few texts of ours.
      max_drift: the largest drift that is accepted.

    Raises:
      InputError: the precision is unknown, `max_drift` is not positive, or there are settings that
        float32 has no use for.
    """

    precision: str = FLOAT32
    calibration: str | None = None
    max_drift: float | None = None

    def __post_init__(self) -> None:
        precision.check(self.precision)
        for name in ("calibration", "max_drift"):
            if self.precision == FLOAT32 and getattr(self, name) is not None:
                raise InputError(
                    f"--{name} is for exports of less precision. Received it with --precision "
                    f"{FLOAT32}. Pass --precision int8, or remove the flag."
                )
        # Comparisons with NaN are false, so this form of the condition also rejects NaN.
        if self.max_drift is not None and not 0 < self.max_drift < math.inf:
            raise InputError(
                f"--max_drift must be a positive number. Received {self.max_drift}. Leave it out "
                f"for {MAX_DRIFT}."
            )


DEFAULTS = Settings()


class Comparison(NamedTuple):
    """The outputs with less precision, compared with those of float32.

    Attributes:
      rows: the number of texts.
      drift: the norm of the difference divided by the norm of the output in float32; the largest of
        all outputs.
      agreement: the share of the rows whose answers have the same labels, words or spans; None for
        an encoder.
      metrics: for labelled rows, the metrics in float32 and with less precision, by name.
    """

    rows: int
    drift: float
    agreement: float | None = None
    metrics: Mapping[str, tuple[float, float]] | None = None


def reduced(encoder: AlbertEncoder, settings: Settings) -> ReducedPrecision | None:
    """Returns the products for an encoder, or None for float32.

    Without products in int8 that are exact, float32 is exported, and a message says so.
    """
    if settings.precision == FLOAT32:
        return None
    if settings.precision == INT8 and not int8.is_exact():
        print(
            "note: this processor computes int8 products that are not exact, so the export is in "
            "float32"
        )
        return None
    return ReducedPrecision(encoder, settings.precision)


def of_encoder(model: SharedModel, tokenizer: AlbertTokenizer, settings: Settings) -> Comparison:
    """Compares the vectors of an encoder for the texts of the settings.

    Raises:
      InputError: the file has no texts, or the drift is too large.
    """
    texts = list(SAMPLES) if settings.calibration is None else _lines(settings.calibration)
    longest = min(_LONGEST, model.encoder.get_config()["max_sequence_length"])
    vectors: dict[bool, list[np.ndarray]] = {False: [], True: []}
    for start in range(0, len(texts), _BATCH):
        inputs = tokenizer(texts[start : start + _BATCH], max_length=longest, truncation=True)
        inputs = {name: tf.constant(inputs[name], tf.int32) for name in TEXT_ENCODER[:3]}
        for reduce, rows in vectors.items():
            outputs = model.encode(inputs, TEXT_ENCODER, real_tokens=True, reduce=reduce)
            rows.append(outputs["sequence_output"].numpy().ravel())
    drift = _drift(*(np.concatenate(vectors[reduce]) for reduce in (True, False)))
    return _accepted(Comparison(len(texts), drift), settings)


def of_task(
    predictor: Predictor,
    reduced: ReducedPrecision,
    settings: Settings,
    samples: Callable[[Callable[[str, str], Any]], Any],
    folder: Path,
) -> Comparison:
    """Compares the answers of a task to the rows of the settings.

    Args:
      predictor: the model in float32.
      reduced: its products of less precision.
      settings: the precision, and the file, if any.
      samples: calls a function with the extension and the content of files of our texts.
      folder: where such files are written.

    Raises:
      InputError: the file breaks a rule of its format or has no rows, or the drift is too large.
    """
    other = predictor.with_products(reduced)
    path = settings.calibration
    if path is not None:
        labelled = predictor.task.any_labelled(predictor.params(path))
        if not labelled:
            print(f"note: '{path}' has no labels, so metrics are not compared")
        return _accepted(_of_file(predictor, other, path, labelled), settings)
    comparisons = []

    def compare(ending: str, content: str) -> list[Mapping[str, Any]]:
        path = folder / f"calibration{len(comparisons)}{ending}"
        path.write_text(content, encoding="utf-8")
        comparisons.append(_of_file(predictor, other, str(path), labelled=False))
        return list(predictor(path))

    samples(compare)
    return _accepted(max(comparisons, key=lambda comparison: comparison.drift), settings)


def _of_file(predictor: Predictor, other: Predictor, path: str, labelled: bool) -> Comparison:
    task = predictor.task
    examples = task.read(predictor.params(path, _BATCH), labelled)
    if not len(examples):
        raise InputError(
            f"--calibration must have rows. Received '{path}', which has none. Pass a file of the "
            "kind that albert-tf predict takes."
        )
    outputs = [p.outputs(examples, _BATCH) for p in (predictor, other)]
    drift = 0.0
    for name in outputs[0]:
        expected, received = (np.concatenate([row.ravel() for row in o[name]]) for o in outputs)
        if expected.dtype.kind == "f":
            drift = max(drift, _drift(received, expected))
    answers = [[_names(answer) for answer in task.answers(examples, o)] for o in outputs]
    agreement = float(np.mean([a == b for a, b in zip(*answers)]))
    metrics = None
    if labelled:
        before, after = (task.evaluate(examples, o) for o in outputs)
        # Others, such as baselines, do not depend on the precision.
        names = [n for n in before if n == task.metric or before[n] != after.get(n)]
        metrics = {name: (before[name], after[name]) for name in names if name in after} or None
    return Comparison(len(examples), drift, agreement, metrics)


def _lines(path: str) -> list[str]:
    texts = [line for line in read_lines(Path(path)) if line.strip()]
    if not texts:
        raise InputError(
            f"--calibration must have texts, one in each line. Received '{path}', which has none. "
            "Pass a file with texts like those that the model will read."
        )
    return texts


def _drift(received: np.ndarray, expected: np.ndarray) -> float:
    received, expected = (np.maximum(x, _LEAST_SCORE).astype(float) for x in (received, expected))
    norm = np.linalg.norm(expected)
    return float(np.linalg.norm(received - expected) / norm) if norm else 0.0


def _names(value: Any) -> Any:
    """Returns an answer without its numbers with a fraction, which always differ a little."""
    if isinstance(value, Mapping):
        return {name: _names(part) for name, part in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [_names(part) for part in value]
    return None if isinstance(value, (float, np.floating)) else value


def _accepted(comparison: Comparison, settings: Settings) -> Comparison:
    """Returns the comparison after printing it; raises `InputError` if its drift is too large."""
    print(f"{settings.precision} compared with float32: {describe(comparison._asdict())}")
    most = settings.max_drift or MAX_DRIFT
    if not comparison.drift <= most:
        raise InputError(
            f"The outputs with --precision {settings.precision} must be close to those in float32, "
            f"with a drift of at most {most:g}. Received {comparison.drift:.2g} on "
            f"{comparison.rows:,} texts. Export float32, or accept it with --max_drift."
        )
    return comparison


def describe(comparison: Mapping[str, Any]) -> str:
    """Returns one line on a comparison, given its fields by name."""
    parts = [f"relative drift {comparison['drift']:.1e} on {comparison['rows']:,} texts"]
    if comparison.get("agreement") is not None:
        parts.append(f"{comparison['agreement']:.1%} of the answers are the same")
    for name, (before, after) in (comparison.get("metrics") or {}).items():
        parts.append(f"{name} {after:.4f} instead of {before:.4f}")
    return ", ".join(parts)
