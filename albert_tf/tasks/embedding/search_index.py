"""`SearchIndex`: the texts whose vectors are nearest to that of a query."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from albert_tf import presets
from albert_tf.data.tables import ID
from albert_tf.errors import InputError
from albert_tf.files import check_new_directory
from albert_tf.formats.load import load
from albert_tf.formats.source import Source
from albert_tf.task_types import EMBEDDING, TaskDescription
from albert_tf.task_types import FILE as TASK
from albert_tf.tasks.answer_files import kept_names
from albert_tf.tasks.embedding import index_folder, nearest
from albert_tf.tasks.embedding.model import as_embedding
from albert_tf.tasks.embedding.retrieval_metrics import rank
from albert_tf.tasks.predictor import Predictor


class Hit(NamedTuple):
    """A text that was found.

    Attributes:
      rank: its place, from 1.
      id: its column "id", if the index has it, or else its number in the index, from 0.
      score: the cosine of its vector with that of the query.
      text: the text.
      columns: its other columns.
    """

    rank: int
    id: str | int
    score: float
    text: str
    columns: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Returns the attributes and the columns by name, for JSON."""
        found = {"rank": self.rank, "id": self.id, "score": round(self.score, 6), "text": self.text}
        return found | dict(zip(kept_names(list(self.columns), found), self.columns.values()))


class SearchIndex:
    """An index of texts by their vectors, in a folder.

    ```python
    index = SearchIndex.build("films.index", texts, "albert_base_v2", pooling="mean")
    for hit in SearchIndex.load("films.index").search(["a fine film"], top=3)[0]:
        print(hit.rank, hit.score, hit.text)
    ```

    All vectors are compared up to `nearest.EXACT` of them; of more, a graph finds candidates, which
    are then compared. Of the same scores, the text that comes first in the index is better.

    Args:
      folder: the folder of the index.
      model: the model that embeds queries, which must have the weights and vocabulary of the one
        that made the index; by default, the path or name of that one, from the manifest. It is read
        when the first text is searched for.

    Raises:
      InputError: there is no index, or it is damaged.
    """

    def __init__(self, folder: str | os.PathLike, model: Any = None) -> None:
        self.folder = index_folder.Folder(folder)
        self._model = model

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.folder)

    @classmethod
    def load(cls, folder: str | os.PathLike, model: Any = None) -> SearchIndex:
        """Returns the index in a folder; arguments and errors are those of the class."""
        return cls(folder, model)

    @classmethod
    def build(
        cls,
        folder: str | os.PathLike,
        texts: Sequence[str] | Sequence[Mapping[str, str]],
        model: str | os.PathLike | Source,
        pooling: str | Sequence[str] = "",
        normalize: bool = False,
        batch_size: int = 32,
    ) -> SearchIndex:
        """Embeds texts in memory and writes their index; `albert-tf index` takes any number.

        Args:
          folder: the folder to write, which must be new or empty.
          texts: the texts, or mappings of columns, of which the first is the text.
          model: see `as_embedding`, as are the next two.
          pooling: how the vectors of tokens become one.
          normalize: whether vectors are divided by their lengths, which does not change scores.
          batch_size: the number of texts in a batch.

        Raises:
          InputError: the model cannot be read, the folder has files, or there are no texts.
        """
        check_new_directory(folder, index_folder.WHAT)
        nearest.check_installed(lambda: len(texts))
        predictor = Predictor(as_embedding(model, pooling, normalize))
        columns = [{"text": text} if isinstance(text, str) else dict(text) for text in texts]
        vectors = predictor.embed([next(iter(row.values())) for row in columns], batch_size)
        about = description(predictor, model)
        index_folder.write(Path(folder), index_folder.rows(columns, vectors), about)
        return cls(folder, predictor.source)

    def search(self, texts: Iterable[str], top: int = 10) -> list[list[Hit]]:
        """Returns the best hits for each text, the best one first.

        Args:
          texts: the queries.
          top: the number of hits, if there are as many texts.

        Raises:
          InputError: the model is not that of the index, or the index is damaged.
        """
        check_top(top)
        return self.nearest(self.predictor.embed(texts), top)

    def nearest(self, vectors: np.ndarray, top: int = 10) -> list[list[Hit]]:
        """Returns the best hits for vectors of the model, [N, D]; see `search`."""
        size = self.folder.vectors.shape[1]
        if np.ndim(vectors) != 2 or np.shape(vectors)[1] != size:
            raise InputError(
                f"Vectors to search for must have {size} numbers, as those of the index. Received "
                f"the shape {list(np.shape(vectors))}. Use the model that made the index."
            )
        check_top(top)
        return [self._hits(ids, scores) for ids, scores in self._ranked(vectors, top)]

    def _ranked(self, vectors: np.ndarray, top: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        stored, graph = self.folder.vectors, self.folder.graph
        if graph is None:
            yield from zip(*rank(vectors, stored, top))
            return
        for vector, near in zip(vectors, graph.near(vectors, top)):
            ids, scores = rank(vector[np.newaxis], stored[near], top)
            yield near[ids[0]], scores[0]

    def _hits(self, ids: np.ndarray, scores: np.ndarray) -> list[Hit]:
        hits = []
        rows = self.folder.columns(ids.tolist())
        for place, (number, score, columns) in enumerate(zip(ids, scores, rows), start=1):
            text = columns.pop(next(iter(columns)))
            name = columns.pop(ID, int(number))
            hits.append(Hit(place, name, float(score), text, columns))
        return hits

    @functools.cached_property
    def predictor(self) -> Predictor:
        """The model that embeds queries, after `check`."""
        predictor = Predictor(self.source())
        self.check(predictor)
        return predictor

    def source(self) -> Source:
        """Returns the model with the pooling and the length that the index was made with."""
        about = self.folder.model
        try:
            source = load(self._model if self._model is not None else about["path"])
        except InputError as error:
            if self._model is not None:
                raise
            raise InputError(
                "The model of an index must be where it was, or be named with --model. Received "
                f"'{self.folder.path}' with a model that cannot be read: {error}"
            ) from error
        task = TaskDescription(EMBEDDING, settings=about["settings"])
        return dataclasses.replace(source, task=task)

    def check(self, predictor: Predictor) -> None:
        """Raises `InputError` if a model has not made the vectors of this index."""
        about, given = self.folder.model, description(predictor, predictor.source)
        for name in ("weights", "vocabulary"):
            if about[name] != given[name]:
                raise InputError(
                    "An index is searched with the model that made it. Received "
                    f"'{self.folder.path}', made by '{about['path']}' with {name} "
                    f"{about[name][:8]}, and '{predictor.source.path}' with {given[name][:8]}. "
                    "Pass that model with --model, or build the index again."
                )


def check_top(top: int) -> None:
    """Raises `InputError` if a number of hits is below 1."""
    if top < 1:
        raise InputError(f"top must be at least 1. Received {top}. Leave it out for 10.")


def description(predictor: Predictor, model: Any, seq_length: int = 0) -> dict[str, Any]:
    """Returns what a manifest says about a model for embeddings.

    Args:
      predictor: the model.
      model: what it was read from: its path, name or handle, or a `Source`.
      seq_length: the sequence length; that of the predictor by default.

    Returns:
      Its `path`, absolute if it is one; digests of its `weights` and its `vocabulary`; and the
      `settings` of its task.
    """
    weights, vocabulary = hashlib.sha256(), hashlib.sha256()
    for variable in predictor.model.variables:
        weights.update(str(tuple(variable.shape)).encode())
        weights.update(variable.numpy().tobytes())
    for name, content in sorted(predictor.task.folder_files().items()):
        if name != TASK:
            content = content.encode() if isinstance(content, str) else content.read_bytes()
            vocabulary.update(content)
    path = os.fspath(predictor.source.path if isinstance(model, Source) else model)
    is_name = "://" in path or (path in presets.PRESETS and not os.path.exists(path))
    settings = {**predictor.task.settings(), "seq_length": seq_length or predictor.seq_length}
    return {
        "path": path if is_name else os.path.abspath(os.path.expanduser(path)),
        "weights": weights.hexdigest(),
        "vocabulary": vocabulary.hexdigest(),
        "settings": settings,
    }
