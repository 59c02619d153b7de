"""Ranks documents by the cosine of their vectors with those of queries, and scores rankings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from albert_tf.errors import InputError

_QUERIES, _DOCUMENTS = 256, 8192  # In a block; both with their keys take 32 MB.
_RANKS = 10  # Of mrr_at_10 and ndcg_at_10, as in BEIR.


def score(
    ranked_ids: Sequence[Sequence[int]],
    relevant: Sequence[Mapping[int, float]],
    at: Sequence[int] = (1, 10),
) -> dict[str, float]:
    """Returns the means of metrics over queries, as pytrec_eval and BEIR compute them.

    Args:
      ranked_ids: the documents found for each query, the best one first.
      relevant: the grades of the documents that were judged for each query. Those above 0 are
        relevant. A query without relevant documents has 0 in each metric.
      at: the numbers of documents to look at for recall.

    Returns:
      recall_at_K for each K, the share of the relevant documents that are among the first K;
      mrr_at_10, one divided by the rank of the first relevant document, 0 below rank 10; and
      ndcg_at_10, the sum of the grades divided by log2(rank + 1), relative to that of the best
      order (Järvelin and Kekäläinen 2002).

    Raises:
      InputError: there are no queries, or the numbers of queries differ.
    """
    if not len(ranked_ids) or len(ranked_ids) != len(relevant):
        raise InputError(
            "Rankings need the grades of as many queries, and at least one. Received "
            f"{len(ranked_ids)} rankings and the grades of {len(relevant)} queries. Pass a mapping "
            "for each ranking."
        )
    rows = [_of_query(list(ids), grades, at) for ids, grades in zip(ranked_ids, relevant)]
    names = [*(f"recall_at_{k}" for k in at), f"mrr_at_{_RANKS}", f"ndcg_at_{_RANKS}"]
    return dict(zip(names, np.mean(rows, axis=0).tolist()))


def _of_query(ids: list[int], grades: Mapping[int, float], at: Sequence[int]) -> list[float]:
    gains = np.array([max(grades.get(i, 0.0), 0.0) for i in ids], np.float64)
    best = np.array(sorted((grade for grade in grades.values() if grade > 0), reverse=True))
    if not len(best):
        return [0.0] * (len(at) + 2)
    recalls = [np.count_nonzero(gains[:k]) / len(best) for k in at]
    hits = np.flatnonzero(gains[:_RANKS])
    reciprocal = 1 / (hits[0] + 1) if len(hits) else 0.0
    return [*recalls, reciprocal, _discounted(gains) / _discounted(best)]


def _discounted(gains: np.ndarray) -> float:
    gains = gains[:_RANKS]
    return float(np.sum(gains / np.log2(np.arange(2, len(gains) + 2))))


def rank(queries: np.ndarray, documents: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the documents whose vectors have the largest cosines with those of queries.

    Memory does not depend on the number of documents, which may be an array that is mapped into
    memory. Of the same scores, the document with the lower id comes first: the products are
    computed in float64 and rounded, so a vector has the same score wherever it is. The cosine with
    a vector of length 0 is 0.

    Args:
      queries: [Q, D].
      documents: [N, D].
      count: the number of documents for each query, K; all of them if there are fewer.

    Returns:
      The ids, int64 [Q, K], and the cosines, float32 [Q, K], from the best on.

    Raises:
      InputError: a vector has numbers that are not finite.
    """
    found = [np.zeros([0, min(count, len(documents))], np.uint64)]
    for rows, lengths in _blocks(queries, _QUERIES):  # [q, D], [q]
        units = rows / lengths[:, np.newaxis]
        kept = np.zeros([len(units), 0], np.uint64)
        begin = 0
        for block, lengths in _blocks(documents, _DOCUMENTS):  # [n, D], [n]
            cosines = (units @ block.T / lengths).astype(np.float32)  # [q, n]
            kept = _largest(np.concatenate([kept, _keys(cosines, begin)], axis=1), count)
            begin += len(block)
        found.append(kept)
    return _ids_and_scores(np.concatenate(found))


def best(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the ids and the values of the largest scores, as `rank` does.

    Args:
      scores: the scores of documents, float32 [Q, N].
      count: see `rank`.
    """
    return _ids_and_scores(_largest(_keys(scores, 0), count))


def _blocks(vectors: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields blocks of vectors in float64, and their lengths, 1 for those of length 0."""
    for begin in range(0, len(vectors), size):
        block = np.asarray(vectors[begin : begin + size], np.float64)
        lengths = np.sqrt(np.einsum("nd,nd->n", block, block))
        if not np.isfinite(lengths).all():
            row = begin + int(np.argmin(np.isfinite(lengths)))
            raise InputError(
                f"Vectors must be finite. Received NaN or infinite numbers in vector {row}. Embed "
                "the texts again, with intact weights."
            )
        yield block, np.where(lengths > 0, lengths, 1.0)


def _keys(scores: np.ndarray, first: int) -> np.ndarray:
    """Returns numbers in the order of scores and, for the same score, of descending ids.

    Args:
      scores: float32 [Q, N].
      first: the id of the first document; ids are below 2**32.

    Returns:
      uint64 [Q, N], the bits of the score in an order without signs, then those of the id.
    """
    bits = (scores + np.float32(0)).view(np.uint32)  # The sum makes 0.0 of -0.0.
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)).astype(np.uint64)
    ids = np.arange(first, first + scores.shape[1], dtype=np.uint32)
    return ordered << np.uint64(32) | (~ids).astype(np.uint64)


def _largest(keys: np.ndarray, count: int) -> np.ndarray:
    """Returns the largest numbers of each row in descending order."""
    if count < keys.shape[1]:
        keys = np.partition(keys, keys.shape[1] - count, axis=1)[:, keys.shape[1] - count :]
    return np.sort(keys, axis=1)[:, ::-1]


def _ids_and_scores(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns what `_keys` has joined."""
    ordered = (keys >> np.uint64(32)).astype(np.uint32)
    bits = np.where(ordered >> 31, ordered & np.uint32((1 << 31) - 1), ~ordered)
    return (~keys.astype(np.uint32)).astype(np.int64), bits.view(np.float32)
