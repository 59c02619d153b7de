"""Dropout masks as a function of the seed and the step."""

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.modeling.layers import Dropout, seeded, step_seed

X = tf.ones([5, 400])


def masks(seed, step, layer=None):
    """Returns two masks drawn in one training step."""
    layer = layer or Dropout(0.25)
    with seeded(step_seed(seed, step)):
        return [layer(X, training=True).numpy() for _ in range(2)]


def test_the_same_seed_and_step_give_the_same_masks():
    first, second = masks(1, 2)
    again = masks(1, tf.Variable(2, dtype=tf.int64), Dropout(0.25))
    np.testing.assert_array_equal(first, again[0])
    np.testing.assert_array_equal(second, again[1])


@pytest.mark.parametrize("other", [(1, 3), (2, 2), (2, 1)])
def test_different_steps_seeds_and_calls_give_different_masks(other):
    first, second = masks(1, 2)
    assert (first != second).any()
    for mask in masks(*other):
        assert (first != mask).any() and (second != mask).any()


def test_rate_and_scale_are_the_same_as_in_keras():
    (mask, _), values = masks(1, 2), {0.0, np.float32(1 / 0.75)}
    assert set(np.unique(mask)) == values
    assert abs((mask == 0).mean() - 0.25) < 0.04  # 2000 draws: four standard deviations
    assert (Dropout(0.25)(X, training=False).numpy() == 1).all()


def test_without_a_seed_masks_use_tensorflow_random_state():
    layer = Dropout(0.25)
    with seeded(None):
        assert (layer(X, training=True).numpy() != layer(X, training=True).numpy()).any()


def test_a_nested_block_does_not_affect_the_outer_one():
    layer, inner = Dropout(0.25), step_seed(9, 9)
    with seeded(step_seed(1, 2)):
        first = layer(X, training=True)
        with seeded(inner):
            layer(X, training=True)
        second = layer(X, training=True)
    for mask, expected in zip((first, second), masks(1, 2)):
        np.testing.assert_array_equal(mask, expected)
