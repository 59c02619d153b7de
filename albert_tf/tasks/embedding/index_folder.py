"""The folder of an index: vectors, their texts, and what they were made with.

vectors.npy    float32 [N, D]
texts.jsonl    an object for each vector, with the text first
offsets.npy    int64 [N + 1], where its line begins
graph.usearch  for more than `nearest.EXACT` vectors; see `nearest`
manifest.json
"""

from __future__ import annotations

import array
import json
import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from albert_tf import files
from albert_tf.errors import InputError
from albert_tf.tasks.answer_files import Answer, AnswerFile
from albert_tf.tasks.embedding import nearest
from albert_tf.tasks.embedding.vector_files import Npy
from albert_tf.tasks.predictor import sha256

FORMAT = 1
MANIFEST, VECTORS, TEXTS = "manifest.json", "vectors.npy", "texts.jsonl"
OFFSETS, GRAPH = "offsets.npy", "graph.usearch"
WHAT = "The folder of an index"
_LENGTH = struct.Struct("<I")


class IndexFile(AnswerFile):
    """Vectors with the kept columns, the first of which is the text; the output is a folder.

    Args:
      keep: the names of the columns in answers.
      model: what the manifest says about the model.
    """

    IS_TEXT = False

    def __init__(self, keep: Sequence[str], model: Mapping[str, Any]) -> None:
        super().__init__(keep)
        self._model = model

    def begin(self) -> bytes:
        """Returns the content before the first vector."""
        return b""

    def add(self, answers: Iterable[Answer]) -> bytes:
        """Returns the content of the next vectors, each after its columns and their length."""
        parts = []
        for answer in answers:
            line = _line({name: answer[name] for name in self.keep})
            vector = answer["embedding"].astype("<f4").tobytes()
            parts += [_LENGTH.pack(len(line)), line, _LENGTH.pack(len(vector)), vector]
        return b"".join(parts)

    def put(self, partial: Path, output: Path) -> None:
        """Makes a folder of the partial file."""
        with open(partial, "rb") as file:
            write(output, _records(file), self._model)
        partial.unlink()


def _line(columns: Mapping[str, str]) -> bytes:
    return json.dumps(columns, ensure_ascii=False).encode() + b"\n"


def _records(file: Any) -> Iterator[tuple[bytes, np.ndarray]]:
    while length := file.read(_LENGTH.size):
        line = file.read(*_LENGTH.unpack(length))
        vector = file.read(*_LENGTH.unpack(file.read(_LENGTH.size)))
        yield line, np.frombuffer(vector, "<f4")


def rows(
    columns: Iterable[Mapping[str, str]], vectors: Iterable[np.ndarray]
) -> Iterator[tuple[bytes, np.ndarray]]:
    """Yields what `write` takes."""
    for names, vector in zip(columns, vectors):
        yield _line(names), vector


def write(
    output: Path, records: Iterable[tuple[bytes, np.ndarray]], model: Mapping[str, Any]
) -> None:
    """Writes the folder of an index under a temporary name, and renames it.

    Args:
      output: the folder.
      records: the line of `TEXTS` and the vector, float32 [D], of each text.
      model: what the manifest says about the model.

    Raises:
      InputError: the folder is not empty, the disk is full, there are no texts, or there are many
        and usearch is not installed.
    """
    with files.new_directory(output, WHAT) as folder:
        offsets = array.array("q", [0])
        partial = folder / f"{VECTORS}.partial"
        vector = None
        with open(folder / TEXTS, "wb") as texts, open(partial, "wb") as vectors:
            for line, vector in records:
                if vectors.tell() == 0:
                    npy = Npy(len(vector))
                    vectors.write(npy.begin())
                texts.write(line)
                offsets.append(texts.tell())
                vectors.write(npy.add([{"embedding": vector}]))
        if vector is None:
            raise InputError("An index needs a text. Received no text. Pass a file with texts.")
        npy.put(partial, folder / VECTORS)
        np.save(folder / OFFSETS, np.frombuffer(offsets, np.int64))
        count = len(offsets) - 1
        manifest = {"format": FORMAT, "texts": count, "dimensions": len(vector), "model": model}
        if count > nearest.EXACT:
            stored = np.load(folder / VECTORS, mmap_mode="r")
            graph = nearest.build(stored, folder / GRAPH)
            manifest["graph"] = {**graph, "sha256": sha256(folder / GRAPH)}
        sizes = {path.name: os.path.getsize(path) for path in sorted(folder.iterdir())}
        manifest["files"] = sizes
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        (folder / MANIFEST).write_text(text, encoding="utf-8")


class Folder:
    """An index that `write` has written. Vectors and texts are read when they are needed.

    Args:
      path: the folder.

    Attributes:
      path: the folder.
      model: what the manifest says about the model.
      vectors: float32 [N, D], mapped into memory.
      graph: the graph, None if all vectors are compared.
      recall: the share of the nearest vectors that the graph finds.
      sha256: a digest of the manifest.

    Raises:
      InputError: there is no index, or it is damaged.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path).expanduser()
        manifest = files.existing(self.path / MANIFEST, "The manifest of an index")
        values = _checked(manifest)
        self.model: dict[str, Any] = values["model"]
        self.sha256 = sha256(manifest)
        for name, size in values["files"].items():
            found = self.path / name
            if not found.is_file():
                raise self._damaged(f"no file {name!r}")
            if found.stat().st_size != size:
                raise self._damaged(f"'{name}' with {found.stat().st_size:,} bytes, not {size:,}")
        shape = [values["texts"], values["dimensions"]]
        self.vectors = self._array(VECTORS, np.float32, shape)
        self._offsets = self._array(OFFSETS, np.int64, [values["texts"] + 1])
        self._length = values["files"][TEXTS]
        self.graph, self.recall = None, 1.0
        if "graph" in values:
            graph = self.path / GRAPH
            # The library trusts the file.
            if not graph.is_file() or sha256(graph) != values["graph"]["sha256"]:
                raise self._damaged(f"'{GRAPH}' with other bytes than its manifest says")
            self.graph = nearest.Graph(graph, values["graph"])
            self.recall = values["graph"]["recall_at_10"]

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.vectors)

    def __str__(self) -> str:
        """The size of the index and how it is searched, for the user."""
        size = f"'{self.path}': {len(self):,} texts, vectors of {self.vectors.shape[1]} numbers"
        if self.graph is None:
            return f"{size}; a search compares all of them"
        low = ". WARNING: searches miss texts" if self.recall < nearest.WANTED else ""
        return f"{size}; a search finds {self.recall:.4f} of the ten nearest{low}"

    def columns(self, ids: Iterable[int]) -> list[dict[str, str]]:
        """Returns the columns of vectors, the text first."""
        found = []
        with open(self.path / TEXTS, "rb") as file:
            for i in ids:
                begin, end = self._offsets[i : i + 2].tolist()
                if not 0 <= begin < end <= self._length:
                    raise self._damaged(f"'{OFFSETS}', whose number {i + 1} is not a place")
                file.seek(begin)
                line = file.read(end - begin).decode(errors="replace")
                try:
                    columns = files.parse_json(line)
                except ValueError as error:
                    raise self._damaged(f"'{TEXTS}', whose line {i + 1} is not JSON") from error
                if not isinstance(columns, dict) or not columns:
                    raise self._damaged(f"'{TEXTS}', whose line {i + 1} has no text")
                found.append({name: str(value) for name, value in columns.items()})
        return found

    def _array(self, name: str, dtype: type, shape: Sequence[int]) -> np.ndarray:
        try:
            values = np.lib.format.open_memmap(self.path / name, mode="r")
        except Exception as error:  # NumPy parses the header as Python, with all its errors.
            raise self._damaged(f"'{name}', which NumPy cannot read ({error})") from error
        if values.dtype != dtype or list(values.shape) != list(shape):
            raise self._damaged(
                f"'{name}' of the shape {list(values.shape)} and type {values.dtype}, not "
                f"{list(shape)} and {np.dtype(dtype)}"
            )
        return values

    def _damaged(self, received: str) -> InputError:
        return InputError(
            f"An index must be as `albert-tf index` wrote it. Received '{self.path}' with "
            f"{received}. Build the index again."
        )


def _checked(path: Path) -> dict[str, Any]:
    """Returns the values of a manifest.

    Raises:
      InputError: it is not JSON, of another version, or has other types than `write` writes.
    """
    values = files.read_json(path, "The manifest of an index")
    if values.get("format") != FORMAT:
        raise InputError(
            f"The manifest of an index must have the format {FORMAT}. Received '{path}' with "
            f"{values.get('format')!r:.80}. Build the index again with this version."
        )
    count, sizes, model = values.get("texts"), values.get("files"), values.get("model")
    graph = values.get("graph", {"sha256": "", "expansion": 1, "recall_at_10": 1.0})
    faults = {
        "texts": not _is_count(count),
        "dimensions": not _is_count(values.get("dimensions")),
        "files": not isinstance(sizes, dict)
        or not {VECTORS, TEXTS, OFFSETS} <= sizes.keys() <= {VECTORS, TEXTS, OFFSETS, GRAPH}
        or not all(map(_is_count, sizes.values())),
        "model": not isinstance(model, dict)
        or not all(isinstance(model.get(n), str) for n in ("path", "weights", "vocabulary"))
        or not isinstance(model.get("settings"), dict),
        "graph": not isinstance(graph, dict)
        or not isinstance(graph.get("sha256"), str)
        or not _is_count(graph.get("expansion"))
        or type(graph.get("recall_at_10")) is not float,
    }
    for name, is_wrong in faults.items():
        if is_wrong:
            raise InputError(
                f"The manifest of an index must have {name!r} as `albert-tf index` writes it. "
                f"Received '{path}' with {values.get(name)!r:.80}. Build the index again."
            )
    return values


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**40
