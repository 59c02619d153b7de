"""Loads weights of any format into a model, and saves a model: `from_pretrained`, `assign`, `save`.

`assign` is strict: each weight must have a variable, and each variable must have a weight.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
import tf_keras
from absl import logging

from albert_tf import files
from albert_tf.config import ENCODER_ARGUMENTS, LAYER_NORM_EPSILON, AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats import checkpoint, names, resize
from albert_tf.formats.load import load
from albert_tf.formats.mapping import shortened
from albert_tf.formats.source import Source, Stored, Weights
from albert_tf.task_types import TaskDescription
from albert_tf.tokenization.tokenizer import AlbertTokenizer

Model = TypeVar("Model")
# Encoder arguments that change the outputs but no shape, with their names in the config.
_UNSHAPED = {
    "num_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "activation": "hidden_act",
}


def from_pretrained(
    build: Callable[..., Model],
    path_or_handle: str | os.PathLike | Source,
    config: AlbertConfig | None,
    allow_partial: bool,
    max_position_embeddings: int | None = None,
    positions: str = resize.POSITIONS[0],
    **kwargs: Any,
) -> Model:
    """Returns `build(config, **kwargs)` with the weights of a released, converted or trained model.

    Args:
      build: takes the config and returns the model.
      path_or_handle: anything that `load` takes, or its result.
      config: replaces the saved config; needed for folders without one.
      allow_partial: whether to load weights and model that do not match completely.
      max_position_embeddings: the length of the longest sequence of the model, if it is to read
        longer ones than the saved model.
      positions: how the position table becomes longer: "repeated", the default because it keeps the
        outputs of texts that the saved model can read, or "interpolated".
      **kwargs: further arguments of `build`.

    Raises:
      InputError: see `load`, `resize.with_positions` and `assign`.
    """
    source = resize.with_positions(load(path_or_handle, config), max_position_embeddings, positions)
    if not allow_partial:
        check_stored(source)
    model = build(source.config, **kwargs)
    assign(model, source, allow_partial=allow_partial)
    return model


def save(
    model: tf_keras.layers.Layer,
    folder: str | os.PathLike,
    config: AlbertConfig,
    task: TaskDescription | None = None,
    tokenizer: AlbertTokenizer | None = None,
) -> None:
    """Saves a model in a new folder, in the format "checkpoint".

    Args:
      model: as for `assign`.
      folder: the folder to create; it must be new or empty.
      config: the config of the encoder.
      task: the task of a task model.
      tokenizer: the tokenizer that the model was trained with. Without one, `Predictor` and
        exports of the folder need a vocabulary from elsewhere.

    Raises:
      InputError: the folder is not empty, the disk has not enough room, or the tokenizer has more
        pieces than the model has ids. Raised before anything is written.
    """
    if tokenizer is not None and tokenizer.vocab_size > config.vocab_size:
        raise InputError(
            "A tokenizer must not have more pieces than the model has ids. Received "
            f"{tokenizer.vocab_size} pieces for a model with vocab_size={config.vocab_size}. Pass "
            "the tokenizer that the model was trained with."
        )
    variables = _variables(model, config, task)
    norms = _norms(model, config, task)
    source = Source(
        format=checkpoint.NAME,
        path=Path(folder),
        config=config,
        weights=Weights(
            {
                name: Stored(tuple(variable.shape), functools.partial(_value, variable))
                for name, variable in variables.items()
            }
        ),
        epsilon={name.partition("/")[0]: layer.epsilon for name, layer in norms.items()},
        task=task,
    )
    what = "The folder of a saved model"
    with files.new_directory(folder, what, source.weights.size) as temporary:
        checkpoint.write(source, temporary)
        if tokenizer is not None:
            tokenizer.save(temporary)


def config_of(encoder: tf_keras.layers.Layer) -> AlbertConfig:
    """Returns the config of an `AlbertEncoder`.

    Raises:
      InputError: the encoder has options that a config cannot store.
    """
    arguments = encoder.get_config()
    stored = {field: arguments[name] for name, field in ENCODER_ARGUMENTS.items()}
    if arguments["norm_first"] or not isinstance(stored["hidden_act"], str):
        raise InputError(
            "A saved encoder must have a named activation and norm_first=False. Received "
            f"activation={stored['hidden_act']!r}, norm_first={arguments['norm_first']}. Save it "
            "in the Keras format instead: model.save('model.keras')."
        )
    deviation = arguments["initializer"]["config"].get("stddev", 0.02)
    return AlbertConfig(**stored, initializer_range=deviation)


def _value(variable: tf.Variable) -> np.ndarray:
    return variable.numpy().astype(np.float32)


def check_stored(source: Source) -> None:
    """Checks that the encoder is stored before memory is taken for a model of its config.

    Raises:
      InputError: a weight of the encoder other than the pooler is missing.
    """
    missing = [
        name
        for name, part in source.parts.items()
        if part == "encoder" and name not in source.weights and "/pooler/" not in name
    ]
    if missing:
        raise _mismatch(source, source.unread, tuple(missing))


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of `assign`.

    Attributes:
      assigned: the weights that were assigned, by our names.
      left: weights of heads that the source has and the model lacks.
      unset: variables of the model for which the source has no weight.
      unread: names in the source that the table of names does not contain.
      skipped: the number of entries that are not weights of the model, by kind.
      notes: the notes of the source.
    """

    assigned: tuple[str, ...]
    left: tuple[str, ...]
    unset: tuple[str, ...]
    unread: tuple[str, ...]
    skipped: dict[str, int]
    notes: tuple[str, ...]


def assign(model: tf_keras.layers.Layer, source: Source, allow_partial: bool = False) -> Report:
    """Sets the variables of `model` from `source`.

    Args:
      model: an `AlbertEncoder`, or a model with an `AlbertEncoder` as `encoder` and with heads
        named `masked_lm`, `sentence_order` and `head`. It is not an error if the source has heads
        that the model lacks, or if it lacks a pooler that the model does not train.
      source: the result of `load`.
      allow_partial: whether to assign the weights that match, instead of raising an error, if
        weights are unused or variables are not initialised.

    Raises:
      InputError: a weight of the source is unused, a variable of the model is not initialised, or
        the sizes of the model and the source differ. In these cases no variable is changed.
    """
    targets = _variables(model, source.config, source.task)
    if not allow_partial:
        _check_unshaped(model, source)
    set_variables = {id(variable) for variable in targets.values()}
    others = [v.name for v in model.variables if id(v) not in set_variables]
    unused = _unused(model)
    report = Report(
        assigned=tuple(name for name in source.weights if name in targets),
        left=tuple(name for name in source.weights if name not in targets),
        unset=tuple(
            [n for n, v in targets.items() if n not in source.weights and id(v) not in unused]
            + others
        ),
        unread=source.unread,
        skipped=dict(source.skipped),
        notes=source.notes,
    )
    if (report.unset or report.unread) and not allow_partial:
        raise _mismatch(source, report.unread, report.unset)
    _check_shapes(targets, source, report.assigned)
    for name in report.assigned:
        value = source.weights[name]
        if not np.all(np.isfinite(value)):
            raise InputError(
                f"Weights must be finite. Received NaN or infinity in {name} of '{source.path}'. "
                "Training diverged before it was saved; use an earlier checkpoint."
            )
        targets[name].assign(value)
    for name, layer in _norms(model, source.config, source.task).items():
        layer.epsilon = source.epsilon.get(name.partition("/")[0], LAYER_NORM_EPSILON)
    for note in report.notes:
        logging.info("%s: %s", source.path, note)
    return report


def _mismatch(source: Source, unread: tuple[str, ...], unset: tuple[str, ...]) -> InputError:
    return InputError(
        f"Weights and model do not match: {_listed('weight', 'unused', unread)}, "
        f"{_listed('variable', 'not initialised', unset)}. Received "
        f"'{source.path}' ({source.format}). Pass allow_partial (--allow_partial) to load the "
        "matching weights only; variables that are not initialised keep their random values."
    )


def _listed(noun: str, state: str, items: tuple[str, ...]) -> str:
    """Returns text such as "2 weights unused (a, b)"."""
    plural = "" if len(items) == 1 else "s"
    return f"{len(items)} {noun}{plural} {state}" + (f" ({shortened(items)})" if items else "")


def _root(model: tf_keras.layers.Layer) -> dict[str, Any]:
    if not hasattr(model, "encoder"):  # It is the encoder.
        return {"encoder": model}
    parts = ("encoder", *names.HEADS, names.TASK_HEAD)
    return {part: getattr(model, part) for part in parts if hasattr(model, part)}


def _attribute(root: dict[str, Any], path: str) -> Any:
    """Follows a path in the table's checkpoint column; returns None if there is no such part."""
    value: Any = root
    for part in path.split("/"):
        if isinstance(value, dict):
            value = value.get(part)
        elif part.isdigit():
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = getattr(value, part, None)
        if value is None:
            return None
    return value


def _variables(
    model: tf_keras.layers.Layer, config: AlbertConfig, task: TaskDescription | None
) -> dict[str, tf.Variable]:
    """Returns the variables of the model by our names."""
    root = _root(model)
    variables = {
        weight.ours: _attribute(root, weight.places["checkpoint"].name)
        for weight in names.weights(config, task)
    }
    return {name: variable for name, variable in variables.items() if variable is not None}


def _unused(model: tf_keras.layers.Layer) -> set[int]:
    """Returns the ids of variables that no output depends on: those of an untrained pooler."""
    pooler = _root(model)["encoder"].pooler_layer
    return set() if pooler.trainable else {id(variable) for variable in pooler.variables}


def _norms(
    model: tf_keras.layers.Layer, config: AlbertConfig, task: TaskDescription | None
) -> dict[str, tf_keras.layers.Layer]:
    """Returns the layer norms of the model by the names of their gamma."""
    root, norms = _root(model), {}
    for weight in names.weights(config, task):
        if weight.ours.endswith("/gamma"):
            path = weight.places["checkpoint"].name.rpartition("/")[0]
            if (layer := _attribute(root, path)) is not None:
                norms[weight.ours] = layer
    return norms


def _check_shapes(
    targets: dict[str, tf.Variable], source: Source, assigned: tuple[str, ...]
) -> None:
    misfits = [
        f"{name}: {source.weights.shape(name)}, but the model has {tuple(targets[name].shape)}"
        for name in assigned
        if source.weights.shape(name) != tuple(targets[name].shape)
    ]
    if misfits:
        raise InputError(
            "Weights must have the shapes of the model's variables. Received "
            f"'{source.path}': {shortened(misfits, '; ')}. Build the model from the config of the "
            "source, as from_pretrained does."
        )


def _check_unshaped(model: tf_keras.layers.Layer, source: Source) -> None:
    arguments = _root(model)["encoder"].get_config()
    config = source.config.to_dict()
    differing = [
        f"{ours}={arguments[ours]!r} in the model, {theirs}={config[theirs]!r} in the source"
        for ours, theirs in _UNSHAPED.items()
        # An activation given as a function cannot be compared with a name.
        if isinstance(arguments[ours], (int, str)) and arguments[ours] != config[theirs]
    ]
    if differing:
        raise InputError(
            "The model must have the architecture of the source, or its outputs differ. Received "
            f"{'; '.join(differing)} ('{source.path}'). Build the model from the config of the "
            "source, as from_pretrained does, or pass allow_partial."
        )
