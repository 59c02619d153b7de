"""LiteRT models for devices and CPUs: reads a model, writes model.tflite, compares the two.

Only built-in operations of LiteRT are used, so text stays outside (`NO_TEXT`). The vocabulary lies
beside the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.files import check_new_directory, new_directory
from albert_tf.formats import load
from albert_tf.formats.source import Source
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.serving.signatures import IDS, TEXT_ENCODER
from albert_tf.tasks import starting_point
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tokenization.tokenizer import AlbertTokenizer

from . import manifest, writer
from .verify import TOLERANCE, VerificationError

KIND = "lite"
NAME = "model.tflite"
# float16 halves the file, int8 quarters it; what that costs is measured and reported. int8 is
# dynamic range: weights by channel, activations row by row as they come. Ranges of activations that
# are fixed beforehand drift several times as far and are slower too (benchmarks/quantisation.py):
# no option.
PRECISIONS = ("float32", "float16", "int8")
NO_TEXT = (
    "A LiteRT model must run on built-in operations, which Python's interpreters have and no "
    "others. Received --text. SentencePiece inside a graph is an operation of tf.text "
    "(FastSentencepieceTokenize), and its rules are string operations of TensorFlow (select ops). "
    "Such a file converts, but the interpreters of tensorflow 2.20 and ai-edge-litert answer "
    '"Select TensorFlow op(s), included in the given model, is(are) not supported by this '
    'interpreter", as their wheels lack the Flex delegate; nothing could be compared. Leave --text '
    "out, and tokenize in the program by the vocabulary that lies in DEST; or use `albert-tf "
    "export task`, which takes text."
)


class Drift(NamedTuple):
    """How far outputs are from those of the source, over all outputs.

    Attributes:
      largest: absolute difference.
      relative: norm of the differences of an output over the norm of that output, the largest.
    """

    largest: float
    relative: float


class LiteSource(NamedTuple):
    """What is exported.

    Attributes:
      model: the Keras model, whose variables are frozen into the file.
      call: takes ids, mask and types, int32 [1, S] each, and gives outputs by name.
      config: of the encoder.
      labels: names of a classifier's outputs.
    """

    model: Any
    call: Callable[..., dict[str, tf.Tensor]]
    config: AlbertConfig
    labels: tuple[str, ...]


def of_model(loaded: Source) -> LiteSource:
    """Returns the classifier of a model where it has one, else its encoder."""
    task = loaded.task.task if loaded.task else None
    if task not in ("classification", "regression"):
        return of_encoder(AlbertEncoder.from_pretrained(loaded.path), loaded.config)
    model = AlbertClassifier.from_source(loaded, allow_partial=False)

    def call(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = model(dict(zip(TEXT_ENCODER, inputs)))
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    return LiteSource(model, call, loaded.config, loaded.task.labels)


def of_encoder(encoder: AlbertEncoder, config: AlbertConfig) -> LiteSource:
    """Returns an encoder that is in memory."""

    def encode(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = encoder(list(inputs))
        return {name: outputs[name] for name in ("pooled_output", "sequence_output")}

    return LiteSource(encoder, encode, config, ())


def export(
    source: str | os.PathLike,
    dest: str | os.PathLike,
    precision: str = "float32",
    seq_length: int | None = None,
) -> Path:
    """Writes the encoder of `source`, or its classifier where it has one, for LiteRT.

    Inputs are `input_word_ids`, `input_mask` and `input_type_ids`, int32 [1, S]; outputs are
    `pooled_output` [1, H] and `sequence_output` [1, S, H], or `logits` and `probabilities` [1, C].

    Args:
      source: any model that `albert_tf.formats.load.load` reads.
      dest: the folder to make; new, or empty.
      precision: of the weights: "float32", "float16", or "int8", where XNNPACK multiplies int8 by
        int8, each row of activations quantised as it comes (dynamic range).
      seq_length: S, fixed; None lets the program choose it (`resize_tensor_input`).

    Returns:
      `dest`.

    Raises:
      InputError: `dest` holds something, `source` cannot be read, or an argument breaks a rule;
        before anything is written.
      VerificationError: the file gives NaN or, in float32, not the numbers of its source.
    """
    check_new_directory(dest, writer.WHAT)
    if precision not in PRECISIONS:
        raise InputError(
            f"A precision must be known. Received {precision!r}. {closest(precision, PRECISIONS)}"
        )
    loaded = load.load(source)
    longest = loaded.config.max_position_embeddings
    if seq_length is not None and not 3 <= seq_length <= longest:
        raise InputError(
            "The length must have room for a text and not exceed the position table, 3 to "
            f"{longest} here. Received --seq_length {seq_length}."
        )
    tokenizer = starting_point.tokenizer_of(loaded)
    drift = write(of_model(loaded), tokenizer, dest, precision, seq_length)
    print(
        f"difference of {precision} from the source: at most {drift.largest:.1e}, "
        f"relative {drift.relative:.1e}"
    )
    return Path(dest)


def write(
    source: LiteSource,
    tokenizer: AlbertTokenizer,
    dest: str | os.PathLike,
    precision: str = "float32",
    seq_length: int | None = None,
) -> Drift:
    """Writes a model that is in memory, and returns its drift; see `export`."""
    with new_directory(dest, writer.WHAT) as folder:
        (folder / NAME).write_bytes(_convert(source, precision, seq_length))
        drift = _compare(folder / NAME, source, precision, seq_length)
        writer.write_assets(folder, tokenizer, source.config)
        description = {
            "kind": KIND,
            "precision": precision,
            "seq_length": seq_length,
            "labels": list(source.labels),
            "config": source.config.to_dict(),
            "largest_difference": drift.largest,
            "relative_difference": drift.relative,
        }
        manifest.write_files(folder, description)
    return drift


def converter(source: LiteSource, seq_length: int | None) -> tf.lite.TFLiteConverter:
    """Returns a converter of a model to float32."""
    specs = [tf.TensorSpec([1, seq_length], IDS.dtype, name=name) for name in TEXT_ENCODER[:3]]
    function = tf.function(source.call, input_signature=specs, autograph=False)
    module = tf.Module()
    module.held = list(source.model.variables)
    return tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], module
    )


def _convert(source: LiteSource, precision: str, seq_length: int | None) -> bytes:
    chosen = converter(source, seq_length)
    if precision != "float32":
        chosen.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        chosen.target_spec.supported_types = [tf.float16]
    return chosen.convert()


def _compare(path: Path, source: LiteSource, precision: str, seq_length: int | None) -> Drift:
    """Returns the drift over rows of several lengths."""
    run = Interpreter(str(path)).get_signature_runner()
    rng, drift = np.random.default_rng(0), Drift(0.0, 0.0)
    longest = source.config.max_position_embeddings
    for length in [seq_length] * 2 if seq_length else [3, min(64, longest), min(7, longest)]:
        ids = rng.integers(0, source.config.vocab_size, [1, length], np.int32)
        mask = (np.arange(length) < max(2, rng.integers(length))).astype(np.int32)[np.newaxis]
        inputs = dict(zip(TEXT_ENCODER, (ids, mask, np.zeros_like(ids))))
        expected = source.call(*map(tf.constant, inputs.values()))
        for name, value in run(**inputs).items():
            found = drift_of(value, expected[name].numpy())
            # Negated, so that NaN fails.
            if not found.largest <= (TOLERANCE if precision == "float32" else np.inf):
                raise VerificationError(
                    f"A LiteRT model must give the numbers of its source to {TOLERANCE:.0e}. "
                    f"Received {name!r}, off by {found.largest:.1e} at length {length}."
                )
            drift = Drift(*map(max, drift, found))
    return drift


def drift_of(found: np.ndarray, expected: np.ndarray) -> Drift:
    """Returns the drift of one output."""
    difference = found - expected
    relative = np.linalg.norm(difference) / np.linalg.norm(expected)
    return Drift(float(np.max(np.abs(difference))), float(relative))
