"""The losses of distillation next to NumPy, for every kind of outputs."""

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.modeling.observation import Observation
from albert_tf.tasks.distillation import losses

RNG = np.random.default_rng(3)


def softmax(x):
    shares = np.exp(x - x.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def divergence(wanted, found):
    return (wanted * (np.log(wanted) - np.log(found))).sum(-1)


def test_logits_over_a_temperature_are_compared_by_their_divergence():
    ours, theirs = RNG.normal(size=(2, 5, 3, 4)).astype(np.float32)
    expected = 2.5**2 * divergence(softmax(theirs / 2.5), softmax(ours / 2.5))
    found = losses.soft_cross_entropy(tf.constant(ours), tf.constant(theirs), 2.5)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    exists = np.array([True, False, True, True])
    expected = 4 * divergence(softmax(theirs[..., exists] / 2), softmax(ours[..., exists] / 2))
    found = losses.soft_cross_entropy(tf.constant(ours), tf.constant(theirs), 2.0, exists)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_each_sigmoid_is_a_question_with_two_answers():
    ours, theirs = RNG.normal(size=(2, 5, 3)).astype(np.float32)
    p, q = (1 / (1 + np.exp(-x / 3.0)) for x in (theirs, ours))
    expected = 9 * (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))
    found = losses.soft_sigmoids(tf.constant(ours), tf.constant(theirs), 3.0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_gradients_keep_the_scale_of_those_of_labels():
    """With a high temperature, the loss is that of squared differences of logits over 2 C."""
    ours, theirs = RNG.normal(size=(2, 5, 4))
    ours, theirs = (x - x.mean(-1, keepdims=True) for x in (ours, theirs))
    found = losses.soft_cross_entropy(tf.constant(ours), tf.constant(theirs), 1e3)
    np.testing.assert_allclose(found, ((ours - theirs) ** 2).sum(-1) / 8, rtol=1e-2)


@pytest.mark.parametrize(
    ("count", "teacher", "expected"),
    [
        (6, 12, [1, 3, 5, 7, 9, 11]),
        (3, 3, [0, 1, 2]),
        (1, 5, [4]),
        (4, 6, [0, 2, 3, 5]),
        (5, 12, [1, 3, 6, 8, 11]),
    ],
)
def test_layers_are_spread_evenly_and_the_last_is_that_of_the_teacher(count, teacher, expected):
    assert losses.layer_map(count, teacher) == expected


def observation(layers, width, heads=3, last=None):
    """Returns what an encoder computes of 4 rows with 5, 2, 0 and 3 tokens of 5."""
    mask = np.arange(5) < np.array([5, 2, 0, 3])[:, np.newaxis]
    hidden = [RNG.normal(size=(4, 5, width)).astype(np.float32) for _ in range(layers)]
    attention = [softmax(RNG.normal(size=(4, heads, 5, 5))).astype(np.float32)] * layers
    attention = [share * mask[:, np.newaxis, np.newaxis] for share in attention]
    if last:
        hidden[-1], attention[-1] = hidden[-1][:, :last], attention[-1][:, :, :last]
    mask = mask.astype(np.int32)
    tensors = ([tf.constant(x) for x in each] for each in (hidden, attention))
    return Observation(tf.constant(mask), *tensors, tf.constant(mask[:, :last]))


@pytest.mark.parametrize("last", [None, 1])
def test_hidden_states_are_compared_at_real_tokens(last):
    ours, theirs = observation(2, 6, last=last), observation(5, 6, last=last)
    expected = np.zeros([2, 4])
    for layer, other in enumerate((1, 4)):
        for row, length in enumerate((5, 2, 0, 3)):
            length = min(length, last or 5) if layer == 1 else length
            difference = ours.hidden[layer][row, :length] - theirs.hidden[other][row, :length]
            expected[layer, row] = np.square(difference).mean() if length else 0.0
    found = losses.hidden(ours, theirs, None)
    np.testing.assert_allclose(found, expected.mean(0), rtol=1e-5)
    wide = observation(5, 8, last=last)
    kernel = tf.constant(RNG.normal(size=(6, 8)), tf.float32)
    projected = ours._replace(hidden=[x @ kernel for x in ours.hidden])
    np.testing.assert_allclose(
        losses.hidden(ours, wide, lambda x: x @ kernel), losses.hidden(projected, wide, None)
    )


@pytest.mark.parametrize("last", [None, 1])
def test_attention_is_compared_at_real_tokens(last):
    ours, theirs = observation(2, 6, last=last), observation(4, 7, last=last)
    expected = np.zeros([2, 4])
    for layer, other in enumerate((1, 3)):
        for row, length in enumerate((5, 2, 0, 3)):
            queries = min(length, last or 5) if layer == 1 else length
            wanted, found = (
                x[row, :, :queries, :length].numpy()
                for x in (theirs.attention[other], ours.attention[layer])
            )
            expected[layer, row] = divergence(wanted, found).mean() if length else 0.0
    np.testing.assert_allclose(losses.attention(ours, theirs), expected.mean(0), rtol=1e-4)
