"""What a student loses by differing from its teacher: in logits, hidden states and attention.

Logits are compared as in Hinton et al. 2015: the Kullback-Leibler divergence of the softmax of
logits over a temperature T, times T * T, which keeps gradients at the scale of those of labels.
Hidden states and attention are compared layer by layer, as in TinyBERT (Jiao et al. 2020): layer i
of n, counted from 1, with layer i * m // n of the m of the teacher.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from albert_tf.modeling.observation import Observation

# The least probability of a logarithm; float16 has smaller ones as zeros.
_LEAST = 1e-7


def soft_cross_entropy(
    logits: tf.Tensor,
    teacher: tf.Tensor,
    temperature: float,
    exists: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns T * T times the divergence of softmaxes over the last axis, float32 [...].

    Args:
      logits: those of the student, float32 [..., C].
      teacher: those of the teacher, [..., C].
      temperature: T.
      exists: which of them count, bool [..., C]; by default, all.
    """
    if exists is not None:
        logits, teacher = (tf.where(exists, x, -1e9) for x in (logits, teacher))
    ours, theirs = (tf.nn.log_softmax(x / temperature) for x in (logits, teacher))
    return temperature**2 * tf.reduce_sum(tf.exp(theirs) * (theirs - ours), axis=-1)


def soft_sigmoids(logits: tf.Tensor, teacher: tf.Tensor, temperature: float) -> tf.Tensor:
    """Returns T * T times the divergence of each sigmoid, float32 [...], from logits [...]."""
    pairs = (tf.stack([x, tf.zeros_like(x)], axis=-1) for x in (logits, teacher))
    return soft_cross_entropy(*pairs, temperature)


def layer_map(count: int, teacher: int) -> list[int]:
    """Returns the index of the teacher's layer for each of the student's `count` layers."""
    return [(i + 1) * teacher // count - 1 for i in range(count)]


def hidden(
    ours: Observation, theirs: Observation, project: Callable[[tf.Tensor], tf.Tensor] | None
) -> tf.Tensor:
    """Returns the mean squared difference of hidden states over layers and tokens, float32 [B].

    Args:
      ours: the student's.
      theirs: the teacher's.
      project: takes the student's hidden states to the width of the teacher's; None for the same.
    """
    count, losses = len(ours.hidden), []
    for i, other in enumerate(layer_map(count, len(theirs.hidden))):
        wanted = tf.cast(theirs.hidden[other], tf.float32)
        found = tf.cast(ours.hidden[i], tf.float32)
        found = found if project is None else project(found)
        length = tf.minimum(tf.shape(found)[1], tf.shape(wanted)[1])
        of_each = tf.square(found[:, :length] - wanted[:, :length])
        mask = ours.last_mask if i + 1 == count else ours.mask
        losses.append(_mean_of_real(tf.reduce_mean(of_each, axis=-1), mask[:, :length]))
    return tf.add_n(losses) / count


def attention(ours: Observation, theirs: Observation) -> tf.Tensor:
    """Returns the mean divergence of attention over layers, heads and tokens, float32 [B]."""
    losses = []
    layers: Sequence[int] = layer_map(len(ours.attention), len(theirs.attention))
    for found, other in zip(ours.attention, layers):
        found = tf.cast(found, tf.float32)  # [B, N, Q, S]
        wanted = tf.cast(theirs.attention[other], tf.float32)
        length = tf.minimum(tf.shape(found)[2], tf.shape(wanted)[2])
        found, wanted = found[:, :, :length], wanted[:, :, :length]
        ratio = tf.math.log(tf.maximum(wanted, _LEAST)) - tf.math.log(tf.maximum(found, _LEAST))
        of_each = tf.reduce_mean(tf.reduce_sum(wanted * ratio, axis=-1), axis=1)  # [B, Q]
        losses.append(_mean_of_real(of_each, ours.mask[:, :length]))
    return tf.add_n(losses) / len(losses)


def _mean_of_real(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Returns the mean of the values [B, S] at real tokens; 0 for a row without any."""
    mask = tf.cast(mask, tf.float32)
    return tf.math.divide_no_nan(
        tf.reduce_sum(values * mask, axis=1), tf.reduce_sum(mask, axis=1)
    )  # [B]
