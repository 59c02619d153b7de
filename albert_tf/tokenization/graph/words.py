"""The rules of words.py as TensorFlow operations, with the same words.

Shapes: B texts; P pieces of all texts, which are words and what is between them; W words.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from albert_tf.tokenization import words

# Ends a piece. This byte is in no UTF-8 text.
_END = b"\xff"


class Pieces(NamedTuple):
    """Texts as pieces, which joined are the texts. Invalid UTF-8 is U+FFFD in them.

    Attributes:
      text: string [P].
      row_splits: int64 [B + 1], over P.
      is_word: bool [P].
    """

    text: tf.Tensor
    row_splits: tf.Tensor
    is_word: tf.Tensor

    def words(self) -> tf.RaggedTensor:
        """Returns the words of each text, string [B, (words)]."""
        before = tf.concat([[0], tf.cumsum(tf.cast(self.is_word, tf.int64))], 0)
        splits = tf.gather(before, self.row_splits)
        values = tf.boolean_mask(self.text, self.is_word)
        return tf.RaggedTensor.from_row_splits(values, splits, validate=False)


def cut(texts: tf.Tensor, rule: str) -> Pieces:
    """Returns the pieces of texts, string [B].

    Args:
      texts: the texts.
      rule: one of `words.RULES`.
    """
    pattern = words.pattern(rule, "\\x{%x}")
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
    # Without a group in the pattern, RE2 takes a tenth of the time.
    ended = tf.strings.regex_replace(texts, f"{pattern.word}|{pattern.blank}", rb"\0" + _END)
    pieces = tf.strings.split(ended, _END)  # [B, (pieces)], with "" after the last of each
    text = tf.boolean_mask(pieces.values, tf.not_equal(pieces.values, ""))
    splits = pieces.row_splits - tf.range(tf.size(pieces.row_splits, tf.int64))
    is_word = tf.logical_not(tf.strings.regex_full_match(text, pattern.blank))
    return Pieces(text, splits, is_word)


def count(texts: tf.Tensor, rule: str) -> tf.Tensor:
    """Returns the number of words of all texts, int64, without making them."""
    pattern = words.pattern(rule, "\\x{%x}")
    marked = tf.strings.regex_replace(texts, pattern.word, "x")
    marked = tf.strings.regex_replace(marked, pattern.blank, "")
    return tf.reduce_sum(tf.cast(tf.strings.length(marked), tf.int64))
