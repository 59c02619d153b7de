"""Exports LiteRT models for devices and CPUs: reads a model, writes model.tflite, compares the two.

The model uses only built-in LiteRT operations, so it takes token ids rather than text (see
`NO_TEXT`). The vocabulary is written to the same folder.
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
# float16 halves the file size and int8 quarters it; the resulting error is measured and reported.
# int8 means dynamic-range quantisation: weights per channel, activations per row at run time.
# Static quantisation of activations is not offered, because its error is several times as large
# and it is slower as well (benchmarks/quantisation.py).
PRECISIONS = ("float32", "float16", "int8")
NO_TEXT = (
    "A LiteRT model can use only built-in operations, because the Python interpreters support no "
    "others. Received --text. Tokenizing in the graph requires a tf.text operation "
    "(FastSentencepieceTokenize) and TensorFlow string operations (select ops). A model with them "
    "can be converted, but the interpreters of tensorflow 2.20 and ai-edge-litert reject it with "
    '"Select TensorFlow op(s), included in the given model, is(are) not supported by this '
    'interpreter", because their wheels lack the Flex delegate, so it could not be verified. '
    "Remove --text and tokenize in the application with the vocabulary in DEST, or use `albert-tf "
    "export task`, which takes text."
)


class Drift(NamedTuple):
    """The difference between the outputs of a model and those of its source.

    Attributes:
      largest: the largest absolute difference in any output.
      relative: the largest relative difference of an output, which is the norm of the difference
        divided by the norm of the expected output.
    """

    largest: float
    relative: float


class LiteSource(NamedTuple):
    """The model to export.

    Attributes:
      model: the Keras model, whose variables become constants in the file.
      call: takes ids, mask and type ids, int32 [1, S] each, and returns outputs by name.
      config: the config of the encoder.
      labels: the labels of a classifier.
    """

    model: Any
    call: Callable[..., dict[str, tf.Tensor]]
    config: AlbertConfig
    labels: tuple[str, ...]


def of_model(loaded: Source) -> LiteSource:
    """Returns the classifier of a model if it has one, otherwise its encoder."""
    task = loaded.task.task if loaded.task else None
    if task not in ("classification", "regression"):
        return of_encoder(AlbertEncoder.from_pretrained(loaded), loaded.config)
    model = AlbertClassifier.from_source(loaded, allow_partial=False)

    def call(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = model(dict(zip(TEXT_ENCODER, inputs)))
        return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

    return LiteSource(model, call, loaded.config, loaded.task.labels)


def of_encoder(encoder: AlbertEncoder, config: AlbertConfig) -> LiteSource:
    """Returns a `LiteSource` for an encoder that is already in memory."""

    def encode(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = encoder(list(inputs))
        return {name: outputs[name] for name in ("pooled_output", "sequence_output")}

    return LiteSource(encoder, encode, config, ())


def export(
    source: str | os.PathLike | Source,
    dest: str | os.PathLike,
    precision: str = "float32",
    seq_length: int | None = None,
) -> Path:
    """Writes the classifier of `source` if it has one, otherwise its encoder, for LiteRT.

    The inputs are `input_word_ids`, `input_mask` and `input_type_ids`, int32 [1, S]. The outputs
    are `pooled_output` [1, H] and `sequence_output` [1, S, H] for an encoder, or `logits` and
    `probabilities` [1, C] for a classifier.

    Args:
      source: any model that `albert_tf.formats.load.load` accepts, or its result.
      dest: the folder to create; it must be new or empty.
      precision: the precision of the weights: "float32", "float16" or "int8". With "int8", XNNPACK
        multiplies int8 by int8 and quantises each row of activations at run time (dynamic range).
      seq_length: a fixed S; None lets the application set it (`resize_tensor_input`).

    Returns:
      `dest`.

    Raises:
      InputError: `dest` is not empty, `source` cannot be read, or an argument is invalid. Raised
        before anything is written.
      VerificationError: an output is NaN or, in float32, differs from that of the source.
    """
    check_new_directory(dest, writer.WHAT)
    if precision not in PRECISIONS:
        raise InputError(
            f"--precision must be one of {PRECISIONS}. Received {precision!r}. "
            f"{closest(precision, PRECISIONS)}"
        )
    loaded = writer.read(source)
    longest = loaded.config.max_position_embeddings
    if seq_length is not None and not 3 <= seq_length <= longest:
        raise InputError(
            "The sequence length must leave room for text and fit the position table, so it must "
            f"be between 3 and {longest}. Received --seq_length {seq_length}."
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
    """Writes a model that is already in memory and returns its drift; see `export`."""
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
    """Returns a converter for a model, set to float32."""
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
            current = drift_of(value, expected[name].numpy())
            # Comparisons with NaN are false, so this form of the condition also rejects NaN.
            if not current.largest <= (TOLERANCE if precision == "float32" else np.inf):
                raise VerificationError(
                    "Outputs of a LiteRT model must not differ from its source by more than "
                    f"{TOLERANCE:.0e}. Received {name!r} with a difference of "
                    f"{current.largest:.1e} at sequence length {length}."
                )
            drift = Drift(*map(max, drift, current))
    return drift


def drift_of(received: np.ndarray, expected: np.ndarray) -> Drift:
    """Returns the drift of one output."""
    difference = received - expected
    relative = np.linalg.norm(difference) / np.linalg.norm(expected)
    return Drift(float(np.max(np.abs(difference))), float(relative))
