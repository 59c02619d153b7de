"""Observes what encoders compute within a call of a model, whatever the model returns.

Distillation compares the hidden states and the attention of a student with those of its teacher.
Models return only what their head makes of them.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import tensorflow as tf

from albert_tf.modeling.padding_removal import Probabilities


class Observation(NamedTuple):
    """A call of an encoder.

    Attributes:
      mask: which positions are real tokens, int32 [B, S].
      hidden: the output of each block application, [B, S, H], the last of which may have only the
        first positions.
      attention: the attention probabilities of each block application, [B, N, S, S], the last of
        which may be of the first queries only; () each with padding removal.
      last_mask: which positions of the last output are real tokens, int32 [B, P].
    """

    mask: tf.Tensor
    hidden: list[tf.Tensor]
    attention: list[Probabilities]
    last_mask: tf.Tensor


_observed: contextvars.ContextVar[list[Observation] | None] = contextvars.ContextVar(
    "observed", default=None
)


@contextlib.contextmanager
def observing() -> Iterator[list[Observation]]:
    """Yields a list to which each call of an encoder in this context is added."""
    observed: list[Observation] = []
    token = _observed.set(observed)
    try:
        yield observed
    finally:
        _observed.reset(token)


def note(
    mask: tf.Tensor,
    hidden: Sequence[tf.Tensor],
    attention: Sequence[Probabilities],
    positions: tf.Tensor | None,
) -> None:
    """Adds a call of an encoder, if it is observed.

    Args:
      mask: see `Observation`, as are the next two.
      hidden: see there.
      attention: see there.
      positions: the positions of the last output, int32 [B, P]; None for the first ones.
    """
    observed = _observed.get()
    if observed is None:
        return
    if positions is None:
        last = mask[:, : tf.shape(hidden[-1])[1]]
    else:
        last = tf.gather(mask, positions, batch_dims=1)
    observed.append(Observation(mask, list(hidden), list(attention), last))
