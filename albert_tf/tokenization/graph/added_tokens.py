"""The added tokens of added_tokens.py as TensorFlow operations.

Texts with tokens, which are few, are split at them. The segments between them are tokenized as
separate texts, and the ids of the tokens are then put back.

Shapes: B texts, R of which have tokens; P segments of these; K tokens that can be found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.tokenization.graph import normalization
from albert_tf.tokenization.graph.edits import lower_bound, row_ids
from albert_tf.tokenization.token_matcher import Matcher
from albert_tf.tokenization.word_characters import WORD_CHARACTER


class Segments(NamedTuple):
    """Texts, and the segments of those that have tokens.

    Attributes:
      texts: the texts, in which those with tokens are empty, followed by the segments, in which
        tokens are empty, string [B + P].
      rows: the indices of the texts with tokens, int64 [R].
      row_splits: int64 [R + 1], over P.
      token: int32 [P]; the id of a token, and -1 for other segments.
      starts: the byte of the text where each segment begins, int64 [P].
      limits: the byte of the text where each segment ends, int64 [P].
    """

    texts: tf.Tensor
    rows: tf.Tensor
    row_splits: tf.Tensor
    token: tf.Tensor
    starts: tf.Tensor
    limits: tf.Tensor


class GraphMatcher:
    """Sets tokens apart as `token_matcher.Matcher.apart` does.

    Its small arrays become constants in the graphs that use them.
    """

    def __init__(self, matcher: Matcher) -> None:
        self._pattern = matcher.pattern
        self._sign = rf"\C*?(?:{matcher.sign})\C*"
        with tf.init_scope(), tf.device("CPU:0"):
            hashes = _hash(tf.constant(list(matcher.ids))).numpy()
        order = np.argsort(hashes)
        self._hashes = hashes[order]  # [K], ascending
        self._ids = np.array([*matcher.ids.values()], np.int32)[order]  # [K]
        self._single = np.isin(self._ids, [*matcher.single_words])  # [K]
        self._between_spaces = matcher.between_spaces

    def apart(self, texts: tf.Tensor) -> Segments:
        """Sets the tokens of texts, string [B], apart from what is to be tokenized."""
        has_tokens = tf.strings.regex_full_match(texts, self._sign)

        def split() -> Segments:
            rows = tf.where(has_tokens)[:, 0]
            found = self._split(tf.gather(texts, rows))
            others = tf.where(has_tokens, "", texts)
            return found._replace(texts=tf.concat([others, found.texts], 0), rows=rows)

        def none() -> Segments:
            no, no_token = tf.zeros([0], tf.int64), tf.zeros([0], tf.int32)
            return Segments(texts, no, tf.zeros([1], tf.int64), no_token, no, no)

        return tf.cond(tf.reduce_any(has_tokens), split, none)

    def _split(self, texts: tf.Tensor) -> Segments:
        """Returns the segments of texts, string [R], all of which may have tokens."""
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
        starts, limits = reach[:-1] - before_row, reach[1:] - before_row
        return Segments(plain, rows, parts.row_splits, token, starts, limits)

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
    """Returns the values of each text, [B, (T)].

    Args:
      segments: the texts and segments.
      values: the values of the texts and of the segments, [B + P, (t)].
      of_token: the values of the tokens, [P]; those of other segments are ignored.
    """
    splits = values.row_splits

    def joined() -> tuple[tf.Tensor, tf.Tensor]:
        added = tf.size(segments.token, tf.int64)
        text = tf.range(values.nrows() - added)  # [B]
        row = tf.gather(segments.rows, row_ids(segments.row_splits))  # [P]
        # The place of each text is before its segments.
        place = text + lower_bound(row, text)
        places = tf.concat([place, tf.range(added) + row + 1], 0)[:, tf.newaxis]
        first, last = splits[:-1], splits[1:]
        token = tf.where(segments.token >= 0)  # [M, 1]
        after = splits[-1] + token[:, 0]  # of_token follows the values.
        first = tf.tensor_scatter_nd_update(first, token + tf.size(text, tf.int64), after)
        last = tf.tensor_scatter_nd_update(last, token + tf.size(text, tf.int64), after + 1)
        size = tf.size(places, tf.int64)[tf.newaxis]
        ordered = tf.ragged.range(
            tf.scatter_nd(places, first, size), tf.scatter_nd(places, last, size)
        )
        result = tf.gather(tf.concat([values.values, of_token], 0), ordered.values)
        return result, tf.gather(ordered.row_splits, tf.concat([place, size], 0))

    result = tf.cond(tf.size(segments.rows) > 0, joined, lambda: (values.values, splits))
    return tf.RaggedTensor.from_row_splits(*result, validate=False)
