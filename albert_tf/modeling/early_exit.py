"""Early exit: a text leaves the encoder after the first layer that is sure of its answer.

Each layer but the last has a small head. When the sequences whose heads are sure have enough of the
rows, they leave the batch as padding does, and the next layer computes the rows of the others only.
Their answers are those of the layer that was sure, also if they stay in the batch for longer. The
layers of a group are one loop, so a graph contains a shared block once, and once more for the last
layer, which computes no more than its head reads.
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
# Sequences leave when they have an eighth of the rows together. To find the places of the others
# again in every layer takes longer than to compute a few rows in vain.
_LEAST_SHARE = 8
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
    """The sequences that remain in the batch, and the answers of those that have left.

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

    def answered(self, answers: tf.Tensor, used: tf.Tensor) -> _State:
        """Returns the state with answers [b, C] and used layers [b] of the sequences that remain.

        Those of a sequence whose answer is not known yet, with 0 layers, do not count: it remains.
        """
        places = self.order[:, tf.newaxis]
        return self._replace(
            logits=tf.tensor_scatter_nd_update(self.logits, places, answers),
            layers=tf.tensor_scatter_nd_update(self.layers, places, used),
        )

    def without(self, left: tf.Tensor) -> _State:
        """Returns the state without the sequences that leave, bool [b]."""
        tokens, kept = self.tokens.without(left)
        return self._replace(
            x=_rounded(tf.gather(self.x, kept), tf.shape(self.x)[0]),
            tokens=tokens,
            order=tf.boolean_mask(self.order, ~left),
        )


class _Phase(NamedTuple):
    """Layers between which no sequence leaves the batch, though some are sure already.

    Attributes:
      layer: the number of the next layer, from 0.
      x: rows [T, H].
      answers: float32 [b, C], the logits of each sequence that is sure.
      used: int32 [b], the layers that each has used; 0 for those that are not sure yet.
    """

    layer: tf.Tensor
    x: tf.Tensor
    answers: tf.Tensor
    used: tf.Tensor


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

    def rows_of(state: _State) -> _Remaining:
        return _Remaining(state.tokens, tf.size(state.order), *settings, _GROUP_STEP)

    def phase(group: int, end: int, state: _State) -> _State:
        """Applies layers until enough sequences are sure, or until layer `end`."""
        rows = rows_of(state)

        def goes_on(now: _Phase) -> tf.Tensor:
            sure = tf.reduce_sum(tf.where(now.used > 0, rows.counts, 0))
            return (now.layer < end) & (sure * _LEAST_SHARE < tf.shape(now.x)[0])

        def step(now: _Phase) -> _Phase:
            x = stack.layer(group, now.layer, now.x, rows, fused, head_mask=mask)  # [T, H]
            answers, layer = head(x, rows, now.layer), now.layer + 1
            first = is_sure(answers) & (now.used == 0)  # [b]
            answers = tf.where(first[:, tf.newaxis], answers, now.answers)
            return _Phase(layer, x, answers, tf.where(first, layer, now.used))

        start = _Phase(state.layer, state.x, tf.zeros([rows.count, units]), 0 * state.order)
        now = _loop(goes_on, step, start)
        state = state._replace(layer=now.layer, x=now.x).answered(now.answers, now.used)
        return state.without(now.used > 0)

    logits, layers = tf.zeros([layout.count, units]), tf.zeros([layout.count], tf.int32)
    state = _State(tf.constant(0), x, layout.tokens, layout.order, logits, layers)
    groups = [layer_to_group(i, stack.num_layers, len(stack.groups)) for i in range(last + 1)]
    end = 0
    for group, members in itertools.groupby(groups[:last]):
        end += len(list(members))
        state = _loop(
            lambda state, end=end: (state.layer < end) & (tf.size(state.order) > 0),
            functools.partial(phase, group, end),
            state,
        )

    def last_layer() -> _State:
        rows = rows_of(state)
        x = stack.layer(groups[last], last, state.x, rows, fused, last_range, mask)
        return state.answered(head(x, rows, last), tf.fill([rows.count], last + 1))

    state = tf.cond(tf.size(state.order) > 0, last_layer, lambda: state)
    return {"logits": state.logits, "layers": state.layers}


def _loop(goes_on: Callable[[Any], tf.Tensor], step: Callable[[Any], Any], state: Any) -> Any:
    """Applies `step` to the state while `goes_on`; the first sizes of its tensors may change."""
    return tf.while_loop(
        goes_on,
        lambda state: [step(state)],
        [state],
        shape_invariants=[tf.nest.map_structure(lambda x: _any_size(x.shape), state)],
        parallel_iterations=1,
    )[0]


def _any_size(shape: tf.TensorShape) -> tf.TensorShape:
    return tf.TensorShape([None, *shape[1:]]) if shape.rank else shape
