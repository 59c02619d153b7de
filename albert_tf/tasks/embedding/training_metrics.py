"""Scores vectors of held-out texts, and of what to compare them with: words and random vectors.

Axes: N examples, C texts of an example (1 or 2), D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from albert_tf.tasks.classification import metrics
from albert_tf.tasks.embedding import bm25, retrieval_metrics

_FOUND = 10  # The documents that are found for each query.
_COMPARED = 4096  # The most texts that uniformity compares, to bound time and memory.


def of_scores(targets: np.ndarray, vectors: np.ndarray) -> dict[str, float]:
    """Returns the metrics of cosines for targets; see `metrics.of_numbers`.

    Args:
      targets: the cosines that scores stand for, float [N].
      vectors: float [N, 2, D].
    """
    units = _units(vectors)
    return metrics.of_numbers(targets, np.einsum("nd,nd->n", units[:, 0], units[:, 1]))


def of_pairs(texts: np.ndarray, vectors: np.ndarray) -> dict[str, float]:
    """Returns the metrics of finding the positives of each anchor among those of all examples.

    Args:
      texts: a number for each text, the same for the same text, int [N, 2].
      vectors: float [N, 2, D].

    Returns:
      See `retrieval_metrics.score`; and distinct_answers, the number of texts that come first.
    """
    queries, documents = _rows(texts)
    ranked, _ = retrieval_metrics.rank(
        vectors[queries, 0], vectors[documents, 1], _FOUND + 1
    )  # [Q, _FOUND + 1]
    return _of_ranking(texts, ranked)


def of_texts(vectors: np.ndarray) -> dict[str, float]:
    """Returns the uniformity of texts without labels, higher if they are spread more evenly.

    It is minus the uniformity loss of Wang and Isola 2020: the logarithm of the mean of exp(-2 d^2)
    over the distances d of all pairs of unit vectors; of some texts if there are many.

    Args:
      vectors: float [N, D].
    """
    chosen = np.unique(np.linspace(0, len(vectors) - 1, _COMPARED).astype(int))
    units = _units(vectors[chosen])
    distances = 2 - 2 * (units @ units.T)  # Squared, [n, n].
    pairs = distances[np.triu_indices(len(units), k=1)]
    return {"uniformity": -float(np.log(np.mean(np.exp(-2 * pairs)))) if len(pairs) else 0.0}


def words_of_scores(targets: np.ndarray, pairs: Sequence[Sequence[str]]) -> dict[str, float]:
    """Returns `of_scores` for the share of words that two texts have in common."""
    shares = []
    for pair in pairs:
        first, second = (set(bm25.words(text)) for text in pair)
        shares.append(len(first & second) / max(len(first | second), 1))
    return metrics.of_numbers(targets, np.array(shares))


def words_of_pairs(texts: np.ndarray, pairs: Sequence[Sequence[str]]) -> dict[str, float]:
    """Returns `of_pairs` for a ranking by BM25."""
    queries, documents = _rows(texts)
    scores = bm25.Bm25(pairs[row][1] for row in documents)
    ranked = [
        retrieval_metrics.best(scores.scores(pairs[row][0])[np.newaxis], _FOUND + 1)[0][0]
        for row in queries
    ]
    return _of_ranking(texts, np.stack(ranked))


def random_vectors(texts: np.ndarray, size: int) -> np.ndarray:
    """Returns a random vector for each text, float [N, C, D]; the same for the same text."""
    return np.random.default_rng(0).standard_normal([texts.max() + 1, size])[texts]


def _rows(texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the examples in which distinct anchors, and distinct positives, are first."""
    return tuple(np.unique(texts[:, column], return_index=True)[1] for column in (0, 1))


def _of_ranking(texts: np.ndarray, ranked: np.ndarray) -> dict[str, float]:
    """Returns the metrics of the documents found for each query, as places in `_rows`."""
    anchors, positives = np.unique(texts[:, 0]), np.unique(texts[:, 1])
    relevant: dict[int, dict[int, float]] = {anchor: {} for anchor in anchors.tolist()}
    for anchor, positive in texts.tolist():
        relevant[anchor][positive] = 1.0
    # The text of a query is no answer to it, unless the data say so.
    found = [
        [text for text in row if text != anchor or text in relevant[anchor]][:_FOUND]
        for anchor, row in zip(relevant, positives[ranked].tolist())
    ]
    scores = retrieval_metrics.score(found, list(relevant.values()))
    return {**scores, "distinct_answers": float(len({row[0] for row in found if row}))}


def _units(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)
