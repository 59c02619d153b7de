"""manifest.json: description, origin, versions, requirements and checksums of an artefact."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from albert_tf.files import read_json
from albert_tf.formats.source import Source
from albert_tf.modeling import int8
from albert_tf.tasks import results
from albert_tf.training import run_folder
from albert_tf.version import __version__

NAME = "manifest.json"
# Text in quotes that is a path of this machine, up to its last part.
_PATH = re.compile(r"""(?<=['"])(?=[/~]|\.\.?/)[^'"]*/(?=[^'"/]*['"])""")
_CHUNK = 1 << 20  # Files are read in chunks, because the weights can be as large as 0.9 GB.


def write(folder: Path, description: Mapping[str, Any]) -> None:
    """Writes the manifest of a finished artefact into its folder.

    In addition to `description`, the manifest has these keys:

    - `albert_tf`, `tensorflow`: the versions;
    - `signatures`: their names, types and shapes (-1 is any size), as stored in the artefact;
    - `ops`: all ops in its graphs;
    - `custom_ops`: the ops that are not part of TensorFlow itself;
    - `files`: the SHA-256 of each file, by path.
    """
    graph = _meta_graph(folder)
    ops = _ops(graph.graph_def)
    write_files(
        folder,
        {
            **description,
            "signatures": _signatures(graph),
            "ops": ops,
            "custom_ops": [op for op in ops if not _is_tensorflow(op)],
        },
    )


def write_files(folder: Path, description: Mapping[str, Any]) -> None:
    """Writes the manifest of any folder: the description, versions and checksums."""
    versions = {"albert_tf": __version__, "tensorflow": tf.__version__}
    values = {**description, **versions, "files": checksums(folder)}
    (folder / NAME).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def origin(source: Source) -> dict[str, Any]:
    """Returns entries of a manifest on where weights come from, without paths of this machine.

    Returns:
      `source`, its name, format and training step; `parameters`, their number by part; and, if the
      source is a run, `run`: the `settings`, the macros of its gin files; `train_data` and
      `eval_data`, the names, sizes and checksums of files; `rows`, the counts of rows; and
      `metrics`, those of the best evaluation.

    Raises:
      InputError: a JSON file of the run is damaged.
    """
    entries: dict[str, Any] = {"source": {"name": _name(source.path), "format": source.format}}
    if source.step is not None:
        entries["source"]["step"] = source.step
    sizes: Counter[str] = Counter()
    for name, part in source.parts.items():
        if name in source.weights:
            sizes[part] += int(np.prod(source.weights.shape(name)))
    entries["parameters"] = dict(sizes)
    folder = _run(source.path)
    return entries if folder is None else {**entries, "run": _of_run(folder)}


def read(folder: Path) -> dict[str, Any]:
    """Returns the manifest of an artefact."""
    return json.loads((folder / NAME).read_text(encoding="utf-8"))


def checksums(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of every file except the manifest, by path relative to the folder."""
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
    # The list in the SavedModel's own metadata omits ops that only a method of the module uses.
    nodes = itertools.chain(graph.node, *(f.node_def for f in graph.library.function))
    functions = {function.signature.name for function in graph.library.function}
    return sorted({node.op for node in nodes} - functions)


def _is_tensorflow(op: str) -> bool:
    return op in int8.OPS or hasattr(tf.raw_ops, op)


def _signatures(graph: Any) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        name: {"inputs": _tensors(signature.inputs), "outputs": _tensors(signature.outputs)}
        for name, signature in sorted(graph.signature_def.items())
        # Skip the internal signature that TensorFlow runs when it loads a model.
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


def _name(path: Path) -> str:
    name = path.name
    return path.parent.name if name in ("best", "") else name


def _run(path: Path) -> Path | None:
    """Returns the folder of the run that a model belongs to: itself, or that of its checkpoint."""
    folders = (path, path.parent, path.parent.parent)
    return next((f for f in folders if (f / run_folder.CONFIG).is_file()), None)


def _of_run(folder: Path) -> dict[str, Any]:
    files = (folder / run_folder.OPERATIVE_CONFIG, folder / run_folder.CONFIG)
    text = next(file.read_text(encoding="utf-8") for file in files if file.is_file())
    settings = {
        name: _PATH.sub("", value)
        for name, value in run_folder.settings(text).items()
        if "." not in name
    }
    run: dict[str, Any] = {"settings": settings}
    for name in (run_folder.TRAINED, run_folder.EVALUATED):
        if (folder / name).is_file():
            run[name.removesuffix(".json")] = read_json(folder / name, "The data of a run")
    metrics = folder / results.FILE
    best = next(folder.glob("*/info.json"), None)
    if metrics.is_file():
        values = read_json(metrics, "The metrics of a run")
        run["metrics"] = values.get("best", {})
        run["rows"] = values.get("data", {})
    elif best is not None:
        run["metrics"] = read_json(best, "The metrics of a run")
    return run
