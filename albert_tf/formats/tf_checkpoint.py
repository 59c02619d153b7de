"""Finds TensorFlow checkpoints on disk and reads their arrays by name or by object path."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from albert_tf.errors import InputError
from albert_tf.formats.source import Stored

_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
# The errors that TensorFlow's reader raises for truncated, corrupted or missing files.
_DAMAGE = (tf.errors.OpError, IndexError, RuntimeError, ValueError)
_STATE_PATH = re.compile(r'^model_checkpoint_path: "(.*)"', re.MULTILINE)


def find_prefix(path: Path) -> Path | None:
    """Returns the prefix of the checkpoint at `path`, or None.

    Args:
      path: a prefix such as `folder/model.ckpt-best`, or a folder. In a folder, the checkpoint
        named by the file `checkpoint` is used; without that file, the only checkpoint there.

    Raises:
      InputError: the folder contains several checkpoints and does not specify which one to read.
    """
    if path.suffix == ".index" and path.is_file():
        return path.with_suffix("")
    if path.with_name(f"{path.name}.index").is_file():
        return path
    if not path.is_dir():
        return None
    prefixes = sorted(file.with_suffix("") for file in path.glob("*.index"))
    state = path / "checkpoint"
    if state.is_file():
        named = _STATE_PATH.search(state.read_text(encoding="utf-8"))
        # The folder may have been moved, so only the last part of the stored path is used.
        chosen = path / os.path.basename(named[1]) if named else None
        if chosen in prefixes:
            return chosen
    if len(prefixes) > 1:
        raise InputError(
            "A folder with several checkpoints must contain a file 'checkpoint' that names the one "
            f"to read. Received '{path}' with {[p.name for p in prefixes]}, but no such file. Pass "
            f"one of the checkpoints, such as '{prefixes[-1]}'."
        )
    return prefixes[0] if prefixes else None


class TensorFlowCheckpoint:
    """The arrays of a checkpoint, and its object graph if it has one.

    Raises:
      InputError: a file is damaged or missing.
    """

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        try:
            self._reader = tf.train.load_checkpoint(str(prefix))
        except _DAMAGE as error:
            raise self._damaged(error) from error
        self.shapes = {
            key: tuple(shape)
            for key, shape in self._reader.get_variable_to_shape_map().items()
            if key != _GRAPH_KEY
        }
        self.is_object_based = _GRAPH_KEY in self._reader.get_variable_to_shape_map()

    def stored(self, key: str) -> Stored:
        """Returns a handle to the array under `key`, which reads it on demand."""
        return Stored(self.shapes[key], lambda: self.read(key))

    def read(self, key: str) -> np.ndarray:
        """Reads the array under `key`.

        Raises:
          InputError: the data file is damaged.
        """
        try:
            return self._reader.get_tensor(key)
        except _DAMAGE as error:
            raise self._damaged(error) from error

    def graph(self) -> ObjectGraph:
        """Returns the object graph."""
        return ObjectGraph(self.read(_GRAPH_KEY))

    def _damaged(self, error: Exception) -> InputError:
        return InputError(
            "A checkpoint must be complete: PREFIX.index and all PREFIX.data-* files. Received "
            f"'{self.prefix}', which TensorFlow cannot read: {error}. Copy or download it again."
        )


class ObjectGraph:
    """The graph of objects and their variables, as recorded in a checkpoint or SavedModel.

    A variable is stored under a key made from its shortest path; the key of a tied table, for
    example, may contain the name of a head. Walking the graph finds a variable by any of its paths.
    """

    def __init__(self, serialized: bytes) -> None:
        graph = trackable_object_graph_pb2.TrackableObjectGraph.FromString(serialized)
        self._nodes = graph.nodes
        slots = {s.slot_variable_node_id for node in graph.nodes for s in node.slot_variables}
        self.slot_keys = {key for node in slots if (key := self._key(node))}

    def keys_by_name(self) -> dict[str, str]:
        """Returns the key of every variable by the name that it was created with."""
        return {
            attribute.full_name: attribute.checkpoint_key
            for node in self._nodes
            for attribute in node.attributes
            if attribute.name == "VARIABLE_VALUE"
        }

    def children(self, node: int = 0) -> Mapping[str, int]:
        """Returns the child nodes of a node, by name. The root is node 0."""
        return {child.local_name: child.node_id for child in self._nodes[node].children}

    def node(self, path: str, start: int = 0) -> int | None:
        """Returns the node at a path of names joined by "/", or None if there is none."""
        for part in path.split("/"):
            start = self.children(start).get(part)
            if start is None:
                return None
        return start

    def key(self, path: str, start: int = 0) -> str | None:
        """Returns the key of the variable at a path, or None if there is none."""
        node = self.node(path, start)
        return None if node is None else self._key(node)

    def keys_below(self, node: int) -> set[str]:
        """Returns the keys of all variables reachable from a node."""
        seen, todo = set(), [node]
        while todo:
            node = todo.pop()
            if node not in seen:
                seen.add(node)
                todo.extend(self.children(node).values())
        return {key for node in seen if (key := self._key(node))}

    def _key(self, node: int) -> str | None:
        for attribute in self._nodes[node].attributes:
            if attribute.name == "VARIABLE_VALUE":
                return attribute.checkpoint_key
        return None
