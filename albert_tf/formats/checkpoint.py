"""Training folders of this package: albert_config.json, object checkpoints `ckpt-N.*`, *.model.

A pretraining checkpoint holds `model=AlbertPretrainer`, its parts by name (`encoder`, `masked_lm`,
`sentence_order`), `optimizer` and `global_step`. In a fine-tuning run, `model` is a `TaskModel`
with `encoder` and `head`, and task.json specifies the task.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from albert_tf.config import AlbertConfig
from albert_tf.formats import mapping, names
from albert_tf.formats.differences import check_epsilon
from albert_tf.formats.source import Source
from albert_tf.formats.tf1 import CONFIG
from albert_tf.formats.tf_checkpoint import ObjectGraph, TensorFlowCheckpoint, find_prefix
from albert_tf.task_types import FILE as TASK
from albert_tf.task_types import TaskDescription
from albert_tf.tokenization.model_files import find_model_file, find_preprocessing

NAME = "checkpoint"
NEEDS = "albert_config.json, ckpt-*.index and .data-* written by `albert-tf train`, *.model"
_COUNTERS = ("save_counter", "global_step")


def matches(path: Path) -> bool:
    """Whether `path` is an object checkpoint with an `AlbertEncoder` of this package."""
    prefix = find_prefix(path)
    if prefix is None or (path / "saved_model.pb").exists():
        return False
    checkpoint = TensorFlowCheckpoint(prefix)
    return checkpoint.is_object_based and _encoder(checkpoint.graph()) is not None


def read(path: Path, config: AlbertConfig | None = None) -> Source:
    """Reads a checkpoint of this package.

    Args:
      path: the folder, or the prefix of a checkpoint in it.
      config: used instead of the folder's albert_config.json.

    Raises:
      InputError: the config is missing or invalid, a shape does not match it, or a file is damaged.
    """
    prefix = find_prefix(path)
    config = config or AlbertConfig.from_json_file(prefix.parent / CONFIG)
    checkpoint = TensorFlowCheckpoint(prefix)
    graph = checkpoint.graph()
    roots = {"encoder": _encoder(graph)}
    for head in (*names.HEADS, names.TASK_HEAD):
        roots[head] = next(
            (n for p in (head, f"model/{head}") if (n := graph.node(p)) is not None), None
        )
    keys = set(checkpoint.shapes)
    optimizer = _optimizer_keys(graph)
    counters = {f"{name}/.ATTRIBUTES/VARIABLE_VALUE" for name in _COUNTERS} & keys
    stored, used = {}, set()
    task = TaskDescription.beside(prefix.parent)
    for weight in names.weights(config, task):
        place = weight.places["checkpoint"].name
        part, _, rest = place.partition("/")
        key = graph.key(rest, roots[part]) if roots[part] is not None else None
        if key is not None:
            stored[place] = checkpoint.stored(key)
            used.add(key)
    # A layer that only distillation needs; see `tasks.distillation`.
    node = graph.node("model/distillation")
    extra = set() if node is None else graph.keys_below(node)
    step = graph.key("global_step")
    model_file = find_model_file(prefix.parent)
    return Source(
        format=NAME,
        path=path,
        config=config,
        weights=mapping.to_ours("checkpoint", stored, config, path, task).weights,
        unread=tuple(sorted(keys - used - optimizer - counters - extra)),
        skipped={
            "optimizer variables": len(optimizer),
            "step counters": len(counters),
            **({"variables of distillation": len(extra)} if extra else {}),
        },
        model_file=model_file,
        preprocessing=find_preprocessing(model_file),
        classifier_dropout=task.settings.get("dropout_rate") if task else None,
        task=task,
        step=None if step is None else int(checkpoint.read(step)),
    )


def write(source: Source, folder: Path) -> tuple[str, ...]:
    """Writes a checkpoint as a training run does, but without optimizer and step; returns notes."""
    notes = check_epsilon(NAME, source)
    root = tf.__internal__.tracking.AutoTrackable()
    heads = source.heads  # Only complete heads are saved.
    for weight in names.weights(source.config, source.task):
        if weight.ours in source.weights and names.head(weight.ours) in (None, *heads):
            _attach(root, weight.places["checkpoint"].name, source.weights[weight.ours])
    parts = {part: getattr(root, part) for part in ("encoder", *heads)}
    # Without both pretraining heads, only the parts are saved, not a whole model.
    if source.task is not None or len(heads) == len(names.HEADS):
        parts["model"] = root
    if source.task is not None:
        source.task.to_json_file(folder / TASK)
    tf.train.Checkpoint(**parts).save(str(folder / "ckpt"))
    source.config.to_json_file(folder / CONFIG)
    return notes


def _attach(root: tf.Module, path: str, value: np.ndarray) -> None:
    """Sets a variable at an attribute path, such as "encoder/stack/groups/0/1/output/bias"."""
    *parents, name = path.split("/")
    for parent in parents:
        if not hasattr(root, parent):
            setattr(root, parent, tf.__internal__.tracking.AutoTrackable())
        root = getattr(root, parent)
    setattr(root, name, tf.Variable(value))


def _encoder(graph: ObjectGraph) -> int | None:
    """Returns the encoder's node, which is either at the top level or part of the model."""
    for path in ("encoder", "model/encoder", "model"):
        if graph.node(f"{path}/embeddings_layer") is not None:
            return graph.node(path)
    return None


def _optimizer_keys(graph: ObjectGraph) -> set[str]:
    """Returns the optimizer's keys, without those of the model, which it may also refer to."""
    below = set()
    for name, node in graph.children().items():
        keys = graph.keys_below(node)
        below = below | keys if name == "optimizer" else below
    model = set()
    for name, node in graph.children().items():
        if name != "optimizer":
            model |= graph.keys_below(node)
    return (below - model) | graph.slot_keys
