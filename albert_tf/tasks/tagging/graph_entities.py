"""Entities of schemes.py as TensorFlow operations, with their texts and offsets.

Shapes: B texts; P pieces of all texts; T words of all texts; E entities of all texts.
"""

from __future__ import annotations

import tensorflow as tf

from albert_tf.tasks.tagging.schemes import Table
from albert_tf.tokenization.graph.edits import row_ids
from albert_tf.tokenization.graph.words import Pieces


def find(
    pieces: Pieces, labels: tf.Tensor, scores: tf.Tensor, table: Table
) -> dict[str, tf.Tensor]:
    """Returns the entities of texts as `entities`, `starts`, `ends`, `labels` and `scores`.

    All are [B, entities of the text that has most], padded with "" and 0; `lengths` [B] is how many
    there are. Offsets count characters. A score is the mean of those of the words.

    Args:
      pieces: the texts.
      labels: the index of the label of each word, int32 [T].
      scores: the probability of that label, float32 [T].
      table: what the labels mean.
    """
    splits = pieces.words().row_splits  # [B + 1], over T
    kind = tf.gather(tf.constant(table.kind), labels)  # [T]
    opens = tf.gather(tf.constant(table.begins), labels)
    closes = tf.gather(tf.constant(table.ends), labels)
    is_first = tf.scatter_nd(splits[:-1, tf.newaxis], tf.ones_like(splits[:-1]), [splits[-1] + 1])
    is_first = is_first[:-1] > 0  # [T]
    differs = is_first | (kind != _before(kind)) | _before(closes)
    begins = (kind >= 0) & (opens | differs)
    number = tf.cumsum(tf.cast(begins, tf.int32)) - 1  # [T]
    number = tf.where(kind >= 0, number, -1)
    count = tf.reduce_sum(tf.cast(begins, tf.int32))  # E

    # A piece between two words of an entity belongs to it too.
    after = tf.cumsum(tf.cast(pieces.is_word, tf.int32))  # [P]
    around = tf.concat([[-1], number, [-1]], 0)
    last, following = tf.gather(around, after), tf.gather(around, after + 1)
    inside = tf.where(pieces.is_word | (last == following), last, -1)  # [P]

    ends = tf.cumsum(tf.strings.length(pieces.text, "UTF8_CHAR"))  # [P], over all texts
    row = row_ids(pieces.row_splits)  # [P]
    offset = tf.gather(tf.concat([[0], ends], 0), pieces.row_splits[:-1])  # [B]
    ends -= tf.gather(offset, row)
    starts = ends - tf.strings.length(pieces.text, "UTF8_CHAR")
    kept = inside >= 0
    inside, starts, ends = (tf.boolean_mask(x, kept) for x in (inside, starts, ends))
    lengths = tf.gather(tf.concat([[0], tf.cumsum(tf.cast(begins, tf.int32))], 0), splits)  # [B+1]
    found = {
        "entities": tf.strings.unsorted_segment_join(
            tf.boolean_mask(pieces.text, kept), inside, count
        ),
        "starts": tf.math.unsorted_segment_min(starts, inside, count),
        "ends": tf.math.unsorted_segment_max(ends, inside, count),
        "labels": tf.gather(tf.constant(table.kinds, tf.string), tf.boolean_mask(kind, begins)),
        "scores": tf.math.unsorted_segment_mean(
            tf.boolean_mask(scores, number >= 0), tf.boolean_mask(number, number >= 0), count
        ),
    }
    answers = {
        name: tf.RaggedTensor.from_row_splits(values, lengths, validate=False).to_tensor()
        for name, values in found.items()
    }
    return {**answers, "lengths": lengths[1:] - lengths[:-1]}


def _before(values: tf.Tensor) -> tf.Tensor:
    """Returns the value before each; the first has its own."""
    return tf.concat([values[:1], values[:-1]], 0)
