"""Model Garden checkpoints: `encoder=`, `model=` or a BertPretrainerV2, with a separate config.

Model Garden's AlbertEncoder has a single group with a single block. The sentence-order head is a
`ClassificationHead` named next_sentence, whose inner dense layer acts as the pooler.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf
import yaml

from albert_tf.config import MODEL_GARDEN_ARGUMENTS, AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.files import read_json
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
    """Whether `path` is an object checkpoint with a functional encoder."""
    prefix = find_prefix(path)
    if prefix is None or (path / "saved_model.pb").exists():
        return False
    checkpoint = TensorFlowCheckpoint(prefix)
    return checkpoint.is_object_based and encoder_node(checkpoint.graph()) is not None


def read(path: Path, config: AlbertConfig | None = None) -> Source:
    """Reads a checkpoint of Model Garden's AlbertEncoder, alone or in a pretrainer.

    Args:
      path: the folder, or the prefix of a checkpoint in it.
      config: used instead of the config in the folder.

    Raises:
      InputError: the config is missing or invalid, a shape does not match it, or a file is damaged.
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
    """Returns the source for an object graph with a functional encoder.

    Args:
      format_name: the format to record in the source.
      path: the path to record in the source.
      folder: where to look for the vocabulary.
      checkpoint: the checkpoint with the graph and its arrays.
      config: the config of the encoder.

    Raises:
      InputError: a shape does not match the config, or a file is damaged.
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
            notes = [f"the pooler is {_HEAD}'s inner dense layer, as Model Garden trains that one"]
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
    """Writes a checkpoint with Model Garden's own classes into an empty `folder`; returns notes.

    A source without heads is saved as `Checkpoint(encoder=AlbertEncoder)`, any other as a
    BertPretrainerV2, as Model Garden's trainer does.

    Raises:
      InputError: Model Garden cannot build this model.
    """
    notes = check_epsilon(NAME, source)
    config = source.config
    if (config.num_hidden_groups, config.inner_group_num) != (1, 1):
        raise InputError(
            "Model Garden's AlbertEncoder supports only one group with one block. Received "
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
    """Returns the node of a functional encoder, trying every path where it can be."""
    # The last path is for SavedModels whose only layer is the encoder.
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
    """Returns Model Garden's `AlbertEncoder` with these sizes and newly initialised weights."""
    from official.nlp.modeling import networks

    arguments = {name: getattr(config, field) for name, field in MODEL_GARDEN_ARGUMENTS.items()}
    del arguments["activation"]  # A checkpoint does not store it, so keep Model Garden's default.
    return networks.AlbertEncoder(**arguments, dict_outputs=True)


def _build(source: Source) -> dict[str, Any]:
    """Returns Model Garden's objects by the names under which its trainer saves them.

    Activations keep Model Garden's defaults because a checkpoint does not store them.
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
# Arguments of Model Garden's AlbertEncoder, and fields of its AlbertEncoderConfig.
_NAMES = MODEL_GARDEN_ARGUMENTS | {
    "max_position_embeddings": "max_position_embeddings",
    "hidden_activation": "hidden_act",
    "initializer_range": "initializer_range",
}
_UNREAD = ("initializer", "dict_outputs", "name")
# Model Garden calls the tanh form "gelu" too (official.modeling.activations.gelu).
_ACTIVATIONS = {"gelu": "gelu", "Text>gelu": "gelu", "relu": "relu", "tanh": "tanh"}


def read_config(folder: Path) -> AlbertConfig:
    """Returns the config stored in a checkpoint folder.

    Reads the first of these files that exists: albert_config.json, encoder_config.json (arguments
    of AlbertEncoder), params.yaml as written by Model Garden's train.py
    (task.model.encoder.albert).

    Raises:
      InputError: the folder has no config, or the config is invalid.
    """
    if (folder / CONFIG).is_file():
        return AlbertConfig.from_json_file(folder / CONFIG)
    if (folder / ARGUMENTS).is_file():
        values = read_json(folder / ARGUMENTS, "The arguments of an encoder")
        return config_from_arguments(values, folder / ARGUMENTS)
    if (folder / PARAMS).is_file():
        values = _read_yaml(folder / PARAMS)
        for key in ("task", "model", "encoder", "albert"):
            values = values.get(key) if isinstance(values, dict) else None
        if isinstance(values, dict):
            return config_from_arguments(values, folder / PARAMS)
    raise InputError(
        "A Model Garden checkpoint does not contain its number of layers, so its folder must "
        f"contain a config. Received '{folder}', which has no {CONFIG}, no {ARGUMENTS}, and no "
        f"{PARAMS} with task.model.encoder.albert. Add one, or pass config=AlbertConfig(...)."
    )


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(
            f"{PARAMS} must be YAML. Received '{path}': {error}. Correct the file, or add {CONFIG}."
        ) from error


def config_from_arguments(values: dict[str, Any], where: Path) -> AlbertConfig:
    """Returns the config for arguments of Model Garden's encoder.

    Raises:
      InputError: a name is unknown, or a value is invalid.
    """
    for key in values:
        if key not in (*_NAMES, *_UNREAD):
            raise InputError(
                f"The config must contain only arguments of Model Garden's AlbertEncoder. Received "
                f"{key!r} in '{where}'. {closest(key, _NAMES)}"
            )
    ours = {_NAMES[key]: value for key, value in values.items() if key in _NAMES}
    activation = ours.get("hidden_act", "gelu")
    if isinstance(activation, dict):  # A function serialised by Keras.
        activation = activation.get("config")
    initializer = values.get("initializer")
    settings = initializer.get("config") if isinstance(initializer, dict) else None
    if isinstance(settings, dict) and "stddev" in settings:
        ours["initializer_range"] = settings["stddev"]
    if not isinstance(activation, str) or activation not in _ACTIVATIONS:
        raise InputError(
            f"The activation must be a supported one. Received {activation!r:.80} in '{where}'. "
            f"{closest(str(activation)[:80], _ACTIVATIONS)}"
        )
    return AlbertConfig(**{**ours, "hidden_act": _ACTIVATIONS[activation]})
