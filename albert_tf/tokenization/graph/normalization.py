"""The rules of normalization.py as TensorFlow operations, with the same results.

Shapes: B texts; C characters of all texts.
"""

from __future__ import annotations

import tensorflow as tf
import tensorflow_text as tf_text

from albert_tf.tokenization import combining_marks
from albert_tf.tokenization.settings import Preprocessing

# The white space of str.split, in ASCII and in Unicode, each without the space character.
_ASCII_SPACES = r"\t-\r\x1c-\x1f"
_SPACES = (
    _ASCII_SPACES + r"\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
)
WHITE_SPACE = f"[ {_SPACES}]"
_ASCII = r"[\x01-\x7f]*"

# ICU lowers these letters according to the locale of the machine (Turkish, Lithuanian). They are
# lowered here as in str.lower, so that the result is the same everywhere. The only other letters
# that depend on the locale are ASCII, which `lower` handles separately.
_LOWERED_BY_LANGUAGE = {"İ": "i̇", "Ì": "ì", "Í": "í", "Ĩ": "ĩ", "Į": "į"}

# tf.strings.lower and other operations end a text at NUL. This code point takes its place: it will
# never be assigned and is in no vocabulary, so it is an unknown character, as NUL is.
NUL = "\U0010ffff"


def normalize(texts: tf.Tensor, settings: Preprocessing) -> tf.Tensor:
    """Returns the texts as they are passed to SentencePiece, string [B].

    Invalid UTF-8 becomes U+FFFD, and the NUL character becomes the constant `NUL`.
    """
    # Most English batches are ASCII, for which half of the steps can be skipped.
    ascii_only = tf.reduce_all(tf.strings.regex_full_match(texts, _ASCII))
    return tf.cond(
        ascii_only,
        lambda: _normalize_ascii(texts, settings),
        lambda: _normalize_unicode(texts, settings),
    )


def _normalize_ascii(texts: tf.Tensor, settings: Preprocessing) -> tf.Tensor:
    texts = _join_on_space(texts, _ASCII_SPACES)
    if settings.rules == "hugging_face":
        texts = _quotes(texts)
    return tf.strings.lower(texts) if settings.lower_case else texts


def _normalize_unicode(texts: tf.Tensor, settings: Preprocessing) -> tf.Tensor:
    hugging_face = settings.rules == "hugging_face"
    texts = hide_nul(tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8"))
    if hugging_face and settings.lower_case:
        texts = lower_each(texts)
    texts = _join_on_space(texts, _SPACES)
    if hugging_face:
        texts = _quotes(texts)
    if not (hugging_face and settings.keep_accents):
        texts = tf_text.normalize_utf8(texts, "NFKD")
    if not settings.keep_accents:
        texts = tf.strings.regex_replace(texts, combining_marks.RE2_PATTERN, "")
    return lower(texts) if settings.lower_case else texts


def lower(texts: tf.Tensor) -> tf.Tensor:
    """Lowers whole texts as str.lower does; sigma depends on its position in the word.

    The texts must not contain the NUL character or a letter of `_LOWERED_BY_LANGUAGE`; call
    `lower_each` or apply NFKD first.
    """
    return tf.strings.lower(tf.strings.lower(texts), encoding="utf-8")


def lower_each(texts: tf.Tensor) -> tf.Tensor:
    """Lowers the texts one character at a time, each as str.lower does."""
    return lower(lower_by_language(tf.strings.regex_replace(texts, "Σ", "σ")))


def lower_by_language(texts: tf.Tensor) -> tf.Tensor:
    """Lowers the letters that ICU lowers according to the locale, so that `lower` can be called."""
    for upper, lowered in _LOWERED_BY_LANGUAGE.items():
        texts = tf.strings.regex_replace(texts, upper, lowered)
    return texts


def hide_nul(texts: tf.Tensor) -> tf.Tensor:
    """Replaces the NUL character with the constant `NUL`."""
    return tf.strings.regex_replace(texts, r"\x00", NUL)


def show_nul(texts: tf.Tensor) -> tf.Tensor:
    """Undoes `hide_nul`."""
    return tf.strings.regex_replace(texts, NUL, "\0")


def _join_on_space(texts: tf.Tensor, spaces: str) -> tf.Tensor:
    # Single spaces, by far the most common, are not matched.
    return tf.strings.strip(tf.strings.regex_replace(texts, f"[ {spaces}]{{2,}}|[{spaces}]", " "))


def _quotes(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.regex_replace(texts, "``|''", '"')
