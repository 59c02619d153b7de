"""TF1-Hub modules: tfhub_module.pb, saved_model.pb, variables/, assets/.

Only the files are read; the module's graphs are never run.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from albert_tf.config import AlbertConfig
from albert_tf.formats.source import Source
from albert_tf.formats.tf1 import CONFIG, read_variables
from albert_tf.formats.tf_checkpoint import TensorFlowCheckpoint, parsed

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
    saved_model = parsed(saved_model_pb2.SavedModel, path.read_bytes(), f"'{path}'")
    for meta_graph in saved_model.meta_graphs:
        if _OUTPUT in meta_graph.signature_def[_SIGNATURE].outputs:
            return _constant(meta_graph)
    return None


def _constant(meta_graph: meta_graph_pb2.MetaGraphDef) -> bool | None:
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    name = meta_graph.signature_def[_SIGNATURE].outputs[_OUTPUT].name.partition(":")[0]
    # Each node is taken out, as a damaged graph may have circles.
    while (node := nodes.pop(name, None)) is not None and node.op == "Identity" and node.input:
        name = node.input[0].partition(":")[0]
    if node is None or node.op != "Const":
        return None
    tensor = node.attr["value"].tensor
    if tensor.dtype != types_pb2.DT_BOOL or tensor.tensor_shape.dim:
        return None
    return bool(tf.make_ndarray(tensor))
