"""Measures vectors on the relevance of documents and on the similarity of pairs of texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from albert_tf.tasks.classification import metrics
from albert_tf.tasks.embedding import retrieval_metrics
from albert_tf.tasks.embedding.bm25 import Bm25
from albert_tf.tasks.embedding.evaluation_files import Pairs, Retrieval

Embed = Callable[[Sequence[str]], np.ndarray]  # Texts to vectors, float [N, D].
_AT = (1, 10, 100)  # The numbers of documents that recall looks at.
_OF_PAIRS = ("pearson", "spearman")
_RANDOM = 64  # The numbers of a random vector.


def of_vectors(data: Retrieval | Pairs, embed: Embed) -> dict[str, float]:
    """Returns the metrics of vectors.

    For queries, these are those of `retrieval_metrics.score`; for pairs, `pearson` and `spearman`
    of the cosine with the score.

    Args:
      data: the data.
      embed: takes texts and returns their vectors.
    """
    if isinstance(data, Retrieval):
        ids, _ = retrieval_metrics.rank(embed(data.queries), embed(data.documents), _AT[-1] + 1)
        return _of_rankings(data, ids)
    return _of_similarities(data, _cosines(embed(data.first), embed(data.second)))


def of_words(data: Retrieval | Pairs) -> dict[str, float]:
    """Returns the metrics of BM25, which knows no model: what the words of texts alone can do."""
    if isinstance(data, Pairs):
        bm25 = Bm25(data.second)
        scores = [bm25.scores(text)[number] for number, text in enumerate(data.first)]
        return _of_similarities(data, np.array(scores))
    bm25 = Bm25(data.documents)
    rankings = []
    for query in data.queries:
        ids, scores = retrieval_metrics.best(bm25.scores(query)[np.newaxis], _AT[-1] + 1)
        rankings.append(ids[0][scores[0] > 0])
    return _of_rankings(data, rankings)


def of_random(data: Retrieval | Pairs) -> dict[str, float]:
    """Returns the metrics of random vectors, the same at each call."""
    rng = np.random.default_rng(0)
    return of_vectors(data, lambda texts: rng.normal(size=[len(texts), _RANDOM]))


def _of_rankings(data: Retrieval, rankings: Iterable[np.ndarray]) -> dict[str, float]:
    others = [[i for i in ids.tolist() if i != own] for ids, own in zip(rankings, data.own)]
    return retrieval_metrics.score(others, data.grades, _AT)


def _of_similarities(data: Pairs, similarities: np.ndarray) -> dict[str, float]:
    found = metrics.of_numbers(np.array(data.scores), similarities)
    return {name: found[name] for name in _OF_PAIRS}


def _cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    first, second = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.sum(first * second, axis=1) / np.where(lengths > 0, lengths, 1.0)


def table(systems: Mapping[str, Mapping[str, float]]) -> str:
    """Returns a table with a row for each metric and a column for each system."""
    names = next(iter(systems.values()))
    lines = [f"{'metric':<16}" + "".join(f"{system:>16}" for system in systems)]
    for name in names:
        cells = "".join(f"{scores[name]:16.4f}" for scores in systems.values())
        lines.append(f"{name:<16}{cells}")
    return "\n".join(lines)
