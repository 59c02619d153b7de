"""The added tokens of added_tokens.py as TensorFlow operations.

Texts with tokens, which are few, are split at them. The segments between them are tokenized as
separate texts, and the ids of the tokens are then put back.

Shapes: B texts, R of which have tokens; P segments of these, M of which are tokens; N texts and
segments without tokens; K tokens that can be found.
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
    """Texts without tokens, and the segments of the others.

    Attributes:
      texts: what is to be tokenized: the texts without tokens, followed by the segments that are no
        tokens, string [N].
      parts: the segments, string [P].
      row: the index of the text of each segment, int64 [P].
      plain: the indices of the segments that are no tokens, int64 [P - M].
      tokens: the indices of the segments that are tokens, int64 [M].
      ids: the ids of these, int32 [M].
      places: the place of each of `texts`, and then of each token, if they are in the order of the
        original texts, int64 [N + M].
      begins: the place where each original text begins, int64 [B].
    """

    texts: tf.Tensor
    parts: tf.Tensor
    row: tf.Tensor
    plain: tf.Tensor
    tokens: tf.Tensor
    ids: tf.Tensor
    places: tf.Tensor
    begins: tf.Tensor

    def bounds(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the bytes of the text where each segment begins and ends, int64 [P] each."""
        # The segments cover the whole text, so their lengths give their positions.
        lengths = tf.cast(tf.strings.length(self.parts), tf.int64)
        limits = tf.cumsum(lengths)
        starts = limits - lengths
        begin = tf.gather(starts, lower_bound(self.row, self.row))
        return starts - begin, limits - begin


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
        self._alone_in_ascii = matcher.alone_in_ascii

    def apart(self, texts: tf.Tensor) -> Segments:
        """Sets the tokens of texts, string [B], apart from what is to be tokenized."""
        has_tokens = tf.strings.regex_full_match(texts, self._sign)

        def split() -> Segments:
            rows, others = (tf.where(x)[:, 0] for x in (has_tokens, ~has_tokens))
            parts, number, tokens, ids = self._split(tf.gather(texts, rows))
            row = tf.gather(rows, number)
            is_token = tf.scatter_nd(
                tokens[:, tf.newaxis], tf.ones_like(tokens, tf.bool), tf.shape(row, tf.int64)
            )
            plain = tf.where(~is_token)[:, 0]
            # Before a text are other texts, and the segments of those that have tokens.
            text = tf.range(tf.size(texts, tf.int64))
            begins = text - lower_bound(rows, text) + lower_bound(row, text)
            place = tf.range(tf.size(row, tf.int64)) + row - number  # [P]
            places = [tf.gather(begins, others), *(tf.gather(place, x) for x in (plain, tokens))]
            merged = tf.concat([tf.gather(texts, others), tf.gather(parts, plain)], 0)
            return Segments(merged, parts, row, plain, tokens, ids, tf.concat(places, 0), begins)

        def none() -> Segments:
            no = tf.zeros([0], tf.int64)
            return Segments(
                texts, tf.zeros([0], tf.string), no, no, no, tf.zeros([0], tf.int32), no, no
            )

        return tf.cond(tf.reduce_any(has_tokens), split, none)

    def _split(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Returns `parts`, `row`, `where` and `ids` of texts, string [R], that may have tokens."""
        marked = self._marked(texts)
        found = tf.raw_ops.StringSplitV2(input=marked, sep="\0")
        size = tf.strings.length(texts)  # [R]
        marks = tf.reduce_sum(tf.strings.length(marked) - size)

        def with_nul() -> tuple[tf.Tensor, tf.Tensor]:
            marked = self._marked(normalization.hide_nul(texts))
            found = tf.raw_ops.StringSplitV2(input=marked, sep="\0")
            has_nul = tf.strings.regex_full_match(texts, r"\C*\x00\C*")
            has_nul = tf.gather(has_nul, found.indices[:, 0])
            shown = normalization.show_nul(found.values)
            return tf.where(has_nul, shown, found.values), found.indices

        # Each mark begins another part, and so does a NUL of a text.
        no_nul = tf.size(found.values) == marks + tf.size(texts)
        parts, indices = tf.cond(no_nul, lambda: (found.values, found.indices), with_nul)
        row, place = indices[:, 0], indices[:, 1]
        # In turns, text, which may be empty, and a match.
        where = tf.where(place % 2 == 1)[:, 0]  # [M]
        index = self._index(tf.gather(parts, where))  # [M]
        ids = tf.gather(self._ids, index)
        if not self._single.any():
            return parts, row, where, ids
        doubtful = tf.gather(self._single, index)  # [M]
        if self._alone_in_ascii:
            # Of a text without ASCII characters only, or of one that is not valid UTF-8.
            beyond_ascii = tf.strings.length(texts, "UTF8_CHAR") < size  # [R]
            doubtful &= tf.gather(beyond_ascii, tf.gather(row, where))

        def checked() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
            doubts = tf.where(doubtful)[:, 0]
            alone = self._is_alone(parts, row, tf.gather(where, doubts))
            refused = tf.gather(doubts, tf.where(~alone))  # [., 1]
            kept = tf.tensor_scatter_nd_update(
                tf.ones_like(doubtful), refused, tf.zeros_like(refused[:, 0], tf.bool)
            )
            return tf.cond(
                tf.size(refused) > 0,
                lambda: _joined(parts, row, place, where[kept], ids[kept]),
                lambda: (parts, row, where, ids),
            )

        return tf.cond(tf.reduce_any(doubtful), checked, lambda: (parts, row, where, ids))

    def _marked(self, texts: tf.Tensor) -> tf.Tensor:
        # Without a group in the pattern, RE2 takes less time.
        return tf.strings.regex_replace(texts, self._pattern, b"\0\\0\0")

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
        """Returns the indices of matches, string [M], in the arrays, int64 [M]."""
        exact = _hash(matches)
        index = lower_bound(self._hashes, exact)
        found = tf.gather(self._hashes, tf.minimum(index, len(self._hashes) - 1))
        others = tf.where(found != exact)  # [., 1]

        def lowered() -> tf.Tensor:
            lower = normalization.lower_each(tf.gather(matches, others[:, 0]))
            lower = lower_bound(self._hashes, _hash(lower))
            return tf.tensor_scatter_nd_update(index, others, lower)

        return tf.cond(tf.size(others) > 0, lowered, lambda: index)


def _hash(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.to_hash_bucket_fast(texts, 2**62)


def _joined(
    parts: tf.Tensor, row: tf.Tensor, place: tf.Tensor, where: tf.Tensor, ids: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the segments after neighbours that are not tokens are joined."""
    is_token = tf.scatter_nd(
        where[:, tf.newaxis], tf.ones_like(where, tf.bool), tf.shape(row, tf.int64)
    )  # [P]
    begins = is_token | (place == 0) | tf.concat([[True], is_token], 0)[:-1]
    group = tf.cumsum(tf.cast(begins, tf.int64)) - 1  # [P]
    first = tf.where(begins)[:, 0]
    texts = tf.strings.unsorted_segment_join(parts, group, tf.size(first))
    return texts, tf.gather(row, first), tf.gather(group, where), ids


def join(segments: Segments, values: tf.RaggedTensor, of_tokens: tf.Tensor) -> tf.RaggedTensor:
    """Returns the values of each original text, [B, (T), ...].

    Args:
      segments: the texts and segments.
      values: the values of `segments.texts`, [N, (t), ...].
      of_tokens: the values of the tokens, [M, ...].
    """
    splits = values.row_splits

    def joined() -> tuple[tf.Tensor, tf.Tensor]:
        # After the values, each token is a row of its own.
        limits = splits[-1] + 1 + tf.range(tf.size(segments.ids, tf.int64))
        rows = tf.RaggedTensor.from_row_splits(
            tf.concat([values.values, of_tokens], 0), tf.concat([splits, limits], 0), validate=False
        )
        rows = tf.gather(rows, tf.raw_ops.InvertPermutation(x=segments.places))
        begins = tf.gather(rows.row_splits, segments.begins)
        return rows.values, tf.concat([begins, rows.row_splits[-1:]], 0)

    result = tf.cond(tf.size(segments.row) > 0, joined, lambda: (values.values, splits))
    return tf.RaggedTensor.from_row_splits(*result, validate=False)
