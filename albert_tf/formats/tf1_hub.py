"""TF1-Hub modules: tfhub_module.pb, saved_model.pb, variables/, assets/.

Only the files are read; the module's graphs are never run.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats.source import Source
from albert_tf.formats.tf1 import CONFIG, read_variables
from albert_tf.formats.tf_checkpoint import TensorFlowCheckpoint

NAME = "tf1_hub"
NEEDS = "tfhub_module.pb, saved_model.pb, variables/, assets/albert_config.json, assets/*.model"
_SIGNATURE, _OUTPUT = "tokenization_info", "do_lower_case"


def matches(path: Path) -> bool:
    """Whether `path` is a TF1-Hub module."""
    return (path / "tfhub_module.pb").is_file() and (path / "saved_model.pb").is_file()


def read(path: Path, config: AlbertConfig | None = None) -> Source:
    """Reads a module such as google/albert_base/3.

    Args:
      path: the folder.
      config: used instead of assets/albert_config.json, which some early modules lack.

    Raises:
      InputError: the config is missing or invalid, a shape does not match it, or a file is damaged.
    """
    assets = path / "assets"
    config = config or AlbertConfig.from_json_file(assets / CONFIG)
    variables = TensorFlowCheckpoint(path / "variables" / "variables")
    source = read_variables(NAME, path, assets, variables, config)
    lower = _do_lower_case(path / "saved_model.pb")
    if source.preprocessing is None or lower is None:
        return source
    preprocessing = dataclasses.replace(source.preprocessing, lower_case=lower)
    return dataclasses.replace(source, preprocessing=preprocessing)


def _do_lower_case(path: Path) -> bool | None:
    """Returns the constant that the signature tokenization_info outputs; None if there is none.

    Raises:
      InputError: the file is damaged.
    """
    try:
        saved_model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except Exception as error:  # Each protobuf implementation has its own DecodeError.
        raise InputError(
            f"A SavedModel must be complete. Received '{path}', which cannot be read: {error}. "
            "Copy or download it again."
        ) from error
    for meta_graph in saved_model.meta_graphs:
        if _OUTPUT in meta_graph.signature_def[_SIGNATURE].outputs:
            return _constant(meta_graph)
    return None


def _constant(meta_graph: meta_graph_pb2.MetaGraphDef) -> bool | None:
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    name = meta_graph.signature_def[_SIGNATURE].outputs[_OUTPUT].name.partition(":")[0]
    while name in nodes and nodes[name].op == "Identity":
        name = nodes[name].input[0].partition(":")[0]
    if name not in nodes or nodes[name].op != "Const":
        return None
    return bool(tf.make_ndarray(nodes[name].attr["value"].tensor))
