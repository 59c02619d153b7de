"""Losses against NumPy; see also tests/convert/peers_test.py for those of sentence-transformers."""

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.tasks.embedding import losses

B, D = 5, 7


def units(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def expected(vectors, temperature, wrong=()):
    """The cross entropy of each row's positive among all texts but anchors.

    `wrong` has pairs of an anchor and a candidate, counted over positives, then negatives.
    """
    unit = units(vectors.astype(np.float64))
    candidates = np.concatenate([unit[:, column] for column in range(1, vectors.shape[1])])
    scores = np.exp(unit[:, 0] @ candidates.T / temperature)
    for pair in wrong:
        scores[pair] = 0.0
    own = np.arange(len(vectors))
    return -np.log(scores[own, own] / scores.sum(axis=1))


def contrastive(vectors, texts, temperature=0.05, part=slice(None)):
    texts = np.asarray(texts, np.int32)
    return losses.contrastive(
        vectors[part], texts[part], vectors, tf.constant(texts), temperature
    ).numpy()


@pytest.fixture
def vectors():
    return np.random.default_rng(3).normal(size=(B, 3, D)).astype(np.float32)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("temperature", [0.05, 0.7])
def test_the_positive_is_found_among_all_texts_of_the_batch(count, temperature, vectors):
    vectors, texts = vectors[:, :count], np.arange(B * count).reshape(B, count)
    wanted = expected(vectors, temperature)
    assert wanted.max() > 1  # Temperature and negatives matter.
    values = contrastive(vectors, texts, temperature)
    np.testing.assert_allclose(values, wanted, atol=1e-6, rtol=1e-6)
    part = contrastive(vectors, texts, temperature, slice(1, 4))
    np.testing.assert_allclose(part, wanted[1:4], atol=1e-6, rtol=1e-6)


def test_texts_that_are_no_negatives_are_left_out(vectors):
    texts = np.arange(B * 3).reshape(B, 3)
    texts[1, 0] = texts[0, 0]  # The same anchor: both positives are right for both.
    texts[3, 1] = texts[2, 1]  # The same positive.
    texts[4, 2] = texts[0, 1]  # A negative that is the positive of two other rows,
    texts[2, 2] = texts[4, 0]  # or an anchor,
    texts[1, 2] = -1  # or no text.
    wrong = [(0, 1), (1, 0), (2, 3), (3, 2), (0, B + 4), (1, B + 4), (4, B + 2)]
    wrong += [(row, B + 1) for row in range(B)]
    values = contrastive(vectors, texts, 0.7)
    np.testing.assert_allclose(values, expected(vectors, 0.7, wrong), atol=1e-6, rtol=1e-6)
    assert np.all(values < expected(vectors, 0.7) - 1e-3)


def known(texts):
    """The pairs of anchors and candidates, as in `expected`, that explicit loops leave out."""
    positives = texts[:, 1].tolist()
    names = [*positives, *texts[:, 2].tolist()]
    together = {frozenset(pair) for pair in zip(texts[:, 0].tolist(), positives)}
    return [
        (row, place)
        for row, anchor in enumerate(texts[:, 0].tolist())
        for place, name in enumerate(names)
        if name in (anchor, -1) or frozenset((anchor, name)) in together
    ]


def test_a_text_that_belongs_to_the_anchor_by_another_row_is_left_out(vectors):
    a, b, c, d, e, f = range(6)
    texts = np.array([[a, b, -1], [a, c, -1], [d, c, -1], [e, a, c], [d, f, -1]])
    rows = known(texts)
    # c belongs to a by the second row, wherever it is; and e, the anchor of the fourth.
    assert {(0, 1), (0, 2), (0, B + 3), (1, 2)} <= set(rows)
    assert (0, 4) not in rows  # f is related to a by way of d and c only.
    wanted = expected(vectors, 0.7, [pair for pair in rows if pair[0] != pair[1]])
    np.testing.assert_allclose(contrastive(vectors, texts, 0.7), wanted, atol=1e-6, rtol=1e-6)
    texts[4] = [a, e, -1]  # The fourth row in the other order.
    assert (0, 4) in known(texts)


def test_left_out_texts_are_those_of_explicit_loops(vectors):
    rng = np.random.default_rng(4)
    for texts in rng.integers(-1, 7, size=(20, B, 3)).astype(np.int32):
        texts[:, :2] = np.abs(texts[:, :2])
        pairs = [pair for pair in known(texts) if pair[0] != pair[1]]
        wanted = expected(vectors, 0.7, pairs)
        np.testing.assert_allclose(contrastive(vectors, texts, 0.7), wanted, atol=1e-5, rtol=1e-5)
        part = contrastive(vectors, texts, 0.7, slice(1, 3))
        np.testing.assert_allclose(part, wanted[1:3], atol=1e-5, rtol=1e-5)


def test_a_text_alone_has_no_loss(vectors):
    same = np.zeros([B, 2], np.int32)
    assert np.all(contrastive(vectors[:, :2], same) == 0)
    values = contrastive(vectors[:, :1], np.arange(B)[:, np.newaxis])
    np.testing.assert_allclose(values, expected(vectors[:, [0, 0]], 0.05), atol=1e-6)


def test_scores_are_errors_of_cosines(vectors):
    targets = np.linspace(0, 1, B).astype(np.float32)
    unit = units(vectors.astype(np.float64))
    wanted = ((unit[:, 0] * unit[:, 1]).sum(-1) - targets) ** 2
    values = losses.squared(vectors[:, :2], targets).numpy()
    np.testing.assert_allclose(values, wanted, atol=1e-6)


def test_the_loss_of_sizes_is_the_mean_over_truncated_vectors(vectors):
    texts = np.arange(B * 3).reshape(B, 3)
    wanted = [expected(vectors[..., :size], 0.05) for size in (D, 4, 2)]
    values = losses.of_sizes(lambda size: contrastive(vectors[..., :size], texts), [D, 4, 2])
    np.testing.assert_allclose(values, np.mean(wanted, axis=0), atol=1e-6, rtol=1e-6)
    whole = losses.of_sizes(lambda size: contrastive(vectors[..., :size], texts), [])
    np.testing.assert_allclose(whole, wanted[0], atol=1e-6, rtol=1e-6)
