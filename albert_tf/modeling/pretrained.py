"""Puts the weights of any format into a live model: `from_pretrained` and `assign`.

`assign` is strict on both sides: every weight must have its variable, every variable its weight.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any, TypeVar

import tensorflow as tf
import tf_keras
from absl import logging

from albert_tf.config import LAYER_NORM_EPSILON, AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats import names
from albert_tf.formats.load import load
from albert_tf.formats.mapping import shortened
from albert_tf.formats.source import Source

Model = TypeVar("Model")
# Arguments of the encoder that change its numbers, but no shape: encoder name, config name.
_UNSHAPED = {
    "num_layers": "num_hidden_layers",
    "num_attention_heads": "num_attention_heads",
    "activation": "hidden_act",
}


def from_pretrained(
    build: Callable[[AlbertConfig], Model],
    path_or_handle: str | os.PathLike,
    config: AlbertConfig | None,
    allow_partial: bool,
) -> Model:
    """Returns `build(config)` with the weights of a released, converted or trained model.

    Args:
      build: makes the model.
      path_or_handle: a folder or checkpoint of any known format, or a handle.
      config: in place of the one that lies there; for folders without one.
      allow_partial: whether names may be left over on either side.

    Raises:
      InputError: as `load` and `assign`.
    """
    source = load(path_or_handle, config)
    model = build(source.config)
    assign(model, source, allow_partial=allow_partial)
    return model


@dataclasses.dataclass(frozen=True)
class Report:
    """What `assign` did.

    Attributes:
      assigned: our names of the weights that were set.
      left: weights of heads that the source has and the model has no place for.
      unset: variables of the model that the source has no weight for.
      unread: names in the source that no row of the table knows.
      skipped: what is no weight of the model, counted by kind.
      notes: from the source.
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
      model: an `AlbertEncoder`, or a model with one as `encoder` and heads as `masked_lm`,
        `sentence_order` and `head`. Heads of the source that the model lacks are left, not an
        error, and so is a pooler that the source lacks and the model does not train.
      source: what `load` returned.
      allow_partial: set what there is instead of raising if names are left over on either side.

    Raises:
      InputError: a weight of the source is unread, a variable of the model unset, or the model has
        other sizes than the source. Nothing is set then.
    """
    targets = _targets(model, source)
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
        raise InputError(
            "Every weight must find its place. Received "
            f"'{source.path}' ({source.format}): {_side('unread', report.unread)}; in the model "
            f"{_side('unset', report.unset)}. Pass allow_partial (--allow_partial) to go on "
            "without them; what is unset then keeps its random values."
        )
    _check_shapes(targets, source, report.assigned)
    for name in report.assigned:
        targets[name].assign(source.weights[name])
    for name, layer in _norms(model, source).items():
        layer.epsilon = source.epsilon.get(name.partition("/")[0], LAYER_NORM_EPSILON)
    for note in report.notes:
        logging.info("%s: %s", source.path, note)
    return report


def _side(what: str, found: tuple[str, ...]) -> str:
    return f"{len(found)} {what}" + (f" ({shortened(found)})" if found else "")


def _root(model: tf_keras.layers.Layer) -> dict[str, Any]:
    if not hasattr(model, "encoder"):  # It is the encoder.
        return {"encoder": model}
    parts = ("encoder", *names.HEADS, names.TASK_HEAD)
    return {part: getattr(model, part) for part in parts if hasattr(model, part)}


def _attribute(root: dict[str, Any], path: str) -> Any:
    """Follows a path of the table's checkpoint column; None where the model has no such part."""
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


def _targets(model: tf_keras.layers.Layer, source: Source) -> dict[str, tf.Variable]:
    root = _root(model)
    found = {
        weight.ours: _attribute(root, weight.places["checkpoint"].name)
        for weight in names.weights(source.config, source.task)
    }
    return {name: variable for name, variable in found.items() if variable is not None}


def _unused(model: tf_keras.layers.Layer) -> set[int]:
    """Returns the variables that no output of the model needs: a pooler that is not trained."""
    pooler = _root(model)["encoder"].pooler_layer
    return set() if pooler.trainable else {id(variable) for variable in pooler.variables}


def _norms(model: tf_keras.layers.Layer, source: Source) -> dict[str, tf_keras.layers.Layer]:
    root, norms = _root(model), {}
    for weight in names.weights(source.config, source.task):
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
            f"'{source.path}': {shortened(misfits, '; ')}. Build the model with the source's "
            "config, as from_pretrained does."
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
            "The model must be built as the source was, or its numbers differ. Received "
            f"{'; '.join(differing)} ('{source.path}'). Build the model with the source's config, "
            "as from_pretrained does, or pass allow_partial."
        )
