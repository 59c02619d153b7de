"""Rankings and BM25 against pytrec_eval, bm25s and NumPy."""

import json

import numpy as np
import pytest

from albert_tf.errors import InputError
from albert_tf.tasks.embedding import retrieval_metrics
from albert_tf.tasks.embedding.bm25 import Bm25
from tests.support.paths import TESTDATA

GOLDENS = json.loads((TESTDATA / "retrieval/goldens.json").read_text())
GRADES = [dict(map(tuple, pairs)) for pairs in GOLDENS["grades"]]
NAMES = ["recall_at_1", "recall_at_5", "recall_at_10", "mrr_at_10", "ndcg_at_10"]


def test_scores_equal_those_of_pytrec_eval():
    of_each = [
        retrieval_metrics.score([ids], [grades], (1, 5, 10))
        for ids, grades in zip(GOLDENS["rankings"], GRADES)
    ]
    assert all(list(scores) == NAMES for scores in of_each)
    values = np.array([list(scores.values()) for scores in of_each])
    assert np.max(np.abs(values - GOLDENS["scores"])) < 1e-12
    means = retrieval_metrics.score(GOLDENS["rankings"], GRADES, (1, 5, 10))
    assert np.allclose(list(means.values()), np.mean(GOLDENS["scores"], axis=0), atol=1e-12)


@pytest.mark.parametrize("relevant", [[], [{1: 1}] * 2])
def test_rankings_without_their_grades_are_one_error(relevant):
    with pytest.raises(InputError, match="Rankings need the grades of as many queries"):
        retrieval_metrics.score([] if not relevant else [[1]], relevant)


def _vectors(count, seed):
    return np.random.default_rng(seed).normal(size=[count, 13]).astype(np.float32)


@pytest.mark.parametrize("count", [1, 6, 37, 40])
def test_rankings_equal_those_of_numpy(count, monkeypatch):
    monkeypatch.setattr(retrieval_metrics, "_QUERIES", 3)
    monkeypatch.setattr(retrieval_metrics, "_DOCUMENTS", 8)
    queries, documents = _vectors(7, 1), _vectors(37, 2)
    ids, scores = retrieval_metrics.rank(queries, documents, count)
    lengths = [np.linalg.norm(vectors, axis=1) for vectors in (queries, documents)]
    wanted = queries @ documents.T / np.outer(*lengths)
    assert np.array_equal(ids, np.argsort(-wanted, axis=1)[:, :count])
    assert scores.dtype == np.float32 and scores.min() < 0 or count < 37
    assert np.max(np.abs(scores - np.take_along_axis(wanted, ids, axis=1))) < 1e-6


def test_of_equal_documents_the_first_comes_first(monkeypatch):
    monkeypatch.setattr(retrieval_metrics, "_DOCUMENTS", 17)
    documents = np.tile(_vectors(4, 3), [11, 1]) * 2.0 ** (np.arange(44) % 5)[:, np.newaxis]
    documents = documents[np.random.default_rng(0).permutation(44)]
    documents[[5, 40]] = 0
    ids, scores = retrieval_metrics.rank(_vectors(9, 4), documents, 44)
    for row, values in zip(ids, scores):
        rounded = np.round(values, 5)
        assert np.array_equal(row, row[np.lexsort([row, -rounded])])
        assert values[row == 5] == values[row == 40] == 0
    again, _ = retrieval_metrics.rank(_vectors(9, 4), documents, 7)
    assert np.array_equal(again, ids[:, :7])


def test_no_query_and_no_document_have_no_ranking():
    ids, scores = retrieval_metrics.rank(_vectors(0, 1), _vectors(5, 2), 3)
    assert ids.shape == scores.shape == (0, 3)
    ids, scores = retrieval_metrics.rank(_vectors(2, 1), _vectors(0, 2), 3)
    assert ids.shape == scores.shape == (2, 0)


@pytest.mark.parametrize(("bad", "row"), [(np.nan, 0), (np.inf, 3), (-np.inf, 4)])
def test_vectors_that_are_not_finite_are_one_error(bad, row):
    documents = _vectors(5, 1)
    documents[row, 2] = bad
    with pytest.raises(InputError, match=f"must be finite. Received .* in vector {row}. Embed"):
        retrieval_metrics.rank(_vectors(2, 1), documents, 3)
    with pytest.raises(InputError, match="must be finite"):
        retrieval_metrics.rank(documents, _vectors(2, 1), 3)


def test_the_best_scores_are_in_order():
    scores = np.float32([[0.5, -1, 0.5, -0.0, 0.0, 2], [-3, -2, -2, -4, -9, -1]])
    ids, values = retrieval_metrics.best(scores, 5)
    assert ids.tolist() == [[5, 0, 2, 3, 4], [5, 1, 2, 0, 3]]
    assert values.tolist() == [[2, 0.5, 0.5, 0, 0], [-1, -2, -2, -3, -4]]


def test_bm25_equals_bm25s():
    bm25 = Bm25(GOLDENS["texts"])
    scores = np.stack([bm25.scores(query) for query in GOLDENS["queries"]])
    assert scores.dtype == np.float32
    assert np.max(np.abs(scores - np.array(GOLDENS["bm25"]))) < 1e-6


@pytest.mark.parametrize("texts", [[], ["", " . "]])
def test_texts_without_words_have_no_score(texts):
    assert Bm25(texts).scores("a film").tolist() == [0.0] * len(texts)
