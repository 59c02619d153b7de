"""The tokens of a batch as rows, the form in which the dense parts of the encoder compute.

All parts but attention treat each token by itself and run on rows [T, H], one for each token.
`AllTokens` has a row for each position, T = B * S. `RealTokens` leaves padding out: T is the number
of real tokens, and the cost of a batch is that of its tokens, whatever length it is padded to.
Both hand attention the sequences that the rows came from. Letters: T rows, W any width, Q = S or
the `output_range` where one is given, so many first positions of each sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

# Added to the scores of keys that are padding, after scaling (original modeling.py:
# dot_product_attention). Finite in float16. A row without any attended position attends to all.
MASK_BIAS = -10000.0

# Attention pads its sequences to the longest of a group of similar length. One group computes much
# for nothing where a batch holds one long text; each more costs the overhead of its operations.
GROUPS = 4

# Of attention, [B, N, Q, S]; () where padding is left out, as gradients allow no None.
Probabilities = tf.Tensor | tuple[()]

# (x [b, s, W], bias [b, 1, 1, s]) -> (context [b, Q, H], probabilities [b, N, Q, s])
Attend = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class TokenRows(Protocol):
    """Which tokens are computed, and the way from positions to rows and back."""

    def take(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the rows [T, W] of all positions, [B*S, W]."""

    def cut(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        """Returns those of the rows [T, W] whose positions are among the first `output_range`."""

    def attend(
        self, rows: tf.Tensor, attend: Attend, output_range: int | None
    ) -> tuple[tf.Tensor, Probabilities]:
        """Applies `attend` to the sequences of rows [T, W].

        Returns the context as rows, cut to `output_range`, and the probabilities.
        """

    def restore(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        """Returns rows, cut to `output_range`, at their positions: [B, Q, W]."""

    def first(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        """Returns the rows of each sequence's first position, [B, W]."""

    def numbers(self, positions: tf.Tensor) -> tf.Tensor:
        """Returns the row number of each of the positions [B, P], [B*P]."""


def mask_to_bias(mask: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns what is added to the scores: 0 where `mask` [B, S] is 1, `MASK_BIAS` where it is 0.

    Output: [B, 1, 1, S] of `dtype`.
    """
    bias = (1.0 - tf.cast(mask, dtype)) * tf.cast(MASK_BIAS, dtype)  # [B, S]
    return bias[:, tf.newaxis, tf.newaxis, :]


class AllTokens:
    """A row for each position, padding included: static shapes, as XLA and TPUs need them.

    Args:
      mask: int32 [B, S].
      dtype: of the scores.
    """

    def __init__(self, mask: tf.Tensor, dtype: tf.DType) -> None:
        self._shape = tf.shape(mask)
        self._bias = mask_to_bias(mask, dtype)

    def take(self, x: tf.Tensor) -> tf.Tensor:
        return x

    def cut(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        if output_range is None:
            return rows
        return _flat(self.restore(rows, None)[:, :output_range])

    def attend(
        self, rows: tf.Tensor, attend: Attend, output_range: int | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        context, probabilities = attend(self.restore(rows, None), self._bias)
        return _flat(context), probabilities

    def restore(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        batch, length = tf.unstack(self._shape)
        if output_range is not None:
            length = tf.minimum(length, output_range)
        return tf.reshape(rows, [batch, length, rows.shape[-1]])  # [B, Q, W]

    def first(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        return self.restore(rows, output_range)[:, 0]

    def numbers(self, positions: tf.Tensor) -> tf.Tensor:
        return _numbers(positions, self._shape)


class RealTokens:
    """Rows for real tokens only, those of the longest sequences first.

    Real positions get the numbers of `AllTokens`; the others get zeros. Two kinds of masked
    positions count as real, as their numbers are used: the first of each sequence, which is pooled,
    and all of a sequence without any attended position, where each attends to all.

    Args:
      mask: int32 [B, S].
      dtype: of the scores.
    """

    def __init__(self, mask: tf.Tensor, dtype: tf.DType) -> None:
        self._shape = tf.shape(mask)
        batch, length = tf.unstack(self._shape)
        real = mask != 0
        kept = real | ~tf.reduce_any(real, axis=1, keepdims=True) | (tf.range(length) == 0)
        order = tf.argsort(_count(kept), direction="DESCENDING", stable=True)  # [B]
        self._kept = tf.gather(kept, order)  # [B, S]
        self._rank = tf.math.invert_permutation(order)  # [B]
        places = tf.cast(tf.where(self._kept), tf.int32)  # [T, 2]
        sequences, self._positions = tf.unstack(places, axis=1)  # 2 x [T]
        self._index = tf.gather(order, sequences) * length + self._positions  # [T], in [0, B*S)

        # === Groups ===
        slots = tf.gather_nd(tf.cumsum(tf.cast(self._kept, tf.int32), 1, exclusive=True), places)
        self._bounds = [batch * i // GROUPS for i in range(GROUPS + 1)]
        groups = tf.searchsorted(tf.stack(self._bounds[1:]), sequences, side="right")  # [T]
        self._sizes = tf.math.bincount(groups, minlength=GROUPS, maxlength=GROUPS)  # [GROUPS]
        mask = self.take(tf.reshape(mask, [-1, 1]))  # [T, 1]
        parts = (
            tf.split(x, self._sizes, num=GROUPS) for x in (sequences, slots, self._positions, mask)
        )
        self._groups = [
            _Group(*part, begin, end, dtype)
            for *part, begin, end in zip(*parts, self._bounds, self._bounds[1:])
        ]

    def take(self, x: tf.Tensor) -> tf.Tensor:
        return tf.gather(x, self._index)

    def cut(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        return rows if output_range is None else rows[self._positions < output_range]

    def attend(
        self, rows: tf.Tensor, attend: Attend, output_range: int | None
    ) -> tuple[tf.Tensor, Probabilities]:
        parts = zip(self._groups, tf.split(rows, self._sizes, num=GROUPS))
        contexts = [group.attend(part, attend, output_range) for group, part in parts]
        return tf.concat(contexts, axis=0), ()

    def restore(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        shape = [*tf.unstack(self._shape), rows.shape[-1]]
        index = self.cut(self._index[:, tf.newaxis], output_range)
        flat = tf.scatter_nd(index, rows, [shape[0] * shape[1], shape[2]])  # [B*S, W]
        return tf.reshape(flat, shape)[:, :output_range]  # [B, Q, W]

    def first(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        starts = tf.cumsum(_count(self._kept[:, :output_range]), exclusive=True)  # [B]
        return tf.gather(rows, tf.gather(starts, self._rank))

    def numbers(self, positions: tf.Tensor) -> tf.Tensor:
        rows, places = tf.range(tf.size(self._index)), self._index[:, tf.newaxis]
        by_place = tf.scatter_nd(places, rows, [tf.reduce_prod(self._shape)])  # [B*S]
        return tf.gather(by_place, _numbers(positions, self._shape))


class ChosenTokens:
    """The rows of some positions, in their order: what a last block computes after attention.

    Of `TokenRows`, it has what a block and its outputs need.

    Args:
      tokens: those that the block attends to.
      positions: int32 [B, P], of real tokens; the first of each sequence is 0 where it is pooled.
    """

    def __init__(self, tokens: TokenRows, positions: tf.Tensor) -> None:
        self._tokens, self._shape = tokens, tf.shape(positions)
        self._numbers = tokens.numbers(positions)  # [B*P]

    def cut(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        return tf.gather(rows, self._numbers)

    def attend(
        self, rows: tf.Tensor, attend: Attend, output_range: int | None
    ) -> tuple[tf.Tensor, Probabilities]:
        context, probabilities = self._tokens.attend(rows, attend, None)
        return self.cut(context, None), probabilities

    def restore(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        return tf.reshape(rows, [*tf.unstack(self._shape), rows.shape[-1]])  # [B, P, W]

    def first(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        return self.restore(rows, None)[:, 0]


class _Group:
    """Sequences of similar length, as `b` sequences of `s` slots, the last ones empty or none.

    Args:
      sequences: int32 [t], the sequence of each row, counted from the first of all groups.
      slots: int32 [t], its place among the rows of that sequence.
      positions: int32 [t], its position in the batch.
      mask: int32 [t, 1].
      begin: number of the group's first sequence.
      end: number behind its last.
      dtype: of the scores.
    """

    def __init__(
        self,
        sequences: tf.Tensor,
        slots: tf.Tensor,
        positions: tf.Tensor,
        mask: tf.Tensor,
        begin: tf.Tensor,
        end: tf.Tensor,
        dtype: tf.DType,
    ) -> None:
        self._positions = positions
        self._places = tf.stack([sequences - begin, slots], axis=1)  # [t, 2]
        self._shape = [end - begin, tf.reduce_max(tf.concat([[0], slots], 0)) + 1]  # [b, s]
        self._bias = mask_to_bias(self._pad(mask)[..., 0], dtype)  # [b, 1, 1, s]

    def attend(self, rows: tf.Tensor, attend: Attend, output_range: int | None) -> tf.Tensor:
        context, _ = attend(self._pad(rows), self._bias)  # [b, Q, H]
        places = self._places
        if output_range is not None:  # their slots come first too
            places = places[self._positions < output_range]
        return tf.gather_nd(context, places)  # [t, H]

    def _pad(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns rows [t, W] at their slots, [b, s, W]; empty slots are zeros."""
        return tf.scatter_nd(self._places, rows, [*self._shape, rows.shape[-1]])


def _flat(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, x.shape[-1]])


def _numbers(positions: tf.Tensor, shape: tf.Tensor) -> tf.Tensor:
    """Returns the numbers of positions [B, P] in a flat [B*S], [B*P]."""
    return tf.reshape(positions + tf.range(shape[0])[:, tf.newaxis] * shape[1], [-1])


def _count(kept: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(kept, tf.int32), axis=1)  # [B]
