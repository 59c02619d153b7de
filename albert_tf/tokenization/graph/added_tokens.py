"""The added tokens of added_tokens.py as TensorFlow operations.

Texts with tokens, which are few, are split at them. The segments between them are tokenized as
separate texts, and the ids of the tokens are then put back.

Shapes: B texts, R of which have tokens; P segments of these, M of which are matches; K tokens that
can be found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from albert_tf.tokenization.graph import normalization
from albert_tf.tokenization.graph.edits import lower_bound
from albert_tf.tokenization.token_matcher import Matcher
from albert_tf.tokenization.word_characters import WORD_CHARACTER


class Segments(NamedTuple):
    """Texts, and the segments of those that have tokens.

    Attributes:
      texts: the texts, in which those with tokens are empty, followed by the segments, in which
        tokens are empty, string [B + P].
      row: the index of the text of each segment, int64 [P].
      token: int32 [P]; the id of a token, and -1 for other segments.
      starts: the byte of the text where each segment begins, int64 [P].
      limits: the byte of the text where each segment ends, int64 [P].
    """

    texts: tf.Tensor
    row: tf.Tensor
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
            merged = tf.concat([tf.where(has_tokens, "", texts), found.texts], 0)
            return found._replace(texts=merged, row=tf.gather(rows, found.row))

        def none() -> Segments:
            no, no_token = tf.zeros([0], tf.int64), tf.zeros([0], tf.int32)
            return Segments(texts, no, no_token, no, no)

        return tf.cond(tf.reduce_any(has_tokens), split, none)

    def _split(self, texts: tf.Tensor) -> Segments:
        """Returns the segments of texts, string [R], all of which may have tokens."""
        has_nul = tf.strings.regex_full_match(texts, r"\C*\x00\C*")

        def with_nul() -> tuple[tf.Tensor, ...]:
            values, *others = self._parts(normalization.hide_nul(texts))
            shown = normalization.show_nul(values)
            return tf.where(tf.gather(has_nul, others[0]), shown, values), *others

        values, row, token = tf.cond(tf.reduce_any(has_nul), with_nul, lambda: self._parts(texts))
        # The parts cover the whole text, so their lengths give their positions.
        limits = tf.cumsum(tf.cast(tf.strings.length(values), tf.int64))
        starts = tf.concat([[0], limits[:-1]], 0)
        begin = tf.gather(starts, lower_bound(row, row))
        plain = tf.where(token >= 0, "", values)
        return Segments(plain, row, token, starts - begin, limits - begin)

    def _parts(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns the segments of texts without NUL, their texts, and the ids of tokens, [P]."""
        # Without a group in the pattern, RE2 takes less time.
        marked = tf.strings.regex_replace(texts, self._pattern, b"\0\\0\0")
        # In turns, text, which may be empty, and a match.
        parts = tf.raw_ops.StringSplitV2(input=marked, sep="\0")
        values, row, place = parts.values, parts.indices[:, 0], parts.indices[:, 1]
        where = tf.where(place % 2 == 1)  # [M, 1]
        index = self._index(tf.gather_nd(values, where))  # [M]
        ids = tf.gather(self._ids, index)
        token = tf.tensor_scatter_nd_update(tf.fill(tf.shape(row), -1), where, ids)  # [P]
        if not self._single.any():
            return values, row, token
        kept = self._is_alone(values, row, where[:, 0]) | ~tf.gather(self._single, index)  # [M]

        def joined() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            """Returns the segments after neighbours that are not tokens are joined."""
            ids_kept = tf.where(kept, ids, -1)
            ids_of_all = tf.tensor_scatter_nd_update(token, where, ids_kept)  # [P]
            begins = (ids_of_all >= 0) | (place == 0)
            begins |= tf.concat([[True], ids_of_all >= 0], 0)[:-1]
            group = tf.cumsum(tf.cast(begins, tf.int32)) - 1  # [P]
            first = tf.where(begins)[:, 0]
            texts = tf.strings.unsorted_segment_join(values, group, tf.size(first))
            return texts, tf.gather(row, first), tf.gather(ids_of_all, first)

        return tf.cond(tf.reduce_all(kept), lambda: (values, row, token), joined)

    def _is_alone(self, values: tf.Tensor, row: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
        """Returns whether the matches `where`, int64 [M], may be single words, bool [M].

        Args:
          values: the parts, string [P].
          row: the text of each part, int64 [P].
          where: the indices of the matches; there is a part on both sides of each.
        """
        blank = " " if self._between_spaces else WORD_CHARACTER
        last = tf.size(row, tf.int64) - 1

        def at(step: int, pattern: str) -> tf.Tensor:
            beside = tf.gather(values, where + step)
            # Another match may touch it.
            beyond = tf.clip_by_value(where + 2 * step, 0, last)
            is_last = (tf.gather(row, beyond) != tf.gather(row, where)) | (beyond == where + step)
            is_last &= beside == ""
            text = tf.where(beside == "", tf.gather(values, beyond), beside)
            return is_last | (tf.strings.regex_full_match(text, pattern) == self._between_spaces)

        return at(-1, rf"\C*{blank}") & at(1, rf"{blank}\C*")

    def _index(self, matches: tf.Tensor) -> tf.Tensor:
        """Returns the indices of matches, string [M], in the arrays, int32 [M]."""
        last = len(self._hashes) - 1
        exact = _hash(matches)
        index = tf.minimum(tf.searchsorted(self._hashes, exact), last)
        is_exact = tf.gather(self._hashes, index) == exact

        def lowered() -> tf.Tensor:
            lower = _hash(normalization.lower_each(matches))
            return tf.where(is_exact, index, tf.searchsorted(self._hashes, lower))

        return tf.cond(tf.reduce_all(is_exact), lambda: index, lowered)


def _hash(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.to_hash_bucket_fast(texts, 2**62)


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
        row = segments.row
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

    result = tf.cond(tf.size(segments.row) > 0, joined, lambda: (values.values, splits))
    return tf.RaggedTensor.from_row_splits(*result, validate=False)
