"""Exports LiteRT models for devices and CPUs: reads a model, writes model.tflite, compares the two.

The model uses only built-in LiteRT operations, so it takes token ids rather than text (see
`NO_TEXT`). The vocabulary is written to the same folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow.lite.python.convert_phase import ConverterError

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.files import check_new_directory, new_directory
from albert_tf.formats.source import Source
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.serving.signatures import ENCODER, IDS, TEXT_ENCODER, Spec
from albert_tf.tasks import starting_point
from albert_tf.tokenization.tokenizer import AlbertTokenizer

from . import manifest, model_card, task_model, writer
from .task_model import DEFAULTS, Settings
from .verify import TOLERANCE, VerificationError

KIND = "lite"
NAME = "model.tflite"
# float16 halves the file size and int8 quarters it; the resulting error is measured and reported.
# int8 means dynamic-range quantisation: weights per channel, activations per row at run time.
# Static quantisation of activations is not offered, because its error is several times as large
# and it is slower as well (benchmarks/quantisation.py).
PRECISIONS = {"float32": 4, "float16": 2, "int8": 1}  # Bytes of a weight.
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
      call: takes ids, mask and type ids, and returns outputs by name.
      config: the config of the encoder.
      outputs: the outputs, where B is 1.
      kind: the kind of the task; "encoder" if there is none.
      labels: the labels of the task, if it has any.
      input: each input, where B is 1.
      facts: see `ServedTask`.
    """

    model: Any
    call: Callable[..., dict[str, tf.Tensor]]
    config: AlbertConfig
    outputs: Mapping[str, Spec]
    kind: str = "encoder"
    labels: tuple[str, ...] = ()
    input: Spec = IDS
    facts: Mapping[str, Any] = {}


def of_encoder(encoder: AlbertEncoder, config: AlbertConfig) -> LiteSource:
    """Returns a `LiteSource` for an encoder that is already in memory."""
    names = ENCODER["tokens"].outputs

    def encode(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = encoder(list(inputs))
        return {name: outputs[name] for name in names}

    return LiteSource(encoder, encode, config, names)


def of_task(exported: task_model.TaskSource) -> LiteSource:
    """Returns a `LiteSource` for the signature `tokens` of a task, without outputs that are text.

    Raises:
      InputError: all outputs are text.
    """
    task = exported.task.whole()
    if task is not exported.task:
        print("early exit: left out, as all layers of a LiteRT model compute all rows")
    tokens = task.table["tokens"]
    names = {name: spec for name, spec in tokens.outputs.items() if spec.dtype != tf.string}
    if not names:
        raise InputError(
            "A LiteRT model must have an output of numbers. Received a model for "
            f"{task.kind} with the outputs {', '.join(tokens.outputs)}, which are text. Use "
            "`albert-tf export task`."
        )
    # LiteRT has no operations for it, and rows of a batch of one have no padding.
    getattr(task.model, "encoder", task.model).remove_padding = False

    def call(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        answers = task.answer_ids(*inputs)
        return {name: answers[name] for name in names}

    first = next(iter(tokens.inputs.values()))
    labels, facts = exported.labels, task.facts
    return LiteSource(task.model, call, exported.config, names, task.kind, labels, first, facts)


def export(
    source: str | os.PathLike | Source,
    dest: str | os.PathLike,
    precision: str = "float32",
    seq_length: int | None = None,
    settings: Settings = DEFAULTS,
    license: str = model_card.AS_SOURCE,
) -> Path:
    """Writes the task of `source` for LiteRT; the encoder if it was not fine-tuned.

    The inputs are `input_word_ids`, `input_mask` and `input_type_ids`, int32 [1, S], or [1, C, S]
    for C choices. The outputs are those of the signature `tokens` of `albert-tf export task`,
    except for text; or `pooled_output` [1, H] and `sequence_output` [1, S, H] of an encoder.

    Args:
      source: any model that `albert_tf.formats.load.load` accepts, or its result.
      dest: the folder to create; it must be new or empty.
      precision: the precision of the weights: "float32", "float16" or "int8". With "int8", XNNPACK
        multiplies int8 by int8 and quantises each row of activations at run time (dynamic range).
      seq_length: a fixed S; None lets the application set it (`resize_tensor_input`).
      settings: `pooling` exports embeddings, and `top_k` the masked language model, also of a
        model that was not fine-tuned.
      license: the licence of the weights, for the manifest.

    Returns:
      `dest`.

    Raises:
      InputError: `dest` is not empty, `source` cannot be read, an argument is invalid, or LiteRT
        lacks an operation of the task. Raised before `dest` is written.
      VerificationError: an output is NaN or, in float32, differs from that of the source.
    """
    check_new_directory(dest, writer.WHAT)
    if precision not in PRECISIONS:
        raise InputError(
            f"--precision must be one of {tuple(PRECISIONS)}. Received {precision!r}. "
            f"{closest(precision, PRECISIONS)}"
        )
    loaded = writer.read(source)
    longest = loaded.config.max_position_embeddings
    if seq_length is not None and not 3 <= seq_length <= longest:
        raise InputError(
            "The sequence length must leave room for text and fit the position table, so it must "
            f"be between 3 and {longest}. Received --seq_length {seq_length}."
        )
    if loaded.task is None and settings == DEFAULTS:
        encoder = AlbertEncoder.from_pretrained(loaded)
        chosen, tokenizer = of_encoder(encoder, loaded.config), starting_point.tokenizer_of(loaded)
    else:
        exported = task_model.read(loaded, settings)
        chosen, tokenizer = of_task(exported), exported.tokenizer
    origin = manifest.origin(loaded)
    drift = write(chosen, tokenizer, dest, precision, seq_length, license, origin)
    outputs = ", ".join(f"{name} {spec}" for name, spec in chosen.outputs.items())
    print(f"exported: {chosen.kind}, with the outputs {outputs} (B is 1)")
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
    license: str = model_card.AS_SOURCE,
    origin: Mapping[str, Any] | None = None,
) -> Drift:
    """Writes a model that is already in memory and returns its drift; see `export`.

    `origin` is the result of `manifest.origin`, if there is one.
    """
    size = writer.size(source.model.variables) // 4 * PRECISIONS[precision]
    with new_directory(dest, writer.WHAT, size) as folder:
        with writer.step("converting"):
            (folder / NAME).write_bytes(_convert(source, precision, seq_length))
        mask_id = tokenizer.special_ids.mask
        with writer.step("comparing with the source"):
            drift = _compare(folder / NAME, source, precision, seq_length, mask_id)
        writer.write_assets(folder, tokenizer, source.config)
        description = {
            "kind": KIND,
            "task": source.kind,
            "outputs": {name: str(spec) for name, spec in source.outputs.items()},
            "precision": precision,
            "seq_length": seq_length,
            "labels": list(source.labels),
            **source.facts,
            "config": source.config.to_dict(),
            "largest_difference": drift.largest,
            "relative_difference": drift.relative,
            "license": license,
            **(origin or {}),
        }
        card = model_card.lite(description, source.input.axes)
        (folder / model_card.NAME).write_text(card, encoding="utf-8")
        manifest.write_files(folder, description)
    return drift


def converter(source: LiteSource, seq_length: int | None) -> tf.lite.TFLiteConverter:
    """Returns a converter for a model, set to float32."""
    shape = [1, *[None] * (len(source.input.axes) - 2), seq_length]
    specs = [tf.TensorSpec(shape, tf.int32, name=name) for name in TEXT_ENCODER[:3]]
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
    try:
        return chosen.convert()
    except ConverterError as error:
        raise InputError(
            "A LiteRT model can use only built-in operations. Received a model for "
            f"{source.kind}, which needs others: {_missing(str(error))}. Use `albert-tf export "
            "task`."
        ) from error


def _missing(message: str) -> str:
    """Returns the operations that a converter names in its message."""
    names = sorted(set(re.findall(r"'?tf\.(\w+)'? op is neither", message)))
    return ", ".join(names) or message.strip().partition("\n")[0]


def _compare(
    path: Path, source: LiteSource, precision: str, seq_length: int | None, mask_id: int
) -> Drift:
    """Returns the drift over rows of several lengths.

    Outputs of whole numbers follow from the others, such as an index from its probability, and a
    small error can change them, so they are not compared.
    """
    run = Interpreter(str(path)).get_signature_runner()
    rng, drift = np.random.default_rng(0), Drift(0.0, 0.0)
    longest = source.config.max_position_embeddings
    for length in [seq_length] * 2 if seq_length else [3, min(64, longest), min(7, longest)]:
        inputs = dict(zip(TEXT_ENCODER, _row(source, length, mask_id, rng)))
        expected = source.call(*map(tf.constant, inputs.values()))
        for name, value in run(**inputs).items():
            if not source.outputs[name].dtype.is_floating:
                continue
            # Scores of places that cannot be chosen are -1e30 and less.
            current = drift_of(*(np.maximum(x, -1e9) for x in (value, expected[name].numpy())))
            # Comparisons with NaN are false, so this form of the condition also rejects NaN.
            if not current.largest <= (TOLERANCE if precision == "float32" else np.inf):
                raise VerificationError(
                    "Outputs of a LiteRT model must not differ from its source by more than "
                    f"{TOLERANCE:.0e}. Received {name!r} with a difference of "
                    f"{current.largest:.1e} at sequence length {length}."
                )
            drift = Drift(*map(max, drift, current))
    return drift


def _row(
    source: LiteSource, length: int, mask_id: int, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Returns random ids, one of them [MASK], and a mask and types for them."""
    sizes = [1, *[3] * (len(source.input.axes) - 2), length]
    ids = rng.integers(0, source.config.vocab_size, sizes, np.int32)
    ids[..., 1] = mask_id
    mask = np.arange(length) < rng.integers(2, length + 1, [*sizes[:-1], 1])
    types = mask & (np.arange(length) > length // 2) & (source.config.type_vocab_size > 1)
    return ids, mask.astype(np.int32), types.astype(np.int32)


def drift_of(received: np.ndarray, expected: np.ndarray) -> Drift:
    """Returns the drift of one output."""
    difference = received - expected
    relative = np.linalg.norm(difference) / np.linalg.norm(expected)
    return Drift(float(np.max(np.abs(difference))), float(relative))
