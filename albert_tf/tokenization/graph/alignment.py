"""`normalization.align` as TensorFlow operations: normalised text with byte offsets of its source.

It works on single characters, so it is slower than graph/normalization.py, which gives the same
text.

Shapes: B texts; C characters of all texts before normalisation, N after it.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.tokenization import combining_marks
from albert_tf.tokenization.graph import normalization as graph_normalization
from albert_tf.tokenization.graph.edits import row_ids
from albert_tf.tokenization.settings import Preprocessing


class Aligned(NamedTuple):
    """Normalised texts with the source of each of their characters.

    Attributes:
      texts: string [B].
      codes: code points of the normalised texts, int32 [N].
      row_splits: int64 [B + 1], over N.
      starts: for each character, the byte of the original text where its source begins, int64 [N].
      limits: for each character, the byte of the original text where its source ends, int64 [N].
    """

    texts: tf.Tensor
    codes: tf.Tensor
    row_splits: tf.Tensor
    starts: tf.Tensor
    limits: tf.Tensor


class _Chars(NamedTuple):
    """The characters of all texts; a removed character is an empty string."""

    text: tf.Tensor  # string [C]
    row: tf.Tensor  # int64 [C]
    start: tf.Tensor  # int64 [C]
    limit: tf.Tensor  # int64 [C]


def align(texts: tf.Tensor, settings: Preprocessing) -> Aligned:
    """Returns the normalised texts and the source of each of their characters.

    The source is a character of the original with the marks that follow it; see
    `normalization.Aligned`.
    """
    batch = tf.size(texts, out_type=tf.int64)
    hugging_face = settings.rules == "hugging_face"
    chars = _characters(texts)
    if hugging_face and settings.lower_case:
        chars = chars._replace(text=graph_normalization.lower_each(chars.text))
    space = tf.strings.regex_full_match(chars.text, graph_normalization.WHITE_SPACE)
    chars = _join_on_space(chars, space, batch)
    follows = tf.zeros_like(space)
    if hugging_face:
        chars, follows = _join_quotes(chars)
    decompose = not (hugging_face and settings.keep_accents)
    if decompose:
        chars = chars._replace(text=tf_text.normalize_utf8(chars.text, "NFKD"))
    marks = tf.strings.regex_full_match(chars.text, f"{combining_marks.RE2_PATTERN}+")
    chars = _join_sources(chars, tf.logical_or(follows, marks), space)
    if not settings.keep_accents:
        text = tf.strings.regex_replace(chars.text, combining_marks.RE2_PATTERN, "")
        chars = chars._replace(text=text)
    # `reduce_join` of a ragged tensor would make a table with every row as long as the longest.
    result = tf.strings.unsorted_segment_join(chars.text, chars.row, batch)  # [B]
    if decompose and settings.keep_accents:
        result = tf_text.normalize_utf8(result, "NFKD")  # Sorts marks across characters.
    if settings.lower_case:
        result = graph_normalization.lower(result)
    codes = tf.strings.unicode_decode(result, "UTF-8")
    counts = tf.strings.length(chars.text, unit="UTF8_CHAR")  # [C]
    source = row_ids(tf.concat([[0], tf.cumsum(tf.cast(counts, tf.int64))], 0))  # [N]
    return Aligned(
        result,
        codes.values,
        codes.row_splits,
        tf.gather(chars.start, source),
        tf.gather(chars.limit, source),
    )


def _characters(texts: tf.Tensor) -> _Chars:
    """Splits the texts into characters; replaces invalid UTF-8 with U+FFFD and hides NUL."""
    codes, begins = tf.strings.unicode_decode_with_offsets(texts, "UTF-8")
    row, start = row_ids(codes.row_splits), begins.values
    lengths = tf.gather(tf.cast(tf.strings.length(texts), tf.int64), row)
    limit = tf.where(row == _next(row, -1), _next(start, 0), lengths)
    values = tf.where(codes.values == 0, ord(graph_normalization.NUL), codes.values)
    text = tf.strings.unicode_encode(values[:, tf.newaxis], "UTF-8")  # [C]
    return _Chars(text, row, start, limit)


def _next(values: tf.Tensor, last: int) -> tf.Tensor:
    return tf.concat([values[1:], tf.fill([tf.minimum(tf.size(values), 1)], _of(values, last))], 0)


def _previous(values: tf.Tensor, first: int) -> tf.Tensor:
    return tf.concat(
        [tf.fill([tf.minimum(tf.size(values), 1)], _of(values, first)), values[:-1]], 0
    )


def _of(values: tf.Tensor, number: int) -> tf.Tensor:
    return tf.cast(number, values.dtype)


def _join_on_space(chars: _Chars, space: tf.Tensor, batch: tf.Tensor) -> _Chars:
    """Replaces each run of white space with one space, and strips both ends."""
    index = tf.range(tf.size(space, out_type=tf.int64))
    last = tf.math.unsorted_segment_max(tf.where(space, _of(index, -1), index), chars.row, batch)
    follows = tf.logical_and(
        chars.row == _previous(chars.row, -1), tf.logical_not(_previous(space, False))
    )
    kept = tf.logical_and(follows, index < tf.gather(last, chars.row))
    return chars._replace(text=tf.where(space, tf.where(kept, " ", ""), chars.text))


def _join_quotes(chars: _Chars) -> tuple[_Chars, tf.Tensor]:
    """Replaces each pair `` or '' with a double quote, pairing from the left of a run.

    Returns:
      The characters, and which of them are the second of a pair, bool [C].
    """
    quote = tf.logical_or(chars.text == "`", chars.text == "'")
    new = tf.logical_or(
        chars.text != _previous(chars.text, ""), chars.row != _previous(chars.row, -1)
    )
    run = tf.cumsum(tf.cast(new, tf.int64)) - 1
    index = tf.range(tf.size(run, out_type=tf.int64))
    place = index - tf.gather(tf.where(new)[:, 0], run)
    second = tf.logical_and(quote, place % 2 == 1)
    first = tf.logical_and(_next(second, False), tf.logical_not(second))
    text = tf.where(first, '"', tf.where(second, "", chars.text))
    return chars._replace(text=text), second


def _join_sources(chars: _Chars, follows: tf.Tensor, space: tf.Tensor) -> _Chars:
    """Gives characters that follow another, such as marks, and that one the same source."""
    new = tf.logical_or(tf.logical_not(follows), _previous(space, True))
    new = tf.logical_or(new, chars.row != _previous(chars.row, -1))
    source = tf.cumsum(tf.cast(new, tf.int32)) - 1  # [C]
    return chars._replace(
        start=tf.gather(tf.math.segment_min(chars.start, source), source),
        limit=tf.gather(tf.math.segment_max(chars.limit, source), source),
    )
