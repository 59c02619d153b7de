"""Our own training folders: albert_config.json, object checkpoints `ckpt-N.*`, *.model.

A checkpoint holds `model=AlbertPretrainer`, the parts of it by name (`encoder`, `masked_lm`,
`sentence_order`), `optimizer` and `global_step`; of a fine-tuning run, `model` is a `TaskModel`
with `encoder` and `head`, and task.json tells which.
"""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from albert_tf.config import AlbertConfig
from albert_tf.convert import mapping, names
from albert_tf.convert.assign import assign
from albert_tf.convert.epsilons import check_epsilon
from albert_tf.convert.source import Source
from albert_tf.convert.tf1 import CONFIG
from albert_tf.convert.tf_checkpoint import ObjectGraph, TensorFlowCheckpoint, find_prefix
from albert_tf.convert.vocabulary_files import find_model_file, find_preprocessing
from albert_tf.modeling import task_models
from albert_tf.modeling.pretrainer import AlbertPretrainer
from albert_tf.task_types import FILE as TASK
from albert_tf.task_types import TaskDescription

NAME = "checkpoint"
NEEDS = "albert_config.json, ckpt-*.index and .data-* written by `albert-tf train`, *.model"
_COUNTERS = ("save_counter", "global_step")


def matches(path: Path) -> bool:
    """Whether an object checkpoint with an `AlbertEncoder` of this package lies there."""
    prefix = find_prefix(path)
    if prefix is None or (path / "saved_model.pb").exists():
        return False
    checkpoint = TensorFlowCheckpoint(prefix)
    return checkpoint.is_object_based and _encoder(checkpoint.graph()) is not None


def read(path: Path, config: AlbertConfig | None = None) -> Source:
    """Reads a checkpoint of this package.

    Args:
      path: the folder, or the prefix of a checkpoint in it.
      config: in place of the folder's albert_config.json.

    Raises:
      InputError: the config is missing or breaks a rule, a shape does not fit it, files are broken.
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
    step = graph.key("global_step")
    model_file = find_model_file(prefix.parent)
    return Source(
        format=NAME,
        path=path,
        config=config,
        weights=mapping.to_ours("checkpoint", stored, config, path, task).weights,
        unread=tuple(sorted(keys - used - optimizer - counters)),
        skipped={"optimizer variables": len(optimizer), "step counters": len(counters)},
        model_file=model_file,
        preprocessing=find_preprocessing(model_file),
        task=task,
        step=None if step is None else int(checkpoint.read(step)),
    )


def write(source: Source, folder: Path) -> tuple[str, ...]:
    """Writes a checkpoint as a training run does, without optimizer and step; returns notes."""
    notes = check_epsilon(NAME, source)
    if source.task is None:
        model = AlbertPretrainer(source.config)
        assign(model, source, allow_partial=True)  # A head that the source lacks is not saved.
        items = {part: model.checkpoint_items[part] for part in ("encoder", *source.heads)}
        if len(source.heads) == len(names.HEADS):
            items["model"] = model
    else:
        model = task_models.build(source.config, source.task)
        assign(model, source, allow_partial=True)
        items = {**model.checkpoint_items, "model": model}
        source.task.to_json_file(folder / TASK)
    tf.train.Checkpoint(**items).save(str(folder / "ckpt"))
    source.config.to_json_file(folder / CONFIG)
    return notes


def _encoder(graph: ObjectGraph) -> int | None:
    """Returns the node of the encoder: under its own name, or in the model."""
    for path in ("encoder", "model/encoder", "model"):
        if graph.node(f"{path}/embeddings_layer") is not None:
            return graph.node(path)
    return None


def _optimizer_keys(graph: ObjectGraph) -> set[str]:
    """Returns the keys of the optimizer, but not of the model, which it may also point to."""
    below = set()
    for name, node in graph.children().items():
        keys = graph.keys_below(node)
        below = below | keys if name == "optimizer" else below
    model = set()
    for name, node in graph.children().items():
        if name != "optimizer":
            model |= graph.keys_below(node)
    return (below - model) | graph.slot_keys
