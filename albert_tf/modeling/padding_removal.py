"""Padding removal: running the encoder on real tokens only.

Every part of the encoder except attention treats each token independently, so it runs on a matrix
of rows [T, H] with one row per token. A layout decides which tokens get a row:

- `PaddedLayout` has a row for each position, T = B * S.
- `UnpaddedLayout` leaves padding out. T is the number of real tokens, so the cost of a batch
  depends on its tokens and not on the length it is padded to.
- `SelectedPositions` has rows for a given list of positions, the output of the last block.

For attention, a layout groups the rows into sequences again and splits them into heads. Letters: T
rows, W any width, N heads of width D, H = N * D, and Q output positions per sequence, which is
`output_range` if given and S otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import tensorflow as tf
from official.modeling import tf_utils

# Added to the scaled attention scores of padding keys (original modeling.py:
# dot_product_attention). It is finite in float16. A fully masked sequence attends to all positions.
MASK_BIAS = -10000.0

# Attention runs on groups of sequences of similar length, each padded to its longest sequence. With
# one group, a single long text in the batch wastes much work; every further group adds op overhead.
GROUPS = 4

# Attention probabilities [B, N, Q, S]. With padding removal (), since gradients do not allow None.
Probabilities = tf.Tensor | tuple[()]

# (query, key and value [3, b, N, s, D], bias [b, 1, 1, s]) ->
# (context [b, N, Q, D], probabilities [b, N, Q, s])
Attend = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


class TokenLayout(Protocol):
    """Maps the positions of a batch to rows, one per computed token, and back."""

    def pack(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the rows [T, W] to compute from vectors [B*S, W] at all positions."""

    def select(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        """Selects from rows [T, W] those at the first `output_range` positions."""

    def attend(
        self, rows: tf.Tensor, attend: Attend, output_range: int | None
    ) -> tuple[tf.Tensor, Probabilities]:
        """Applies `attend` to the sequences that rows of query, key and value [T, 3H] belong to.

        Returns the context [T, H] at the first `output_range` positions, and the probabilities.
        """

    def unpack(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        """Returns [B, Q, W]: selected rows, moved back to their positions."""

    def first(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        """Returns [B, W]: the row at the first position of each sequence."""

    def row_indices(self, positions: tf.Tensor) -> tf.Tensor:
        """Returns [B*P]: the row index of each of the positions [B, P]."""


def mask_to_bias(mask: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns the bias to add to attention scores, [B, 1, 1, S] of type `dtype`.

    It is 0 where `mask` [B, S] is 1, `MASK_BIAS` where it is 0, and twice that where it is -1.
    """
    bias = (1.0 - tf.cast(mask, dtype)) * tf.cast(MASK_BIAS, dtype)  # [B, S]
    # LiteRT cannot slice two unknown sizes with two new axes at once.
    return tf.expand_dims(tf.expand_dims(bias, 1), 1)


class PaddedLayout:
    """One row for each position, including padding. Shapes are static, as XLA and TPUs require.

    Args:
      mask: int32 [B, S].
      dtype: type of the attention scores.
      heads: N.
    """

    def __init__(self, mask: tf.Tensor, dtype: tf.DType, heads: int) -> None:
        # Numbers where they are known, as functions that capture a tensor do not see its value.
        self._shape = tf_utils.get_shape_list(mask)
        self._heads = heads
        self._bias = mask_to_bias(mask, dtype)

    def pack(self, x: tf.Tensor) -> tf.Tensor:
        return x

    def select(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        if output_range is None:
            return rows
        return _flat(self.unpack(rows, None)[:, :output_range])

    def attend(
        self, rows: tf.Tensor, attend: Attend, output_range: int | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        size = rows.shape[-1] // (3 * self._heads)  # D
        qkv = tf.reshape(rows, [*self._shape, 3, self._heads, size])
        context, probabilities = attend(tf.transpose(qkv, [2, 0, 3, 1, 4]), self._bias)
        context = tf.transpose(context, [0, 2, 1, 3])  # [B, Q, N, D]
        return tf.reshape(context, [-1, self._heads * size]), probabilities

    def unpack(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        batch, length = self._shape
        if output_range is not None:
            length = tf.minimum(length, output_range)
        return tf.reshape(rows, [batch, length, rows.shape[-1]])  # [B, Q, W]

    def first(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        return self.unpack(rows, output_range)[:, 0]

    def row_indices(self, positions: tf.Tensor) -> tf.Tensor:
        return _flat_positions(positions, self._shape)


class Tokens(NamedTuple):
    """The real tokens of a batch, int32 [T] each, by sequence, longest sequence first.

    Attributes:
      sequences: the sequence of each, counted in this order.
      slots: its index among the tokens of the sequence.
      positions: its position in the padded sequence.
      mask: 1; 0 for masked positions that count as real.
    """

    sequences: tf.Tensor
    slots: tf.Tensor
    positions: tf.Tensor
    mask: tf.Tensor

    def without(self, left: tf.Tensor) -> tuple[Tokens, tf.Tensor]:
        """Returns the tokens of the sequences that stay, and their indices among these rows.

        Args:
          left: whether each sequence leaves, bool [b].
        """
        stays = tf.logical_not(left)
        rows = tf.where(tf.gather(stays, self.sequences))[:, 0]
        number = tf.cumsum(tf.cast(stays, tf.int32), exclusive=True)  # [b]
        kept = Tokens(*(tf.gather(x, rows) for x in self))
        return kept._replace(sequences=tf.gather(number, kept.sequences)), rows


class TokenRows:
    """A row for each real token, and the groups of sequences in which rows attend.

    It implements the methods of `TokenLayout` that a block uses.

    Attributes:
      counts: int32 [b], the number of tokens of each sequence.

    Args:
      tokens: the token of each row.
      count: b, the number of sequences.
      dtype: type of the attention scores.
      heads: N.
      step: what the lengths of groups are rounded up to multiples of, so that fewer shapes occur.
    """

    def __init__(
        self,
        tokens: Tokens,
        count: tf.Tensor | int,
        dtype: tf.DType,
        heads: int,
        step: int = 1,
    ) -> None:
        self.tokens, self.count = tokens, count
        counts = tf.math.bincount(tokens.sequences, minlength=count, maxlength=count)
        self.counts = counts  # [b]
        starts = tf.cumsum(counts, exclusive=True)  # [b]
        bounds = [count * i // GROUPS for i in range(GROUPS + 1)]
        spans = [slice(begin, end) for begin, end in zip(bounds, bounds[1:])]
        sizes = tf.stack([tf.reduce_sum(counts[span]) for span in spans])  # [GROUPS]
        parts = (tf.split(x, sizes, num=GROUPS) for x in tokens)
        shared = tokens.mask, dtype, heads, step
        self._groups = [
            _Group(Tokens(*part), span.start, starts[span], counts[span], *shared)
            for *part, span in zip(*parts, spans)
        ]

    def select(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        return rows if output_range is None else rows[self.tokens.positions < output_range]

    def attend(
        self, rows: tf.Tensor, attend: Attend, output_range: int | None
    ) -> tuple[tf.Tensor, Probabilities]:
        contexts = [group.attend(rows, attend, output_range) for group in self._groups]
        return tf.concat(contexts, axis=0), ()

    def starts(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns [b, W]: of rows [T, W], the first one of each sequence, longest first."""
        return tf.gather(rows, tf.where(self.tokens.slots == 0)[:, 0])

    def means(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns [b, W]: the mean of the rows [T, W] of each sequence; see `mean_of_tokens`."""
        weights = tf.cast(self.tokens.mask, rows.dtype)[:, tf.newaxis]  # [T, 1]
        total = tf.math.segment_sum(rows * weights, self.tokens.sequences)  # [b, W]
        return total / tf.maximum(tf.math.segment_sum(weights, self.tokens.sequences), 1.0)


class UnpaddedLayout(TokenRows):
    """Rows for real tokens only, ordered by sequence length, longest sequence first.

    Real positions get the same values as with `PaddedLayout`; all others get zeros. Two kinds of
    masked positions count as real because their values are used: the first position of each
    sequence, which the pooler reads, and all positions of a fully masked sequence, which attend to
    each other.

    Attributes:
      order: int32 [B], the index in the batch of each sequence, longest first.

    Args:
      mask: int32 [B, S].
      dtype: type of the attention scores.
      heads: N.
    """

    def __init__(self, mask: tf.Tensor, dtype: tf.DType, heads: int) -> None:
        self._shape = batch, length = tf_utils.get_shape_list(mask)
        real = mask != 0
        kept = real | ~tf.reduce_any(real, axis=1, keepdims=True) | (tf.range(length) == 0)
        self.order = tf.argsort(_count(kept), direction="DESCENDING", stable=True)  # [B]
        self._kept = tf.gather(kept, self.order)  # [B, S]
        self._rank = tf.math.invert_permutation(self.order)  # [B]
        indices = tf.cast(tf.where(self._kept), tf.int32)  # [T, 2]
        sequences, positions = tf.unstack(indices, axis=1)  # 2 x [T]
        self._index = tf.gather(self.order, sequences) * length + positions  # [T], in [0, B*S)
        slots = tf.gather_nd(tf.cumsum(tf.cast(self._kept, tf.int32), 1, exclusive=True), indices)
        mask = tf.gather(tf.reshape(mask, [-1]), self._index)  # [T]
        super().__init__(Tokens(sequences, slots, positions, mask), batch, dtype, heads)

    def pack(self, x: tf.Tensor) -> tf.Tensor:
        return tf.gather(x, self._index)

    def unpack(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        shape = [*self._shape, rows.shape[-1]]
        index = self.select(self._index[:, tf.newaxis], output_range)
        flat = tf.scatter_nd(index, rows, [shape[0] * shape[1], shape[2]])  # [B*S, W]
        return tf.reshape(flat, shape)[:, :output_range]  # [B, Q, W]

    def first(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        starts = tf.cumsum(_count(self._kept[:, :output_range]), exclusive=True)  # [B]
        return tf.gather(rows, tf.gather(starts, self._rank))

    def row_indices(self, positions: tf.Tensor) -> tf.Tensor:
        rows, index = tf.range(tf.size(self._index)), self._index[:, tf.newaxis]
        row_of_position = tf.scatter_nd(index, rows, [tf.reduce_prod(self._shape)])  # [B*S]
        return tf.gather(row_of_position, _flat_positions(positions, self._shape))


class SelectedPositions:
    """Rows at given positions, in the order given: the part of the last block after attention.

    It implements the methods of `TokenLayout` that a block and its outputs use.

    Args:
      layout: the tokens that the block attends to.
      positions: int32 [B, P], positions of real tokens. If the output is pooled, the first one of
        each sequence must be 0.
    """

    def __init__(self, layout: TokenLayout, positions: tf.Tensor) -> None:
        self._layout, self._shape = layout, tf_utils.get_shape_list(positions)
        self._rows = layout.row_indices(positions)  # [B*P]

    def select(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        return tf.gather(rows, self._rows)

    def attend(
        self, rows: tf.Tensor, attend: Attend, output_range: int | None
    ) -> tuple[tf.Tensor, Probabilities]:
        context, probabilities = self._layout.attend(rows, attend, None)
        return self.select(context, None), probabilities

    def unpack(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        return tf.reshape(rows, [*self._shape, rows.shape[-1]])  # [B, P, W]

    def first(self, rows: tf.Tensor, output_range: int | None) -> tf.Tensor:
        return self.unpack(rows, None)[:, 0]


class _Group:
    """A group of `b` sequences of similar length, padded to `s` slots each.

    The slots after the last token of a sequence repeat it: to gather is faster than to scatter
    among zeros. Their bias excludes them from attention, also in fully masked sequences. Heads are
    gathered one by one, which takes the place of a transposition.

    Args:
      tokens: the tokens of the group, whose sequences are counted across all groups.
      begin: index of the first sequence in the group.
      starts: int32 [b], the row of the first token of each sequence, counted across all groups.
      counts: int32 [b], the number of tokens of each sequence.
      mask: `Tokens.mask` of all groups.
      dtype: type of the attention scores.
      heads: N.
      step: see `TokenRows`.
    """

    def __init__(
        self,
        tokens: Tokens,
        begin: tf.Tensor,
        starts: tf.Tensor,
        counts: tf.Tensor,
        mask: tf.Tensor,
        dtype: tf.DType,
        heads: int,
        step: int,
    ) -> None:
        self._heads = heads
        self._tokens = tokens._replace(sequences=tokens.sequences - begin)
        longest = tf.reduce_max(tf.concat([[0], counts], 0))
        slots = tf.range(longest if step == 1 else -(-longest // step) * step)  # [s]
        counts = counts[:, tf.newaxis]  # [b, 1]
        rows = starts[:, tf.newaxis] + tf.minimum(slots, counts - 1)  # [b, s], in [0, T)
        mask = tf.where(slots < counts, tf.gather(mask, rows), -1)  # [b, s], -1: no token
        self._bias = mask_to_bias(mask, dtype)  # [b, 1, 1, s]
        parts = tf.reshape(tf.range(3 * heads), [3, 1, heads, 1])
        self._from_rows = rows[:, tf.newaxis] * (3 * heads) + parts  # [3, b, N, s], in [0, T * 3N)
        self._to_rows = self._in_context(self._tokens, tf.size(slots))  # [t, N]

    def attend(self, rows: tf.Tensor, attend: Attend, output_range: int | None) -> tf.Tensor:
        """Returns the context [t, H] of this group's tokens, given the rows [T, 3H] of all."""
        size = rows.shape[-1] // (3 * self._heads)  # D
        qkv = tf.gather(tf.reshape(rows, [-1, size]), self._from_rows)  # [3, b, N, s, D]
        context, _ = attend(qkv, self._bias)  # [b, N, Q, D]
        places = self._to_rows
        if output_range is not None:  # the first positions occupy the first slots too
            first = self._tokens.positions < output_range
            tokens = Tokens(*(x[first] for x in self._tokens))
            places = self._in_context(tokens, tf.shape(context)[2])
        rows = tf.gather(tf.reshape(context, [-1, size]), places)  # [t, N, D]
        return tf.reshape(rows, [-1, self._heads * size])

    def _in_context(self, tokens: Tokens, length: tf.Tensor) -> tf.Tensor:
        """Returns the places of tokens among b * N * Q vectors, [t, N]; Q is `length`."""
        heads = tokens.sequences[:, tf.newaxis] * self._heads + tf.range(self._heads)  # [t, N]
        return heads * length + tokens.slots[:, tf.newaxis]


def _flat(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, x.shape[-1]])


def _flat_positions(positions: tf.Tensor, shape: Any) -> tf.Tensor:
    """Returns [B*P]: indices of the positions [B, P] in a flattened batch [B*S]."""
    return tf.reshape(positions + tf.range(shape[0])[:, tf.newaxis] * shape[1], [-1])


def _count(kept: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(kept, tf.int32), axis=1)  # [B]
