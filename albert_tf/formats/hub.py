"""TF2 hub encoders: SavedModels written by this package or by Model Garden's export_tfhub.

Only the files are read; no function of the SavedModel is run. A SavedModel of this package names
its variables as in `names.TABLE` and contains its config. For one of Model Garden, the config
comes from the description of the encoder that Keras stored.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from tensorflow.core.protobuf import saved_model_pb2
from tf_keras.protobuf import saved_metadata_pb2

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.files import parse_json, read_json
from albert_tf.formats import mapping, model_garden, names
from albert_tf.formats.source import Source
from albert_tf.formats.tf1 import CONFIG
from albert_tf.formats.tf_checkpoint import TensorFlowCheckpoint, parsed
from albert_tf.tokenization.model_files import find_model_file, find_preprocessing
from albert_tf.tokenization.settings import Preprocessing, path_beside

NAME = "hub"
NEEDS = "saved_model.pb, variables/, assets/ of a TF2 encoder (ours, or Model Garden's)"
_MANIFEST = "manifest.json"
_ENCODER = "root.layer_with_weights-0"  # Keras's path to the encoder in a Model Garden export.
_SETTINGS = "do_lower_case"  # A variable for text preprocessing, in exports of both packages.


def matches(path: Path) -> bool:
    """Whether `path` is a TF2 SavedModel."""
    return (path / "saved_model.pb").is_file() and not (path / "tfhub_module.pb").exists()


def read(path: Path, config: AlbertConfig | None = None) -> Source:
    """Reads an encoder SavedModel, including its heads.

    Args:
      path: the folder.
      config: used instead of the config in the SavedModel.

    Raises:
      InputError: the SavedModel is not an ALBERT encoder or lacks its config, or a file is damaged.
    """
    checkpoint = TensorFlowCheckpoint(path / "variables" / "variables")
    if not checkpoint.is_object_based:
        raise InputError(
            f"A TF2 SavedModel must have an object graph. Received '{path}', which has none. If "
            "it is a TF1-Hub module, its tfhub_module.pb is missing."
        )
    assets = path / "assets"
    graph = checkpoint.graph()
    if model_garden.encoder_node(graph) is not None:
        config = config or _keras_config(path)
        source = model_garden.read_graph(NAME, path, assets, checkpoint, config)
    else:
        config = config or _our_config(path)
        source = _read_ours(path, assets, checkpoint, config)
    return _without_settings(source)


def _read_ours(
    path: Path, assets: Path, checkpoint: TensorFlowCheckpoint, config: AlbertConfig
) -> Source:
    keys = checkpoint.graph().keys_by_name()
    places = {weight.ours: weight.places["checkpoint"].name for weight in names.weights(config)}
    stored = {
        places.get(name, name): checkpoint.stored(key)
        for name, key in keys.items()
        if key in checkpoint.shapes
    }
    weights, unread = mapping.to_ours("checkpoint", stored, config, path)
    model_file = find_model_file(assets)
    return Source(
        format=NAME,
        path=path,
        config=config,
        weights=weights,
        unread=unread,
        model_file=model_file,
        preprocessing=_preprocessing(path, model_file),
    )


def _our_config(path: Path) -> AlbertConfig:
    if (path / "assets" / CONFIG).is_file():
        return AlbertConfig.from_json_file(path / "assets" / CONFIG)
    values = _manifest(path).get("config")
    if values is None:
        raise InputError(
            f"An encoder SavedModel must contain its config in assets/{CONFIG} or {_MANIFEST}. "
            f"Received '{path}', which has no config. Add assets/{CONFIG}, or pass "
            "config=AlbertConfig(...)."
        )
    if not isinstance(values, dict):
        raise InputError(
            f"The config in a manifest must be an object. Received {values!r:.80} in '{path}'. "
            f"Add assets/{CONFIG}."
        )
    return AlbertConfig.from_dict(values)


def _preprocessing(path: Path, model_file: Path | None) -> Preprocessing | None:
    settings = _manifest(path).get("preprocessing")
    if model_file is None or settings is None or path_beside(model_file).is_file():
        return find_preprocessing(model_file)
    return Preprocessing.from_dict(settings)


def _manifest(path: Path) -> dict:
    file = path / _MANIFEST
    return read_json(file, "A manifest") if file.is_file() else {}


def _keras_config(path: Path) -> AlbertConfig:
    """Returns the config from the arguments of Model Garden's encoder that Keras saved."""
    for node_path, metadata in _keras_nodes(path):
        if node_path != _ENCODER:
            continue
        try:
            config = parse_json(metadata)["config"]
        except (ValueError, KeyError, TypeError):
            break
        if isinstance(config, dict) and "num_layers" in config:
            return model_garden.config_from_arguments(config, path)
    raise InputError(
        "A SavedModel of Model Garden must contain the arguments of its encoder. Received "
        f"'{path}', where the Keras metadata of {_ENCODER} has none. Pass "
        "config=AlbertConfig(...)."
    )


def _keras_nodes(path: Path) -> list[tuple[str, str]]:
    """Returns node paths with their Keras metadata.

    TensorFlow 2.5 and later store the metadata in keras_metadata.pb, earlier versions in
    saved_model.pb.
    """
    if (path / "keras_metadata.pb").is_file():
        data = (path / "keras_metadata.pb").read_bytes()
        nodes = parsed(saved_metadata_pb2.SavedMetadata, data, f"'{path}'").nodes
        return [(node.node_path, node.metadata) for node in nodes]
    data = (path / "saved_model.pb").read_bytes()
    saved = parsed(saved_model_pb2.SavedModel, data, f"'{path}'")
    nodes = [node for graph in saved.meta_graphs[:1] for node in graph.object_graph_def.nodes]
    children = {c.local_name: c.node_id for node in nodes[:1] for c in node.children}
    number = children.get(_ENCODER.removeprefix("root."), len(nodes))
    return [(_ENCODER, n.user_object.metadata) for n in nodes[number : number + 1]]


def _without_settings(source: Source) -> Source:
    unread = tuple(name for name in source.unread if not name.startswith(_SETTINGS))
    skipped = {**source.skipped, "settings": len(source.unread) - len(unread)}
    return dataclasses.replace(source, unread=unread, skipped=skipped)
