"""Metrics of held-out texts, with values by hand, from scipy and from explicit loops."""

import math

import numpy as np
import pytest
from scipy import stats

from albert_tf.tasks.embedding import training_metrics

RNG = np.random.default_rng(5)


def test_scores_are_correlated_with_cosines():
    vectors, targets = RNG.normal(size=(9, 2, 4)).astype(np.float32), RNG.uniform(size=9)
    cosines = [a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) for a, b in vectors]
    metrics = training_metrics.of_scores(targets, vectors)
    assert metrics["spearman"] == pytest.approx(stats.spearmanr(targets, cosines)[0])
    assert metrics["pearson"] == pytest.approx(stats.pearsonr(targets, cosines)[0], abs=1e-6)
    wanted = np.mean((targets - np.array(cosines)) ** 2)
    assert metrics["mean_squared_error"] == pytest.approx(wanted, abs=1e-6)


def test_each_anchor_is_to_find_its_positives_among_those_of_all_rows():
    # Anchor 10 has the positives 20 and 21; anchor 20 is the positive of another row.
    texts = np.array([[10, 20], [10, 21], [11, 22], [20, 23]])
    direction = {
        10: (1, 0.0), 11: (0, 1), 20: (1, 0.1), 21: (0.1, 1), 22: (0.2, 1), 23: (1, 0.2)
    }  # fmt: skip
    vectors = np.array([[direction[text] for text in row] for row in texts])
    # 10 finds 20, 23, 22, 21; 11 finds 21, 22, ...; 20 finds 23 after itself, which is no answer.
    metrics = training_metrics.of_pairs(texts, vectors)
    assert metrics["recall_at_1"] == pytest.approx((0.5 + 0 + 1) / 3)
    assert metrics["recall_at_10"] == 1
    assert metrics["mrr_at_10"] == pytest.approx((1 + 1 / 2 + 1) / 3)
    gains = (1 + 1 / math.log2(5)) / (1 + 1 / math.log2(3))
    assert metrics["ndcg_at_10"] == pytest.approx((gains + 1 / math.log2(3) + 1) / 3)
    assert metrics["distinct_answers"] == 3


def test_words_and_random_vectors_are_compared_with():
    pairs = [("a red file", "the red one"), ("a blue list", "blue"), ("an old path", "path, old")]
    texts = np.array([[0, 1], [2, 3], [4, 5]])
    assert training_metrics.words_of_pairs(texts, pairs)["mrr_at_10"] == 1
    words = training_metrics.words_of_scores(np.array([1 / 5, 1 / 3, 2 / 3]), pairs)
    assert words["mean_squared_error"] == pytest.approx(0)
    vectors = training_metrics.random_vectors(np.array([[0, 1], [1, 2]]), 50)
    assert vectors.shape == (2, 2, 50) and np.array_equal(vectors[0, 1], vectors[1, 0])
    assert abs(vectors.mean()) < 0.2 and abs(vectors.std() - 1) < 0.2


def test_uniformity_is_that_of_all_pairs(monkeypatch):
    vectors = RNG.normal(size=(7, 3))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [math.exp(-2 * np.sum((units[i] - units[j]) ** 2)) for i in range(7) for j in range(i)]
    expected = -math.log(np.mean(pairs))
    assert training_metrics.of_texts(vectors)["uniformity"] == pytest.approx(expected)
    assert training_metrics.of_texts(np.ones([5, 3]))["uniformity"] == pytest.approx(0, abs=1e-12)
    monkeypatch.setattr(training_metrics, "_COMPARED", 4)  # Rows 0, 2, 4 and 6.
    some = training_metrics.of_texts(vectors)["uniformity"]
    assert some == pytest.approx(training_metrics.of_texts(vectors[::2])["uniformity"])
