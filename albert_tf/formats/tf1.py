"""TF1 checkpoint folders as released: albert_config.json, model.ckpt-best.*, 30k-clean.model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from albert_tf import task_types
from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats import mapping
from albert_tf.formats.differences import check_epsilon, check_groups
from albert_tf.formats.source import Source
from albert_tf.formats.tf_checkpoint import TensorFlowCheckpoint, find_prefix
from albert_tf.task_types import FILE as TASK
from albert_tf.task_types import TaskDescription
from albert_tf.tokenization.model_files import find_model_file, find_preprocessing

NAME = "tf1"
NEEDS = "albert_config.json, model.ckpt-*.index and .data-* (names such as bert/...), *.model"
CONFIG = "albert_config.json"
STEP = "global_step"
_PREFIX = "model.ckpt-best"
# The activations of get_activation in the original modeling.py; its gelu is the tanh form.
_ACTIVATIONS = ("gelu", "relu", "tanh", "linear")
# Variables that the optimizers of the original and of TensorFlow add to a training checkpoint.
_SLOT = re.compile(r"/(adam_m|adam_v|lamb_m|lamb_v|Adam|Adam_1)$|^beta[12]_power$")


def matches(path: Path) -> bool:
    """Whether `path` is the folder or prefix of a name-based checkpoint."""
    prefix = find_prefix(path)
    if prefix is None or (path / "saved_model.pb").exists():
        return False
    return not TensorFlowCheckpoint(prefix).is_object_based


def read(path: Path, config: AlbertConfig | None = None) -> Source:
    """Reads a checkpoint with the variable names of the original graph.

    The task and labels of a fine-tuned checkpoint are read from task.json in the same folder. If
    that file is missing, they are inferred from the variables of the head, as far as possible.

    Args:
      path: the folder, or the prefix of a checkpoint in it.
      config: used instead of the folder's albert_config.json.

    Raises:
      InputError: the config is missing or invalid, a shape does not match it, or a file is damaged.
    """
    prefix = find_prefix(path)
    folder = prefix.parent
    config = config or AlbertConfig.from_json_file(folder / CONFIG)
    return read_variables(NAME, path, folder, TensorFlowCheckpoint(prefix), config)


def write(source: Source, folder: Path) -> tuple[str, ...]:
    """Writes a checkpoint that the original graph can restore into `folder`; returns notes.

    Raises:
      InputError: the original code cannot build this model.
    """
    check_groups(NAME, source.config)
    notes = check_epsilon(NAME, source)
    if source.config.hidden_act not in _ACTIVATIONS:
        raise InputError(
            f"hidden_act must be one of {_ACTIVATIONS}, the activations of the original code. "
            f"Received {source.config.hidden_act!r}. Convert to hugging_face, which supports more."
        )
    arrays = {STEP: tf.constant(source.step or 0, tf.int64)}
    arrays.update((name, tf.constant(array)) for name, array in mapping.to_theirs(NAME, source))
    keys = sorted(arrays)
    tf.raw_ops.SaveV2(
        prefix=str(folder / _PREFIX),
        tensor_names=keys,
        shape_and_slices=[""] * len(keys),
        tensors=[arrays[key] for key in keys],
    )
    state = f'model_checkpoint_path: "{_PREFIX}"\nall_model_checkpoint_paths: "{_PREFIX}"\n'
    (folder / "checkpoint").write_text(state)
    source.config.to_json_file(folder / CONFIG)
    if source.task is not None:
        source.task.to_json_file(folder / TASK)
    return notes


def _task(shapes: Mapping[str, tuple[int, ...]]) -> TaskDescription | None:
    """Infers the task of a model that the original code fine-tuned from the names of its head.

    Classes are named by their numbers, in the order of the original's processors, because the
    checkpoint does not store names. A head with a single output is taken for STS-B (regression);
    only task.json can identify RACE.
    """
    for row in task_types.all_types():
        if row.head and all(weight.tf1 in shapes for weight in row.head):
            if not row.has_labels:
                return TaskDescription(row.name)
            (count,) = shapes[next(weight.tf1 for weight in row.head if weight.shape == "L")]
            return TaskDescription.of_classifier(tuple(map(str, range(count))))
    return None


def read_variables(
    format_name: str,
    path: Path,
    folder: Path,
    checkpoint: TensorFlowCheckpoint,
    config: AlbertConfig,
) -> Source:
    """Returns the source for variables with TF1 names.

    Args:
      format_name: the format to record in the source.
      path: the path to record in the source.
      folder: where to look for the vocabulary and task.json.
      checkpoint: the variables.
      config: the config of the model.

    Raises:
      InputError: a shape does not match the config, or a file is damaged.
    """
    check_groups("tf1", config)
    slots = [key for key in checkpoint.shapes if _SLOT.search(key)]
    keys = set(checkpoint.shapes) - set(slots) - {STEP}
    stored = {key: checkpoint.stored(key) for key in keys}
    task = TaskDescription.beside(folder) or _task(checkpoint.shapes)
    weights, unread = mapping.to_ours("tf1", stored, config, path, task)
    model_file = find_model_file(folder)
    has_step = STEP in checkpoint.shapes
    return Source(
        format=format_name,
        path=path,
        config=config,
        weights=weights,
        unread=unread,
        skipped={"optimizer slots": len(slots), "step counters": int(has_step)},
        model_file=model_file,
        preprocessing=find_preprocessing(model_file),
        task=task,
        step=int(checkpoint.read(STEP)) if has_step else None,
    )
