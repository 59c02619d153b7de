"""The rules of wordpiece_rules.py and WordPiece as TensorFlow operations, with the same ids.

tf_text's FastWordpieceTokenizer cuts text at white space, around punctuation and around Chinese
characters, and finds the longest pieces. What comes before that is here: the normalizer of tf_text
replaces other characters too, such as "½" and "ﬁ".

Texts in which only ASCII letters change, which are most, take a shorter way.

Shapes: B texts; C characters of all texts before normalisation, N after it; T tokens of all texts.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.errors import InputError
from albert_tf.tokenization import wordpiece_rules as rules
from albert_tf.tokenization.graph import normalization
from albert_tf.tokenization.graph.alignment import Aligned
from albert_tf.tokenization.graph.edits import row_ids
from albert_tf.tokenization.graph.offsets import characters
from albert_tf.tokenization.wordpiece import CONTINUES, UNKNOWN, WordPiece


def _class(*tables: str) -> str:
    return "".join(rules.character_class(table, "\\x{%x}") for table in tables)


_REMOVED, _MARKS = f"[{_class(rules.REMOVED)}]", f"[{_class(rules.MARKS)}]"
# ASCII, and the most frequent signs and characters of Chinese.
_SIGNS = _class("00A1-00A7 00AB 00B7 00BB 2010-2027 3001-3003 3008-301B FF01-FF20")
_PLAIN = rf"[\t\n\r -~{_SIGNS}\x{{4e00}}-\x{{9fff}}]*"
# Takes the place of what is in no vocabulary; it will never be assigned.
_NO_PIECE = 0x10FFFF
_CHARACTER_BYTES = 4


class GraphWordPiece(tf.Module):
    """Gives the same ids as a `WordPiece` inside a graph.

    Args:
      vocabulary: the vocabulary with its settings.

    Raises:
      InputError: the settings do not set Chinese characters apart.
    """

    def __init__(self, vocabulary: WordPiece) -> None:
        super().__init__(name="wordpiece")
        self._settings, self._most = vocabulary.settings, vocabulary.max_characters
        if not self._settings.tokenize_chinese_chars:
            raise InputError(
                "A WordPiece vocabulary inside a graph must set Chinese characters apart. Received "
                "tokenize_chinese_chars=False. Use AlbertTokenizer outside the graph."
            )
        # A run of characters that may be a word that is too long. Most texts have none.
        ends = rf"\x00- !-/:-@\[-`{{-~{_SIGNS}\x{{4e00}}-\x{{9fff}}"
        self._long = rf"(?s).*[^{ends}]{{{self._most + 1}}}.*"
        with tf.init_scope(), tf.device("CPU:0"):
            self._fast = tf_text.FastWordpieceTokenizer(
                _reachable(vocabulary.pieces),
                max_bytes_per_word=_CHARACTER_BYTES * self._most,
                token_out_type=tf.int32,
            )

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Returns the ids, int32 [B, (T)], of texts, string [B]."""
        texts = tf.cond(
            self._is_plain(texts), lambda: self._plain(texts), lambda: self._normalized(texts)
        )
        texts = tf.cond(self._may_be_long(texts), lambda: self._hide_long(texts), lambda: texts)
        return self._fast.tokenize(texts)

    def tokenize_with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, ...]:
        """Returns the ids int32, and where tokens begin and end in bytes, int64 [B, (T)] each."""

        def plain() -> tuple[tf.Tensor, ...]:
            ids, starts, limits = self._fast.tokenize_with_offsets(self._plain(texts))
            return ids.row_splits, ids.values, starts.values, limits.values

        row_splits, *values = tf.cond(
            self._is_plain(texts) & ~self._may_be_long(texts), plain, lambda: self._located(texts)
        )
        return tuple(tf.RaggedTensor.from_row_splits(v, row_splits, False) for v in values)

    def _is_plain(self, texts: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all(tf.strings.regex_full_match(texts, _PLAIN))

    def _plain(self, texts: tf.Tensor) -> tf.Tensor:
        return tf.strings.lower(texts) if self._settings.lower_case else texts

    def _normalized(self, texts: tf.Tensor) -> tf.Tensor:
        """Returns what `Rules.normalize` makes of the chunks, with all that is between them."""
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
        texts = self._stripped(tf.strings.regex_replace(texts, _REMOVED, ""))
        return normalization.lower(texts) if self._settings.lower_case else texts

    def _stripped(self, texts: tf.Tensor) -> tf.Tensor:
        """Strips accents, which may come after lowering and before it: the result is the same."""
        if self._settings.keep_accents:
            return normalization.lower_by_language(texts) if self._settings.lower_case else texts
        return tf.strings.regex_replace(tf_text.normalize_utf8(texts, "NFD"), _MARKS, "")

    def _may_be_long(self, texts: tf.Tensor) -> tf.Tensor:
        return tf.reduce_any(tf.strings.regex_full_match(texts, self._long))

    def _hide_long(self, texts: tf.Tensor) -> tf.Tensor:
        """Replaces each character of words that are too long by one that is in no piece."""
        codes = tf.strings.unicode_decode(texts, "UTF-8")  # [B, (N)]
        is_end = _inside(codes.values, _ENDS)
        begins = is_end | _after(is_end) | _begins_row(codes.row_splits)
        word = tf.cumsum(tf.cast(begins, tf.int32)) - 1  # [N]
        length = tf.math.bincount(word)
        values = tf.where(tf.gather(length, word) > self._most, _NO_PIECE, codes.values)
        return tf.strings.unicode_encode(codes.with_values(values), "UTF-8")

    def _located(self, texts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Returns row splits, ids, starts and limits; a character with its marks is one source."""
        codes, starts = tf.strings.unicode_decode_with_offsets(texts, "UTF-8")
        row, starts = row_ids(codes.row_splits), starts.values  # [C]
        begins_row = _begins_row(codes.row_splits)
        sizes = tf.gather(tf.cast(tf.strings.length(texts), tf.int64), row)
        last = tf.concat([begins_row[1:], tf.ones_like(begins_row[:1])], 0)
        limits = tf.where(last, sizes, tf.concat([starts[1:], starts[:1]], 0))
        character = tf.strings.unicode_encode(codes.values[:, tf.newaxis], "UTF-8")
        character = tf.strings.regex_replace(character, _REMOVED, "")
        stripped = self._stripped(character)
        kept = stripped != ""
        # Accents after Chinese characters, which are chunks of their own, belong to nothing.
        begins = kept | begins_row | _after(_inside(codes.values, _limits(rules.CHINESE)))
        source = tf.cumsum(tf.cast(begins, tf.int32)) - 1  # [C]
        ends = tf.where(character != "", limits, 0)
        limits = tf.gather(tf.math.segment_max(ends, source), source)
        batch = tf.size(texts, tf.int64)
        # `reduce_join` of a ragged tensor would make a table with rows as long as the longest.
        result = self._stripped(tf.strings.unsorted_segment_join(stripped, row, batch))
        result = normalization.lower(result) if self._settings.lower_case else result
        result = self._hide_long(result)
        codes = tf.strings.unicode_decode(result, "UTF-8")  # [B, (N)]
        counts = tf.cast(tf.strings.length(stripped, unit="UTF8_CHAR"), tf.int64)
        place = row_ids(tf.concat([[0], tf.cumsum(counts)], 0))  # [N]
        starts, limits = tf.gather(starts, place), tf.gather(limits, place)
        aligned = Aligned(result, codes.values, codes.row_splits, starts, limits)
        ids, begin, end = self._fast.tokenize_with_offsets(result)
        begin, end = characters(aligned, begin.values, end.values, row_ids(ids.row_splits))
        return ids.row_splits, ids.values, tf.gather(starts, begin), tf.gather(limits, end - 1)


def _limits(table: str) -> np.ndarray:
    """Returns where ranges begin and end, in turns, int32."""
    spans = sorted(tuple(int(end, 16) for end in span.split("-")) for span in table.split())
    return np.array([code for span in spans for code in (span[0], span[-1] + 1)], np.int32)


_SPACES = _limits(rules.WHITE_SPACE)
_ENDS = _limits(f"{rules.WHITE_SPACE} {rules.PUNCTUATION} {rules.CHINESE}")


def _inside(codes: tf.Tensor, limits: np.ndarray) -> tf.Tensor:
    return tf.searchsorted(limits, codes, side="right") % 2 == 1


def _after(flags: tf.Tensor) -> tf.Tensor:
    """Returns for each element whether the one before it is set; false for the first."""
    return tf.concat([tf.zeros_like(flags[:1]), flags[:-1]], 0)


def _begins_row(row_splits: tf.Tensor) -> tf.Tensor:
    rows = row_ids(row_splits)
    return rows != tf.concat(
        [tf.fill([tf.minimum(tf.size(rows), 1)], tf.cast(-1, rows.dtype)), rows[:-1]], 0
    )


def _reachable(pieces: list[str]) -> list[str]:
    """Returns the pieces with placeholders for those that no text gives.

    tf_text would find some of them, such as white space.
    """
    result = []
    for index, piece in enumerate(pieces):
        codes = np.array([*map(ord, piece.removeprefix(CONTINUES))], np.int32)
        # Punctuation and Chinese characters are words of their own.
        limits = _SPACES if len(piece) == 1 else _ENDS
        found = len(codes) and not (np.searchsorted(limits, codes, "right") % 2).any()
        # A control character is in no text.
        result.append(piece if found or piece == UNKNOWN else f"\x01{index}")
    return result
