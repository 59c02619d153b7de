"""Measures vectors on the relevance of documents, on the similarity of pairs and on single texts.

Axes: N texts or pairs of texts, Q queries, M documents, D numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

import numpy as np

from albert_tf.tasks.classification import metrics
from albert_tf.tasks.embedding import bm25, retrieval_metrics
from albert_tf.tasks.embedding.evaluation_files import Pairs, Retrieval

Embed = Callable[[Sequence[str]], np.ndarray]  # Texts to vectors, float [N, D].
_RANDOM = 64  # The numbers of a random vector.
_COMPARED = 4096  # The most texts that uniformity compares, to bound time and memory.
# What says nothing about models that are compared: scores in files have a scale of their own.
_LEFT_OUT = ("mean_squared_error", "distinct_answers")


def of_vectors(data: Retrieval | Pairs, first: np.ndarray, second: np.ndarray) -> dict[str, float]:
    """Returns the metrics of vectors.

    For queries, these are those of `retrieval_metrics.score`, and distinct_answers, the number of
    documents that come first; for pairs, those of `metrics.of_numbers` for the cosines.

    Args:
      data: the data.
      first: the vectors of the queries, [Q, D], or of the first texts, [N, D].
      second: the vectors of the documents, [M, D], or of the second texts, [N, D].
    """
    if isinstance(data, Retrieval):
        ids, _ = retrieval_metrics.rank(first, second, data.at[-1] + 1)
        return _of_rankings(data, ids)
    return _of_similarities(data, np.einsum("nd,nd->n", _units(first), _units(second)))


def to_find(
    texts: np.ndarray, pairs: Sequence[Sequence[str]]
) -> tuple[Retrieval, np.ndarray, np.ndarray]:
    """Returns the task of finding the positives of each anchor among those of all pairs.

    The text of an anchor is no answer to it, unless the data say so.

    Args:
      texts: a number for each text, the same for the same text, int [N, 2].
      pairs: the texts, an anchor and its positive each.

    Returns:
      The task; the first pair with each query, int [Q]; and with each document, int [M].
    """
    anchors, queries = np.unique(texts[:, 0], return_index=True)
    positives, documents = np.unique(texts[:, 1], return_index=True)
    places = {text: place for place, text in enumerate(positives.tolist())}
    grades: dict[int, dict[int, float]] = {anchor: {} for anchor in anchors.tolist()}
    for anchor, positive in texts.tolist():
        grades[anchor][places[positive]] = 1.0
    own = [places.get(anchor) for anchor in grades]
    data = Retrieval(
        [pairs[pair][1] for pair in documents],
        [pairs[pair][0] for pair in queries],
        list(grades.values()),
        [None if place in right else place for place, right in zip(own, grades.values())],
    )
    return data, queries, documents


def of_words(data: Retrieval | Pairs) -> dict[str, float]:
    """Returns the metrics of what the words of texts alone can do.

    Documents are ranked by BM25, those without a word of the query not at all. The similarity of a
    pair is the share of words that the texts have in common.
    """
    if isinstance(data, Pairs):
        words = ([set(bm25.words(text)) for text in texts] for texts in (data.first, data.second))
        shares = [len(a & b) / max(len(a | b), 1) for a, b in zip(*words)]
        return _of_similarities(data, np.array(shares))
    scores = bm25.Bm25(data.documents)
    rankings = []
    for query in data.queries:
        ids, values = retrieval_metrics.best(scores.scores(query)[np.newaxis], data.at[-1] + 1)
        rankings.append(ids[0][values[0] > 0])
    return _of_rankings(data, rankings)


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


def random_vectors(names: Sequence[Hashable], size: int = _RANDOM) -> np.ndarray:
    """Returns a random vector for each name, [N, D], the same for the same name."""
    numbers: dict[Hashable, int] = {}
    places = [numbers.setdefault(name, len(numbers)) for name in names]
    return np.random.default_rng(0).standard_normal([len(numbers), size])[places]


def compare(data: Retrieval | Pairs, models: Mapping[str, Embed]) -> dict[str, dict[str, float]]:
    """Returns the metrics of models by name, and those of words and of random vectors."""
    texts = (data.queries, data.documents) if isinstance(data, Retrieval) else data[:2]
    found = {name: of_vectors(data, *map(embed, texts)) for name, embed in models.items()}
    found["words"] = of_words(data)
    vectors = random_vectors([*texts[0], *texts[1]])
    found["random"] = of_vectors(data, vectors[: len(texts[0])], vectors[len(texts[0]) :])
    return {
        name: {metric: value for metric, value in values.items() if metric not in _LEFT_OUT}
        for name, values in found.items()
    }


def table(systems: Mapping[str, Mapping[str, float]]) -> str:
    """Returns a table with a row for each metric and a column for each system."""
    names = next(iter(systems.values()))
    lines = [f"{'metric':<16}" + "".join(f"{system:>16}" for system in systems)]
    for name in names:
        cells = "".join(f"{scores[name]:16.4f}" for scores in systems.values())
        lines.append(f"{name:<16}{cells}")
    return "\n".join(lines)


def _of_rankings(data: Retrieval, rankings: Iterable[np.ndarray]) -> dict[str, float]:
    others = [[i for i in ids.tolist() if i != own] for ids, own in zip(rankings, data.own)]
    scores = retrieval_metrics.score(others, data.grades, data.at)
    return {**scores, "distinct_answers": float(len({ids[0] for ids in others if ids}))}


def _of_similarities(data: Pairs, similarities: np.ndarray) -> dict[str, float]:
    return metrics.of_numbers(np.asarray(data.scores), similarities)


def _units(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)
