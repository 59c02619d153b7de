"""The added tokens of added_tokens.py as TensorFlow operations.

Each text is split at its tokens. The segments between them are tokenized as separate texts, and the
ids of the tokens are then put back.

Shapes: B texts; P segments of all texts; K tokens that can be found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.tokenization import added_tokens
from albert_tf.tokenization.graph import normalization
from albert_tf.tokenization.graph.edits import row_ids
from albert_tf.tokenization.word_characters import WORD_CHARACTER


class Segments(NamedTuple):
    """The segments of texts.

    Attributes:
      texts: string [P]; empty for a token.
      token: int32 [P]; the id of a token, and -1 for other segments.
      starts: the byte of the text where each segment begins, int64 [P].
      limits: the byte of the text where each segment ends, int64 [P].
      row_splits: int64 [B + 1], over P.
    """

    texts: tf.Tensor
    token: tf.Tensor
    starts: tf.Tensor
    limits: tf.Tensor
    row_splits: tf.Tensor


class GraphMatcher:
    """Splits texts as `added_tokens.Matcher.split` does.

    Its small arrays become constants in the graphs that use them.
    """

    def __init__(self, matcher: added_tokens.Matcher) -> None:
        self._pattern = matcher.pattern
        with tf.init_scope(), tf.device("CPU:0"):
            hashes = _hash(tf.constant(list(matcher.ids))).numpy()
        order = np.argsort(hashes)
        self._hashes = hashes[order]  # [K], ascending
        self._ids = np.array([*matcher.ids.values()], np.int32)[order]  # [K]
        self._single = np.isin(self._ids, [*matcher.single_words])  # [K]
        self._between_spaces = matcher.between_spaces

    def split(self, texts: tf.Tensor) -> Segments:
        """Splits texts, string [B], at their tokens."""
        # tf_text.regex_split also ends a text at NUL.
        has_nul = tf.strings.regex_full_match(texts, r"\C*\x00\C*")
        any_nul = tf.reduce_any(has_nul)
        hidden = tf.cond(any_nul, lambda: normalization.hide_nul(texts), lambda: texts)
        parts = tf_text.regex_split(hidden, self._pattern, self._pattern)
        parts, token = self._tokens(parts)
        rows = row_ids(parts.row_splits)

        def shown() -> tf.Tensor:
            with_nul = normalization.show_nul(parts.values)
            return tf.where(tf.gather(has_nul, rows), with_nul, parts.values)

        values = tf.cond(any_nul, shown, lambda: parts.values)  # [P]
        # The parts cover the whole text, so their lengths give their positions.
        reach = tf.concat([[0], tf.cumsum(tf.cast(tf.strings.length(values), tf.int64))], 0)
        before_row = tf.gather(tf.gather(reach, parts.row_splits), rows)  # [P]
        plain = tf.where(token >= 0, "", values)
        return Segments(
            plain, token, reach[:-1] - before_row, reach[1:] - before_row, parts.row_splits
        )

    def _tokens(self, parts: tf.RaggedTensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Returns the segments, string [B, (P)], and the ids of tokens, int32 [P]."""
        values = parts.values
        is_token = tf.strings.regex_full_match(values, self._pattern)
        where = tf.where(is_token)[:, 0]  # [M]
        index = self._index(tf.gather(values, where))  # [M]
        ids, size = tf.gather(self._ids, index), tf.size(values, tf.int64)
        token = tf.tensor_scatter_nd_update(tf.fill([size], -1), where[:, tf.newaxis], ids)  # [P]
        if not self._single.any():
            return parts, token
        kept = self._is_alone(parts, where) | ~tf.gather(self._single, index)  # [M]

        def joined() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            """Returns the segments after neighbours that are not tokens are joined."""
            others = tf.boolean_mask(where, ~kept)[:, tf.newaxis]
            ids = tf.tensor_scatter_nd_update(
                token, others, tf.fill([tf.shape(others)[0]], -1)
            )  # [P]
            row_begin = _marked(parts.row_splits, size)
            begins = (ids >= 0) | row_begin | tf.concat([[True], ids >= 0], 0)[:-1]
            group = tf.cumsum(tf.cast(begins, tf.int32)) - 1  # [P]
            first = tf.where(begins)[:, 0]
            texts = tf.strings.unsorted_segment_join(values, group, tf.size(first))
            splits = tf.searchsorted(first, parts.row_splits, out_type=tf.int64)
            return texts, splits, tf.gather(ids, first)

        texts, splits, token = tf.cond(
            tf.reduce_all(kept), lambda: (values, parts.row_splits, token), joined
        )
        return tf.RaggedTensor.from_row_splits(texts, splits, validate=False), token

    def _is_alone(self, parts: tf.RaggedTensor, where: tf.Tensor) -> tf.Tensor:
        """Returns whether the segments `where`, int64 [M], may be single words, bool [M]."""
        values, rows = parts.values, tf.gather(row_ids(parts.row_splits), where)
        blank = " " if self._between_spaces else WORD_CHARACTER
        last = tf.size(values, tf.int64) - 1
        before = tf.gather(values, tf.maximum(where - 1, 0))
        before = tf.strings.regex_full_match(before, rf"\C*{blank}") == self._between_spaces
        after = tf.gather(values, tf.minimum(where + 1, last))
        after = tf.strings.regex_full_match(after, rf"{blank}\C*") == self._between_spaces
        is_first = tf.gather(parts.row_splits, rows) == where
        is_last = tf.gather(parts.row_splits, rows + 1) == where + 1
        return (is_first | before) & (is_last | after)

    def _index(self, matches: tf.Tensor) -> tf.Tensor:
        """Returns the indices of matches, string [M], in the arrays, int32 [M]."""
        exact, lowered = _hash(matches), _hash(normalization.lower_each(matches))
        last = len(self._hashes) - 1
        index = tf.minimum(tf.searchsorted(self._hashes, exact), last)
        is_exact = tf.gather(self._hashes, index) == exact
        return tf.where(is_exact, index, tf.searchsorted(self._hashes, lowered))


def _hash(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.to_hash_bucket_fast(texts, 2**62)


def _marked(row_splits: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Returns whether each element begins a row, bool [P]."""
    ones = tf.ones_like(row_splits, tf.bool)
    return tf.tensor_scatter_nd_update(
        tf.zeros([size + 1], tf.bool), row_splits[:, tf.newaxis], ones
    )[:-1]


def join(segments: Segments, values: tf.RaggedTensor, of_token: tf.Tensor) -> tf.RaggedTensor:
    """Joins the values of all segments of each text, [B, (T)].

    Args:
      segments: the segments.
      values: the values of the other segments, [P, (t)].
      of_token: the values of the tokens, [P]; those of other segments are ignored.
    """
    is_token = segments.token >= 0
    token = tf.RaggedTensor.from_row_lengths(
        tf.boolean_mask(of_token, is_token), tf.cast(is_token, tf.int64)
    )
    merged = tf.concat([token, values], 1)  # [P, (0 or 1, then t)]
    splits = tf.gather(merged.row_splits, segments.row_splits)
    return tf.RaggedTensor.from_row_splits(merged.values, splits)
