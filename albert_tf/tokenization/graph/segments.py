"""Handles special tokens written in a text, under the "hugging_face" rules, inside a graph.

Each text is split at its special tokens. The segments between them are tokenized as separate texts,
and the special ids are then put back.

Shapes: B texts; P segments of all texts.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.tokenization import special_ids
from albert_tf.tokenization.graph import normalization as graph_normalization
from albert_tf.tokenization.graph.edits import row_ids


class Segments(NamedTuple):
    """The segments of texts.

    Attributes:
      texts: string [P]; empty for a special token.
      special: int32 [P]; the id of a special token, and -1 for other segments.
      starts: the byte of the text where each segment begins, int64 [P].
      limits: the byte of the text where each segment ends, int64 [P].
      row_splits: int64 [B + 1], over P.
    """

    texts: tf.Tensor
    special: tf.Tensor
    starts: tf.Tensor
    limits: tf.Tensor
    row_splits: tf.Tensor


def split(texts: tf.Tensor, ids: special_ids.SpecialIds, lower_case: bool) -> Segments:
    """Splits texts, string [B], at special tokens."""
    pattern = special_ids.text_pattern(lower_case)
    # tf_text.regex_split also ends a text at NUL.
    has_nul = tf.strings.regex_full_match(texts, r"(?s).*\x00.*")
    parts = tf_text.regex_split(graph_normalization.hide_nul(texts), pattern, pattern)
    values = parts.values  # [P]
    rows = row_ids(parts.row_splits)
    values = tf.where(tf.gather(has_nul, rows), graph_normalization.show_nul(values), values)
    special = tf.fill(tf.shape(values), -1)
    lowered = tf.strings.lower(values, encoding="utf-8")
    for piece, index in zip(special_ids.PIECES, ids):
        special = tf.where(lowered == piece.lower(), index, special)
    special = tf.where(tf.strings.regex_full_match(values, pattern), special, -1)
    # The parts cover the whole text, so their lengths give their positions.
    reach = tf.concat([[0], tf.cumsum(tf.cast(tf.strings.length(values), tf.int64))], 0)
    before_row = tf.gather(tf.gather(reach, parts.row_splits), rows)  # [P]
    plain = tf.where(special >= 0, "", values)
    return Segments(
        plain, special, reach[:-1] - before_row, reach[1:] - before_row, parts.row_splits
    )


def join(segments: Segments, values: tf.RaggedTensor, of_special: tf.Tensor) -> tf.RaggedTensor:
    """Joins the values of all segments of each text, [B, (T)].

    Args:
      segments: the segments.
      values: the values of the plain segments, [P, (t)].
      of_special: the values of the special tokens, [P]; those of other segments are ignored.
    """
    is_special = segments.special >= 0
    special = tf.RaggedTensor.from_row_lengths(
        tf.boolean_mask(of_special, is_special), tf.cast(is_special, tf.int64)
    )
    merged = tf.concat([special, values], 1)  # [P, (0 or 1, then t)]
    splits = tf.gather(merged.row_splits, segments.row_splits)
    return tf.RaggedTensor.from_row_splits(merged.values, splits)
