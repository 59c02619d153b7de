"""Finds TensorFlow checkpoints on disk and reads their arrays by name or by object path."""

from __future__ import annotations

import functools
import os
import re
import struct
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf import message
from google.protobuf.message import Message
from tensorflow.core.protobuf import tensor_bundle_pb2, trackable_object_graph_pb2

from albert_tf.errors import InputError
from albert_tf.formats.source import Stored

_MAGIC = 0xDB4775248B80FB57  # The last 8 bytes of an index.
_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
# The errors that TensorFlow's reader raises for truncated, corrupted or missing files.
_DAMAGE = (tf.errors.OpError, IndexError, RuntimeError, ValueError)
_STATE_PATH = re.compile(r'^model_checkpoint_path: "(.*)"', re.MULTILINE)
_FILE = re.compile(r"(?P<prefix>.+)\.(index|data-\d{5}-of-\d{5})")
_NUMBERED = re.compile(r"(?P<stem>.*)-(?P<number>\d+)")
# The characters that TensorFlow, which takes a path for a glob pattern, does not match literally.
_GLOB = re.compile(r"[][*?\\]")


def find_prefix(path: Path) -> Path | None:
    """Returns the prefix of the checkpoint at `path`, or None.

    Training, evaluation and every reader use this function, so they agree on the checkpoint.

    Args:
      path: a prefix such as `folder/model.ckpt-best`, or a folder. In a folder of numbered
        checkpoints, such as a run, it is the newest complete one, whether or not there is a file
        `checkpoint`, as that may be lost or out of date when a run is copied. Among other
        checkpoints, it is the one that the file `checkpoint` names, or the only one.

    Raises:
      InputError: the folder contains several checkpoints and does not specify which one to read, or
        all of them are incomplete.
    """
    if path.suffix == ".index" and path.is_file():
        return path.with_suffix("")
    if path.name and path.with_name(f"{path.name}.index").is_file():
        return path
    if not path.is_dir():
        return None
    prefixes = sorted({path / prefix for prefix in _prefixes(path)})
    if not prefixes:
        return None
    # The folder may have been moved, so only the last part of the path in the file is used.
    stems = {_stem(prefix.name) for prefix in prefixes}
    named = path / _named(path / "checkpoint")
    if len(stems) > 1 and _stem(named.name) in stems:
        stems = {_stem(named.name)}
    if len(stems) > 1:
        raise InputError(
            "A folder with several checkpoints must contain a file 'checkpoint' that names the one "
            f"to read. Received '{path}' with {[p.name for p in prefixes]}, but no such file. Pass "
            f"one of the checkpoints, such as '{prefixes[-1]}'."
        )
    found = numbered(path, *stems) or [path / name for name in stems]
    problems = []
    for prefix in reversed(found):
        if not (reason := problem(prefix)):
            return prefix
        problems.append(f"{prefix.name}: {reason}")
    raise InputError(
        "A checkpoint must be complete: PREFIX.index and all PREFIX.data-* files. Received "
        f"'{path}' with {'; '.join(problems[:3])}. Copy or download it again, or remove its files."
    )


def numbered(folder: Path, stem: str) -> list[Path]:
    """Returns the prefixes `stem-N` of a folder by their number, incomplete ones included."""
    found = {}
    for name in _prefixes(folder):
        match = _NUMBERED.fullmatch(name)
        if match and match["stem"] == stem:
            found[name] = int(match["number"])
    return [folder / name for name in sorted(found, key=found.__getitem__)]


def problem(prefix: Path) -> str:
    """Returns which file of a checkpoint is missing, truncated or damaged; "" if it is complete.

    The sizes of the files are compared with the index; the arrays are not read.
    """
    index = prefix.with_name(f"{prefix.name}.index")
    try:
        shards, sizes = _index(index.read_bytes())
        for shard in range(shards):
            data = prefix.with_name(f"{prefix.name}.data-{shard:05}-of-{shards:05}")
            if data.stat().st_size < sizes.get(shard, 0):
                return f"'{data.name}' is truncated"
    except FileNotFoundError as error:
        return f"'{Path(error.filename).name}' is missing"
    except (OSError, ValueError, IndexError, struct.error, message.DecodeError):
        return f"'{index.name}' is truncated or damaged"
    return ""


def files(prefix: Path) -> list[Path]:
    """Returns the files of a checkpoint."""
    matches = ((path, _FILE.fullmatch(path.name)) for path in prefix.parent.iterdir())
    return sorted(path for path, match in matches if match and match["prefix"] == prefix.name)


def readable(prefix: Path) -> str:
    """Returns a path under which TensorFlow can read a checkpoint.

    TensorFlow takes paths for glob patterns. Files whose path has such characters get links in a
    temporary folder, which exists as long as this process.
    """
    if not _GLOB.search(str(prefix)):
        return str(prefix)
    folder = Path(tempfile.mkdtemp(dir=_links().name))
    for file in files(prefix):
        (folder / f"ckpt{file.name.removeprefix(prefix.name)}").symlink_to(file.absolute())
    return str(folder / "ckpt")


@functools.cache
def _links() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="checkpoint_links.")


def _prefixes(folder: Path) -> set[str]:
    matches = (_FILE.fullmatch(path.name) for path in folder.iterdir())
    return {match["prefix"] for match in matches if match}


def _stem(name: str) -> str:
    match = _NUMBERED.fullmatch(name)
    return match["stem"] if match else name


def _named(state: Path) -> str:
    """Returns the name of the checkpoint that a file `checkpoint` names; "" if it names none."""
    if not state.is_file():
        return ""
    named = _STATE_PATH.search(state.read_text(encoding="utf-8", errors="replace"))
    return os.path.basename(named[1]) if named else ""


def _index(table: bytes) -> tuple[int, dict[int, int]]:
    """Returns the number of data files, and how many bytes of each the entries of an index take.

    The index is a table in LevelDB's format: a footer of 48 bytes points to a block of handles of
    blocks with the entries (tensorflow/core/util/tensor_bundle and lib/io/table_format.txt).
    """
    footer = table[-48:]
    if int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise ValueError("no footer")
    at, handle = 0, []
    for _ in range(4):  # Offset and size of the meta index, then of the index.
        number, at = _varint(footer, at)
        handle.append(number)
    header, sizes = tensor_bundle_pb2.BundleHeaderProto(), {}
    for _, pointer in _block(table, *handle[2:]):
        offset, at = _varint(pointer, 0)
        for key, value in _block(table, offset, _varint(pointer, at)[0]):
            if not key:
                header.MergeFromString(value)
                continue
            entry = tensor_bundle_pb2.BundleEntryProto.FromString(value)
            sizes[entry.shard_id] = max(sizes.get(entry.shard_id, 0), entry.offset + entry.size)
    return header.num_shards, sizes


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yields the keys and values of a block; a key omits what it shares with the one before."""
    block = table[offset : offset + size]
    if table[offset + size] != 0:
        raise ValueError("compressed")  # TensorFlow does not compress the index.
    (restarts,) = struct.unpack("<I", block[-4:])
    at, key = 0, b""
    while at < size - 4 - 4 * restarts:
        shared, at = _varint(block, at)
        unshared, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + unshared]
        at += unshared + length
        yield key, block[at - length : at]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Returns a number in protocol buffers' encoding, and the position after it."""
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


class TensorFlowCheckpoint:
    """The arrays of a checkpoint, and its object graph if it has one.

    Raises:
      InputError: a file is damaged or missing.
    """

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        try:
            self._reader = tf.train.load_checkpoint(readable(prefix))
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


def parsed(message: type[Message], data: bytes, where: str) -> Message:
    """Returns a protocol buffer.

    Raises:
      InputError: the data is damaged.
    """
    try:
        return message.FromString(data)
    except Exception as error:  # Each protobuf implementation has its own DecodeError.
        raise InputError(
            f"A protocol buffer must be complete. Received {where}, where {message.__name__} "
            f"cannot be read: {error}. Copy or download it again."
        ) from error


class ObjectGraph:
    """The graph of objects and their variables, as recorded in a checkpoint or SavedModel.

    A variable is stored under a key made from its shortest path; the key of a tied table, for
    example, may contain the name of a head. Walking the graph finds a variable by any of its paths.
    """

    def __init__(self, serialized: bytes) -> None:
        graph = parsed(trackable_object_graph_pb2.TrackableObjectGraph, serialized, "a checkpoint")
        self._nodes = graph.nodes
        ids = {child.node_id for node in graph.nodes for child in node.children}
        ids |= {slot.slot_variable_node_id for node in graph.nodes for slot in node.slot_variables}
        if not graph.nodes or not ids <= set(range(len(graph.nodes))):
            raise InputError(
                f"An object graph must contain every node that it names. Received "
                f"{len(graph.nodes)} nodes and others named. Copy or download the checkpoint again."
            )
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
