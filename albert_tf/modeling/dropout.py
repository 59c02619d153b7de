"""Dropout whose masks are a function of a seed, so that a training step can be done again.

TensorFlow's stateful random numbers begin anew in every process: a run that goes on after a stop
would draw other masks than one that was never stopped, and a recomputed layer others than its first
pass. Inside `seeded(seed)` every mask is a function of that seed and of the order of the calls.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
import tf_keras


class _Scope(threading.local):  # Replicas of one process are traced in threads of their own.
    seed: tf.Tensor | None = None
    drawn: int = 0


_scope = _Scope()


@contextlib.contextmanager
def seeded(seed: tf.Tensor | None) -> Iterator[None]:
    """Makes the masks of the model calls in this block a function of `seed`.

    Args:
      seed: int32 [2], such as `step_seed` gives it; None leaves masks to TensorFlow's own state.
    """
    before = _scope.seed, _scope.drawn
    _scope.seed, _scope.drawn = seed, 0
    try:
        yield
    finally:
        _scope.seed, _scope.drawn = before


def step_seed(seed: int, step: tf.Tensor) -> tf.Tensor:
    """Returns the seed of this replica at a training step, int32 [2]."""
    replica = tf.distribute.get_replica_context()
    index = replica.replica_id_in_sync_group if replica else 0
    seeds = tf.stack([tf.constant(seed, tf.int32), tf.cast(step, tf.int32)])
    return tf.random.experimental.stateless_fold_in(seeds, tf.cast(index, tf.int32))


def draw() -> tf.Tensor | None:
    """Returns the next seed of the block, int32 [2], or None outside of one."""
    if _scope.seed is None:
        return None
    _scope.drawn += 1
    return tf.random.experimental.stateless_fold_in(_scope.seed, _scope.drawn)


class Dropout(tf_keras.layers.Dropout):
    """Keras's layer, with masks from `seeded` where that is in force."""

    def call(self, inputs: tf.Tensor, training: Any = None) -> tf.Tensor:
        seed = draw() if self.rate and training else None
        if seed is None:
            return super().call(inputs, training=training)
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, seed)
