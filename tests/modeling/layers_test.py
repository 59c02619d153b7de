"""Masks as a function of seed, step and replica."""

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.modeling.layers import Dropout, seeded, step_seed

X = tf.ones([5, 400])


def masks(seed, step, layer=None):
    """Two masks of one training step."""
    layer = layer or Dropout(0.25)
    with seeded(step_seed(seed, step)):
        return [layer(X, training=True).numpy() for _ in range(2)]


def test_a_seed_and_a_step_give_the_same_masks_again():
    first, second = masks(1, 2)
    again = masks(1, tf.Variable(2, dtype=tf.int64), Dropout(0.25))
    np.testing.assert_array_equal(first, again[0])
    np.testing.assert_array_equal(second, again[1])


@pytest.mark.parametrize("other", [(1, 3), (2, 2), (2, 1)])
def test_other_steps_seeds_and_calls_give_other_masks(other):
    first, second = masks(1, 2)
    assert (first != second).any()
    for mask in masks(*other):
        assert (first != mask).any() and (second != mask).any()


def test_the_rate_and_the_scale_are_those_of_keras():
    (mask, _), values = masks(1, 2), {0.0, np.float32(1 / 0.75)}
    assert set(np.unique(mask)) == values
    assert abs((mask == 0).mean() - 0.25) < 0.04  # 2000 draws: four standard deviations
    assert (Dropout(0.25)(X, training=False).numpy() == 1).all()


def test_outside_of_a_block_masks_come_from_tensorflows_state():
    layer = Dropout(0.25)
    with seeded(None):
        assert (layer(X, training=True).numpy() != layer(X, training=True).numpy()).any()


def test_an_inner_block_leaves_the_outer_one_as_it_was():
    layer, inner = Dropout(0.25), step_seed(9, 9)
    with seeded(step_seed(1, 2)):
        first = layer(X, training=True)
        with seeded(inner):
            layer(X, training=True)
        second = layer(X, training=True)
    for mask, expected in zip((first, second), masks(1, 2)):
        np.testing.assert_array_equal(mask, expected)
