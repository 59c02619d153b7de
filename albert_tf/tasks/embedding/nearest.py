"""The graph that finds the nearest of many vectors approximately, by usearch (HNSW).

Malkov and Yashunin 2018. Up to `EXACT` vectors, comparing all of them is fast enough.
"""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tqdm

from albert_tf.errors import InputError
from albert_tf.tasks.embedding.retrieval_metrics import rank

EXACT = 100_000
WANTED = 0.95  # The recall for which the search looks at more vectors.
_SAMPLE, _NEAREST = 1000, 10  # The queries that recall is measured with, and their neighbours.
_EXPANSIONS = (64, 128, 256, 512, 1024)  # Numbers of candidates that a search keeps.
_BLOCK = 8192
_THREADS = 0  # As many as there are cores.


def library(why: str) -> ModuleType:
    """Returns usearch.index.

    Raises:
      InputError: it is not installed; `why` is what was received that needs it.
    """
    try:
        from usearch import index
    except ImportError as error:
        raise InputError(
            f"An index of more than {EXACT:,} vectors needs a package that is not installed "
            f"({error}). Received {why}. Run pip install 'albert-tf[search]'."
        ) from error
    return index


def check_installed(count: Callable[[], int]) -> None:
    """Raises `InputError` if usearch is missing and needed for `count()` vectors."""
    try:
        library("")
    except InputError:
        if (found := count()) > EXACT:
            library(f"{found:,} texts")


def build(vectors: np.ndarray, path: Path) -> dict[str, Any]:
    """Writes the graph of vectors, and returns what `Graph` needs and how well it finds.

    It has the vectors in float16, so that it has half their size. Its edges depend on the timing of
    threads: two graphs of the same vectors may find other neighbours in a few cases.

    Args:
      vectors: float32 [N, D], also mapped into memory.
      path: the file to write.

    Returns:
      The `library` with its version; `expansion`, the number of candidates that a search keeps,
      doubled until recall is `WANTED`; `recall_at_10`, the share of the ten nearest vectors that
      are found; and `sample`, the number of vectors that it was measured with.
    """
    usearch = library(f"{len(vectors):,} vectors")
    graph = usearch.Index(ndim=vectors.shape[1], metric="ip", dtype="f16", expansion_add=128)
    with tqdm.tqdm(None, "index", len(vectors), unit=" rows", disable=None) as bar:
        for begin in range(0, len(vectors), _BLOCK):
            block = _units(vectors[begin : begin + _BLOCK])
            graph.add(np.arange(begin, begin + len(block)), block, threads=_THREADS)
            bar.update(len(block))
    graph.save(os.fspath(path))
    count = min(_SAMPLE, len(vectors))
    sample = np.sort(np.random.default_rng(0).choice(len(vectors), count, replace=False))
    queries = np.asarray(vectors[sample])
    wanted = rank(queries, vectors, _NEAREST + 1)[0]  # A vector is the nearest of itself.
    for expansion in _EXPANSIONS:
        found = _near(graph, queries, _NEAREST + 1, expansion)
        shares = [np.mean(np.isin(np.setdiff1d(w, i), f)) for i, w, f in zip(sample, wanted, found)]
        if (recall := float(np.mean(shares))) >= WANTED:
            break
    return {
        "library": f"usearch {importlib.metadata.version('usearch')}",
        "expansion": expansion,
        "recall_at_10": round(recall, 4),
        "sample": count,
    }


class Graph:
    """A graph that `build` has written, mapped into memory.

    Args:
      path: its file.
      settings: what `build` returned.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        usearch = library(f"'{path}'")
        self._graph = usearch.Index.restore(os.fspath(path), view=True)
        self._expansion = settings["expansion"]

    def near(self, queries: np.ndarray, count: int) -> list[np.ndarray]:
        """Returns the ids of vectors near each query in ascending order, more than `count`."""
        return _near(self._graph, queries, count, self._expansion)


def _near(graph: Any, queries: np.ndarray, count: int, expansion: int) -> list[np.ndarray]:
    count *= 2  # Vectors in float16 have another order.
    graph.expansion_search = max(expansion, count)
    # A single query would be answered in another form.
    found = graph.search(np.concatenate([_units(queries), np.zeros_like(queries[:1])]), count)
    return [np.sort(ids[:size]) for ids, size in zip(found.keys[:-1], found.counts)]


def _units(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)
