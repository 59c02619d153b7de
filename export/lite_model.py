"""LiteRT models for devices: reads a model, writes model.tflite, compares it with its source.

Only built-in operations of LiteRT are used, so text stays outside: SentencePiece is none of them,
and an app would have to link TensorFlow's kernels and tf.text's. The vocabulary lies beside it.
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
from albert_tf.convert import load
from albert_tf.errors import InputError, closest
from albert_tf.files import check_new_directory, new_directory
from albert_tf.modeling.classifier import AlbertClassifier
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.serving.signatures import IDS, TEXT_ENCODER
from albert_tf.tasks import starting_point

from . import assets, manifest, writer
from .verify import TOLERANCE, VerificationError

KIND = "lite"
NAME = "model.tflite"
# Weights in float16 or int8 halve or quarter the file; what that costs is measured and reported.
PRECISIONS = ("float32", "float16", "int8")

Call = Callable[..., dict[str, tf.Tensor]]


class Source(NamedTuple):
    """What is exported.

    Attributes:
      model: the Keras model, whose variables are frozen into the file.
      call: takes ids, mask and types, int32 [1, S] each, and gives outputs by name.
      config: of the encoder.
      labels: names of a classifier's outputs.
    """

    model: Any
    call: Call
    config: AlbertConfig
    labels: tuple[str, ...]


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
      source: any model that `albert_tf.convert.load.load` reads.
      dest: the folder to make; new, or empty.
      precision: of the weights: "float32", "float16", or "int8" with activations in float32
        (dynamic range).
      seq_length: S, fixed, which devices run fastest; None lets the program choose it
        (`resize_tensor_input`).

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
    found = _source(loaded)
    with new_directory(dest, writer.WHAT) as folder:
        (folder / NAME).write_bytes(_convert(found, precision, seq_length))
        difference = _compare(folder / NAME, found, precision, seq_length)
        assets.write(folder, tokenizer, found.config)
        description = {
            "kind": KIND,
            "precision": precision,
            "seq_length": seq_length,
            "labels": list(found.labels),
            "config": found.config.to_dict(),
            "largest_difference": difference,
        }
        manifest.write_files(folder, description)
    print(f"largest difference of {precision} from the source: {difference:.1e}")
    return Path(dest)


def _source(loaded: load.Source) -> Source:
    task = loaded.task.task if loaded.task else None
    if task in ("classification", "regression"):
        model = AlbertClassifier.from_source(loaded, allow_partial=False)

        def call(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            logits = model(dict(zip(TEXT_ENCODER, inputs)))
            return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

        return Source(model, call, loaded.config, loaded.task.labels)
    encoder = AlbertEncoder.from_pretrained(loaded.path)

    def encode(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = encoder(list(inputs))
        return {name: outputs[name] for name in ("pooled_output", "sequence_output")}

    return Source(encoder, encode, loaded.config, ())


def _convert(source: Source, precision: str, seq_length: int | None) -> bytes:
    specs = [tf.TensorSpec([1, seq_length], IDS.dtype, name=name) for name in TEXT_ENCODER[:3]]
    function = tf.function(source.call, input_signature=specs, autograph=False)
    module = tf.Module()
    module.held = list(source.model.variables)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], module
    )
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def _compare(path: Path, source: Source, precision: str, seq_length: int | None) -> float:
    """Returns the largest difference from the source over rows of several lengths."""
    run = Interpreter(str(path)).get_signature_runner()
    rng, largest = np.random.default_rng(0), 0.0
    longest = source.config.max_position_embeddings
    for length in [seq_length] * 2 if seq_length else [3, min(64, longest), min(7, longest)]:
        ids = rng.integers(0, source.config.vocab_size, [1, length], np.int32)
        mask = (np.arange(length) < max(2, rng.integers(length))).astype(np.int32)[np.newaxis]
        inputs = dict(zip(TEXT_ENCODER, (ids, mask, np.zeros_like(ids))))
        expected = source.call(*map(tf.constant, inputs.values()))
        for name, value in run(**inputs).items():
            difference = float(np.max(np.abs(value - expected[name].numpy())))
            # Negated, so that NaN fails.
            if not difference <= (TOLERANCE if precision == "float32" else np.inf):
                raise VerificationError(
                    f"A LiteRT model must give the numbers of its source to {TOLERANCE:.0e}. "
                    f"Received {name!r}, off by {difference:.1e} at length {length}."
                )
            largest = max(largest, difference)
    return largest
