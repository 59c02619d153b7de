"""manifest.json: what an artefact is, what it was made with, what it needs, and its checksums."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from albert_tf.version import __version__

NAME = "manifest.json"
_CHUNK = 1 << 20  # Weights are read in parts: the largest model's file has 0.9 GB.


def write(folder: Path, description: Mapping[str, Any]) -> None:
    """Writes the manifest of a finished artefact into its folder.

    Keys besides those of `description`: `albert_tf` and `tensorflow`, versions; `signatures`,
    names, types and shapes (-1: any) as the artefact has them; `ops`, all that its graphs use;
    `custom_ops`, those of them that TensorFlow alone lacks; `files`, SHA-256 by path.
    """
    graph = _meta_graph(folder)
    ops = _ops(graph.graph_def)
    write_files(
        folder,
        {
            **description,
            "signatures": _signatures(graph),
            "ops": ops,
            "custom_ops": [op for op in ops if not hasattr(tf.raw_ops, op)],
        },
    )


def write_files(folder: Path, description: Mapping[str, Any]) -> None:
    """Writes the manifest of a folder that is no SavedModel: description, versions, checksums."""
    versions = {"albert_tf": __version__, "tensorflow": tf.__version__}
    values = {**description, **versions, "files": checksums(folder)}
    (folder / NAME).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, Any]:
    """Returns the manifest of an artefact."""
    return json.loads((folder / NAME).read_text(encoding="utf-8"))


def checksums(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of every file of an artefact but the manifest, by path in the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): _sha256(path) for path in files if path.name != NAME
    }


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _meta_graph(folder: Path) -> Any:
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((folder / "saved_model.pb").read_bytes())
    return saved_model.meta_graphs[0]


def _ops(graph: Any) -> list[str]:
    # Not the list in the artefact's own description, which knows nothing of what is only reached
    # through a method of the module.
    nodes = itertools.chain(graph.node, *(f.node_def for f in graph.library.function))
    functions = {function.signature.name for function in graph.library.function}
    return sorted({node.op for node in nodes} - functions)


def _signatures(graph: Any) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        name: {"inputs": _tensors(signature.inputs), "outputs": _tensors(signature.outputs)}
        for name, signature in sorted(graph.signature_def.items())
        # TensorFlow's own, for what runs when a model is loaded.
        if not name.startswith("__")
    }


def _tensors(tensors: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        key: {
            "dtype": tf.as_dtype(info.dtype).name,
            "shape": [dim.size for dim in info.tensor_shape.dim],
        }
        for key, info in sorted(tensors.items())
    }
