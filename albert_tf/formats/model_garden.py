"""Model Garden checkpoints: `encoder=`, `model=` or a BertPretrainerV2, with a config beside them.

Model Garden's AlbertEncoder has one group with one block. The sentence-order head is a
`ClassificationHead` named next_sentence, whose inner dense layer takes the pooler's place.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tensorflow as tf
import yaml

from albert_tf.config import MODEL_GARDEN_ARGUMENTS, AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.formats import mapping, names
from albert_tf.formats.differences import check_epsilon
from albert_tf.formats.source import Source
from albert_tf.formats.tf1 import CONFIG
from albert_tf.formats.tf_checkpoint import ObjectGraph, TensorFlowCheckpoint, find_prefix
from albert_tf.tokenization.model_files import find_model_file, find_preprocessing

NAME = "model_garden"
NEEDS = (
    "*.index and .data-* of tf.train.Checkpoint(encoder=... or model=...), and albert_config.json, "
    "encoder_config.json or params.yaml"
)
_MARK = "layer_with_weights-0"  # Keras's name for the first layer of a functional encoder.
_HEAD = "next_sentence"
_POOLER = "encoder/pooler"


def matches(path: Path) -> bool:
    """Whether an object checkpoint with a functional encoder lies there."""
    prefix = find_prefix(path)
    if prefix is None or (path / "saved_model.pb").exists():
        return False
    checkpoint = TensorFlowCheckpoint(prefix)
    return checkpoint.is_object_based and encoder_node(checkpoint.graph()) is not None


def read(path: Path, config: AlbertConfig | None = None) -> Source:
    """Reads a checkpoint of Model Garden's AlbertEncoder, alone or in a pretrainer.

    Args:
      path: the folder, or the prefix of a checkpoint in it.
      config: in place of the one that lies beside it.

    Raises:
      InputError: there is no config, it breaks a rule, a shape does not fit it, files are broken.
    """
    prefix = find_prefix(path)
    config = config or read_config(prefix.parent)
    checkpoint = TensorFlowCheckpoint(prefix)
    return read_graph(NAME, path, prefix.parent, checkpoint, config)


def read_graph(
    format_name: str,
    path: Path,
    folder: Path,
    checkpoint: TensorFlowCheckpoint,
    config: AlbertConfig,
) -> Source:
    """Returns the source for an object graph with a functional encoder; `folder` has the *.model.

    Raises:
      InputError: a shape does not fit the config, or files are broken.
    """
    graph = checkpoint.graph()
    head = _head_node(graph, checkpoint)
    roots = {"encoder": encoder_node(graph), "masked_lm": _masked_lm_node(graph), _HEAD: head}
    stored, used, notes = {}, set(), []
    for weight in names.weights(config):
        place = weight.places["model_garden"].name
        part, _, rest = place.partition("/")
        if roots[part] is None:
            continue
        key = graph.key(rest, roots[part])
        if weight.ours.startswith(_POOLER) and head is not None:
            used |= {key} & set(checkpoint.shapes)
            key = graph.key(f"dense/{weight.ours.rpartition('/')[2]}", head)
            notes = [f"the pooler is {_HEAD}'s inner dense layer, which pretraining trains there"]
        if key in checkpoint.shapes:
            stored[place] = checkpoint.stored(key)
            used.add(key)
    below = graph.children()
    skipped = set(graph.slot_keys)
    for name in ("optimizer", "save_counter", "global_step"):
        skipped |= graph.keys_below(below[name]) - used if name in below else set()
    step = graph.key("global_step")
    model_file = find_model_file(folder)
    return Source(
        format=format_name,
        path=path,
        config=config,
        weights=mapping.to_ours("model_garden", stored, config, path).weights,
        unread=tuple(sorted(set(checkpoint.shapes) - used - skipped)),
        skipped={"optimizer variables and counters": len(skipped & set(checkpoint.shapes))},
        model_file=model_file,
        preprocessing=find_preprocessing(model_file),
        step=int(checkpoint.read(step)) if step in checkpoint.shapes else None,
        notes=tuple(notes),
    )


def write(source: Source, folder: Path) -> tuple[str, ...]:
    """Writes the checkpoint that Model Garden's own classes save, into an empty `folder`.

    Without a masked-LM head it is `Checkpoint(encoder=AlbertEncoder)`, else that of a
    BertPretrainerV2, as Model Garden's trainer writes it. Returns notes.

    Raises:
      InputError: Model Garden cannot build such a model.
    """
    notes = check_epsilon(NAME, source)
    config = source.config
    if (config.num_hidden_groups, config.inner_group_num) != (1, 1):
        raise InputError(
            "Model Garden's AlbertEncoder has one group with one block. Received "
            f"num_hidden_groups={config.num_hidden_groups}, "
            f"inner_group_num={config.inner_group_num}. Convert to tf1, hugging_face or keras_hub."
        )
    items = _build(source)
    checkpoint = tf.train.Checkpoint(**items)
    roots = {"encoder": items["encoder"], "masked_lm": items.get("masked_lm")}
    if "sentence_order" in source.heads:
        roots[_HEAD] = items["model"].classification_heads[0]
    for name, array in mapping.to_theirs("model_garden", source):
        part, _, rest = name.partition("/")
        _variable(roots[part], rest).assign(array)
    if _HEAD in roots:
        for part in ("kernel", "bias"):
            getattr(roots[_HEAD].dense, part).assign(source.weights[f"{_POOLER}/{part}"])
    checkpoint.save(str(folder / "ckpt"))
    config.to_json_file(folder / CONFIG)
    return notes


def encoder_node(graph: ObjectGraph) -> int | None:
    """Returns the node of a functional encoder, wherever the checkpoint has it."""
    # The last is that of a SavedModel, which calls the encoder as its only layer.
    paths = ("encoder", "model/encoder", "model/encoder_network", "model", _MARK)
    for path in paths:
        node = graph.node(path)
        if node is not None and _MARK in graph.children(node):
            return node
    return None


def _masked_lm_node(graph: ObjectGraph) -> int | None:
    paths = ("masked_lm", "model/masked_lm", f"mlm/{_MARK}/masked_lm")
    nodes = (graph.node(path) for path in paths)
    return next((node for node in nodes if node is not None), None)


def _head_node(graph: ObjectGraph, checkpoint: TensorFlowCheckpoint) -> int | None:
    """Returns the classification head with two outputs, if there is one."""
    heads = graph.node("model/classification_heads")
    for node in graph.children(heads).values() if heads is not None else ():
        if checkpoint.shapes.get(graph.key("out_proj/bias", node)) == (2,):
            return node
    return None


def their_encoder(config: AlbertConfig) -> Any:
    """Returns Model Garden's `AlbertEncoder` of these sizes, with new weights."""
    from official.nlp.modeling import networks

    arguments = {name: getattr(config, field) for name, field in MODEL_GARDEN_ARGUMENTS.items()}
    del arguments["activation"]  # that of its default, as a checkpoint does not hold it
    return networks.AlbertEncoder(**arguments, dict_outputs=True)


def _build(source: Source) -> dict[str, Any]:
    """Returns Model Garden's objects by the names under which its trainer saves them.

    Activations are those of its defaults, as a checkpoint does not hold them.
    """
    from official.nlp.modeling import layers, models

    config = source.config
    encoder = their_encoder(config)
    if not source.heads:
        return {"encoder": encoder}
    heads = []
    if "sentence_order" in source.heads:
        heads = [layers.ClassificationHead(config.hidden_size, 2, name=_HEAD)]
    model = models.BertPretrainerV2(encoder, classification_heads=heads)
    model({x.name: x for x in model.inputs})  # Builds the variables of the heads.
    return {"model": model, **model.checkpoint_items}


def _variable(root: Any, path: str) -> tf.Variable:
    for part in path.split("/"):
        index = part.removeprefix("layer_with_weights-")
        if index == part:
            root = getattr(root, part)
        else:
            root = [layer for layer in root.layers if layer.weights][int(index)]
    return root


# === Config ===


ARGUMENTS, PARAMS = "encoder_config.json", "params.yaml"
# Arguments of Model Garden's AlbertEncoder and fields of its AlbertEncoderConfig.
_NAMES = MODEL_GARDEN_ARGUMENTS | {
    "max_position_embeddings": "max_position_embeddings",
    "hidden_activation": "hidden_act",
    "initializer_range": "initializer_range",
}
_UNREAD = ("initializer", "dict_outputs", "name")
# Model Garden calls the tanh form "gelu" too (official.modeling.activations.gelu).
_ACTIVATIONS = {"gelu": "gelu", "Text>gelu": "gelu", "relu": "relu", "tanh": "tanh"}


def read_config(folder: Path) -> AlbertConfig:
    """Returns the config that lies in a folder of checkpoints.

    It is looked for in albert_config.json, in encoder_config.json (arguments of AlbertEncoder), and
    in the params.yaml that Model Garden's train.py writes (task.model.encoder.albert).

    Raises:
      InputError: none is there, or it breaks a rule.
    """
    if (folder / CONFIG).is_file():
        return AlbertConfig.from_json_file(folder / CONFIG)
    if (folder / ARGUMENTS).is_file():
        values = json.loads((folder / ARGUMENTS).read_text(encoding="utf-8"))
        return config_from_arguments(values, folder / ARGUMENTS)
    if (folder / PARAMS).is_file():
        values: Any = yaml.safe_load((folder / PARAMS).read_text(encoding="utf-8"))
        for key in ("task", "model", "encoder", "albert"):
            values = values.get(key) if isinstance(values, dict) else None
        if isinstance(values, dict):
            return config_from_arguments(values, folder / PARAMS)
    raise InputError(
        "A Model Garden checkpoint does not tell its number of layers, so that a config must lie "
        f"beside it. Received '{folder}' without {CONFIG}, {ARGUMENTS}, or a {PARAMS} with "
        "task.model.encoder.albert. Add one, or pass config=AlbertConfig(...)."
    )


def config_from_arguments(values: dict[str, Any], where: Path) -> AlbertConfig:
    """Returns the config for arguments of Model Garden's encoder.

    Raises:
      InputError: a name is unknown, or a value breaks a rule.
    """
    for key in values:
        if key not in (*_NAMES, *_UNREAD):
            raise InputError(
                f"Arguments of Model Garden's AlbertEncoder must be known. Received {key!r} in "
                f"'{where}'. {closest(key, _NAMES)}"
            )
    ours = {_NAMES[key]: value for key, value in values.items() if key in _NAMES}
    activation = ours.get("hidden_act", "gelu")
    if isinstance(activation, dict):  # As Keras serializes a function.
        activation = activation.get("config")
    initializer = values.get("initializer")
    if isinstance(initializer, dict) and "stddev" in initializer.get("config", {}):
        ours["initializer_range"] = initializer["config"]["stddev"]
    if activation not in _ACTIVATIONS:
        raise InputError(
            f"The activation must be known here. Received {activation!r} in '{where}'. "
            f"{closest(str(activation), _ACTIVATIONS)}"
        )
    return AlbertConfig(**{**ours, "hidden_act": _ACTIVATIONS[activation]})
