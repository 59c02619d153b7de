"""Early exit: a text leaves the encoder after the first layer that is sure of its answer.

Each layer but the last has a small head. Between two layers, the sequences whose heads are sure
leave the batch as padding does, and the next layer computes the rows of the others only. The layers
of a group are one loop, so a graph contains a shared block once, and once more for the last layer,
which computes no more than its head reads.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras

from albert_tf.config import layer_to_group
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.inputs import mask_of, standardize
from albert_tf.modeling.padding_removal import (
    Attend,
    Probabilities,
    TokenRows,
    Tokens,
    UnpaddedLayout,
)

_LEAST_STEP, _GROUP_STEP = 8, 4  # Of rounded numbers of rows, and of lengths.
# (rows [T, H], their layout, the number of their layer from 0) -> logits [b, C], of each sequence
Head = Callable[[tf.Tensor, TokenRows, tf.Tensor | int], tf.Tensor]


class _Remaining(TokenRows):
    """The rows of a batch that some sequences have left, with rows more that belong to none.

    oneDNN prepares a product for each number of rows that it has not met lately, which takes longer
    than a small product itself. So the number of rows is rounded up.
    """

    def select(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        return rows if output_range is None else super().select(self._real(rows), output_range)

    def attend(
        self, rows: tf.Tensor, attend: Attend, output_range: int | None
    ) -> tuple[tf.Tensor, Probabilities]:
        context, probabilities = super().attend(rows, attend, output_range)
        if output_range is None:
            context = tf.pad(context, [[0, tf.shape(rows)[0] - tf.shape(context)[0]], [0, 0]])
        return context, probabilities

    def means(self, rows: tf.Tensor) -> tf.Tensor:
        return super().means(self._real(rows))

    def _real(self, rows: tf.Tensor) -> tf.Tensor:
        return rows[: tf.size(self.tokens.slots)]


def _rounded(rows: tf.Tensor, most: tf.Tensor) -> tf.Tensor:
    """Returns rows [T, W] with zeros below, T rounded up by an eighth at most, and to `most`."""
    count = tf.shape(rows)[0]
    octave = tf.math.log(tf.cast(tf.maximum(count, 1), tf.float32)) / np.log(2)
    step = tf.maximum(tf.cast(2 ** (tf.floor(octave) - 3), tf.int32), _LEAST_STEP)
    rounded = tf.minimum(-(-count // step) * step, most)
    return tf.pad(rows, [[0, rounded - count], [0, 0]])


class ExitHeads(tf_keras.layers.Layer):
    """A dense head for each layer but the last, in float32 as the head of the last layer.

    Args:
      layers: the number of layers of the encoder.
      units: C, the number of outputs.
      initializer: the initializer of the kernels.
    """

    def __init__(self, layers: int, units: int, initializer: Any, **kwargs: Any) -> None:
        super().__init__(dtype=tf.float32, **kwargs)
        self.layers, self.units, self.initializer = layers, units, initializer

    def build(self, input_shape: Any) -> None:
        count = self.layers - 1
        shape = [count, input_shape[-1], self.units]
        self.kernel = self.add_weight("kernel", shape, initializer=self.initializer)
        self.bias = self.add_weight("bias", [count, self.units], initializer="zeros")
        super().build(input_shape)

    def call(self, vectors: tf.Tensor, layer: tf.Tensor | int) -> tf.Tensor:
        """Returns the logits of a layer, counted from 0, for vectors [B, H]."""
        return tf.matmul(vectors, self.kernel[layer]) + self.bias[layer]


class _State(NamedTuple):
    """The sequences that remain between two layers, and the answers of those that have left.

    Attributes:
      layer: the number of the next layer, from 0.
      x: rows [T, H].
      tokens: the tokens of the rows.
      order: int32 [b], the index in the batch of each sequence that remains.
      logits: float32 [B, C].
      layers: int32 [B], the layers that each sequence has used.
    """

    layer: tf.Tensor
    x: tf.Tensor
    tokens: Tokens
    order: tf.Tensor
    logits: tf.Tensor
    layers: tf.Tensor

    def answered(self, answers: tf.Tensor, order: tf.Tensor) -> _State:
        """Returns the state with the answers [b, C] of the sequences [b], after a layer."""
        places = order[:, tf.newaxis]
        used = tf.fill([tf.size(order)], self.layer + 1)
        return self._replace(
            logits=tf.tensor_scatter_nd_update(self.logits, places, answers),
            layers=tf.tensor_scatter_nd_update(self.layers, places, used),
        )

    def without(self, left: tf.Tensor) -> _State:
        """Returns the state before the next layer, without the sequences that leave, bool [b]."""
        tokens, kept = self.tokens.without(left)
        return self._replace(
            layer=self.layer + 1,
            x=_rounded(tf.gather(self.x, kept), tf.shape(self.x)[0]),
            tokens=tokens,
            order=tf.boolean_mask(self.order, ~left),
        )


def run(
    encoder: AlbertEncoder,
    inputs: Mapping[str, tf.Tensor],
    head: Head,
    is_sure: Callable[[tf.Tensor], tf.Tensor],
    units: int,
    last_range: int | None = None,
) -> dict[str, tf.Tensor]:
    """Returns `logits`, float32 [B, C], and `layers`, int32 [B], the layers used for each row.

    Args:
      encoder: the encoder; padding is left out in any case.
      inputs: see `AlbertEncoder`.
      head: returns the logits of a layer.
      is_sure: returns whether sequences with these logits leave, bool [b]. It is not asked after
        the last layer.
      units: C.
      last_range: the positions of the last layer that `head` reads, from the start; None for all.
    """
    features = standardize(inputs)
    stack, mask = encoder.stack, features.get("head_mask")
    settings = encoder.compute_dtype, stack.num_heads
    layout = UnpaddedLayout(mask_of(features), *settings)
    x = encoder.embeddings_layer(features, layout, training=False)  # [T, H]
    fused, last = stack.fused_projections(), stack.num_layers - 1

    def applied(
        group: int, layer: tf.Tensor | int, state: _State, output_range: int | None = None
    ) -> tuple[_State, tf.Tensor]:
        """Returns the state with the rows of a layer, and the logits of its head, [b, C]."""
        count = tf.size(state.order)
        rows = _Remaining(state.tokens, count, *settings, _GROUP_STEP)
        x = stack.layer(group, layer, state.x, rows, fused, output_range, mask)  # [T, H]
        return state._replace(x=x), head(x, rows, layer)

    def step(group: int, state: _State) -> _State:
        state, answers = applied(group, state.layer, state)
        left = is_sure(answers)  # [b]
        done = tf.where(left)[:, 0]
        state = state.answered(tf.gather(answers, done), tf.gather(state.order, done))
        return state.without(left)

    logits, layers = tf.zeros([layout.count, units]), tf.zeros([layout.count], tf.int32)
    state = _State(tf.constant(0), x, layout.tokens, layout.order, logits, layers)
    groups = [layer_to_group(i, stack.num_layers, len(stack.groups)) for i in range(last + 1)]
    end = 0
    for group, members in itertools.groupby(groups[:last]):
        end += len(list(members))
        state = _loop(functools.partial(step, group), state, end)
    state = state._replace(layer=last)
    state, answers = applied(groups[last], last, state, last_range)
    state = state.answered(answers, state.order)
    return {"logits": state.logits, "layers": state.layers}


def _loop(step: Callable[[_State], _State], state: _State, end: int) -> _State:
    """Applies a function to the state until layer `end`, or until all sequences have left."""
    some, wide = tf.TensorShape([None]), tf.TensorShape([None, state.x.shape[-1]])
    shapes = _State(
        state.layer.shape, wide, Tokens(*[some] * 4), some, state.logits.shape, state.layers.shape
    )
    return tf.while_loop(
        lambda state: (state.layer < end) & (tf.size(state.order) > 0),
        lambda state: [step(state)],
        [state],
        shape_invariants=[shapes],
        parallel_iterations=1,
    )[0]
