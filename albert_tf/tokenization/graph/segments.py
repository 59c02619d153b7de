"""Special tokens written in a text, which rules "hugging_face" read as such, inside a graph.

A text is split at them. What lies between is tokenized like a text of its own, and the special ids
are put back.

Shapes: B texts; P segments of all texts together.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.tokenization import special_ids
from albert_tf.tokenization.graph import normalization as graph_normalization


class Segments(NamedTuple):
    """The segments of texts.

    Attributes:
      texts: string [P]; empty where a special token stands.
      special: the special id there, int32 [P], and -1 elsewhere.
      starts: the byte of the text where each begins, int64 [P].
      limits: likewise, where each ends.
      row_splits: int64 [B + 1], over P.
    """

    texts: tf.Tensor
    special: tf.Tensor
    starts: tf.Tensor
    limits: tf.Tensor
    row_splits: tf.Tensor


def split(texts: tf.Tensor, ids: special_ids.SpecialIds, lower_case: bool) -> Segments:
    """Returns the segments of texts, string [B]."""
    pattern = special_ids.text_pattern(lower_case)
    # tf_text.regex_split ends a text at NUL too.
    has_nul = tf.strings.regex_full_match(texts, r"(?s).*\x00.*")
    parts = tf_text.regex_split(graph_normalization.hide_nul(texts), pattern, pattern)
    values = parts.values  # [P]
    rows = parts.value_rowids()
    values = tf.where(tf.gather(has_nul, rows), graph_normalization.show_nul(values), values)
    special = tf.fill(tf.shape(values), -1)
    lowered = tf.strings.lower(values, encoding="utf-8")
    for piece, index in zip(special_ids.PIECES, ids):
        special = tf.where(lowered == piece.lower(), index, special)
    special = tf.where(tf.strings.regex_full_match(values, pattern), special, -1)
    # The parts cover the text, so their lengths tell where they lie.
    reach = tf.concat([[0], tf.cumsum(tf.cast(tf.strings.length(values), tf.int64))], 0)
    before_row = tf.gather(tf.gather(reach, parts.row_splits), rows)  # [P]
    plain = tf.where(special >= 0, "", values)
    return Segments(
        plain, special, reach[:-1] - before_row, reach[1:] - before_row, parts.row_splits
    )


def join(segments: Segments, values: tf.RaggedTensor, of_special: tf.Tensor) -> tf.RaggedTensor:
    """Returns [B, (T)]: `values` of the segments [P, (t)], and `of_special` [P] of the others."""
    kept = tf.boolean_mask(of_special, segments.special >= 0)
    here = tf.RaggedTensor.from_row_lengths(kept, tf.cast(segments.special >= 0, tf.int64))
    merged = tf.concat([here, values], 1)  # [P, (0 or 1, then t)]
    splits = tf.gather(merged.row_splits, segments.row_splits)
    return tf.RaggedTensor.from_row_splits(merged.values, splits)
