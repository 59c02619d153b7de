"""Texts as callers have them: bytes, whose invalid ones are replaced and counted, and tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from albert_tf.errors import InputError

_ESCAPED = re.compile("[\udc80-\udcff]")


def decoded(line: bytes, replace_invalid: bool, place: str) -> tuple[str, int]:
    """Returns the decoded text and the number of invalid bytes that were replaced with U+FFFD.

    Args:
      line: the bytes to decode.
      replace_invalid: whether to replace bytes that are not valid UTF-8; otherwise they are an
        error.
      place: the origin of the bytes, for the error message.

    Raises:
      InputError: the bytes are not valid UTF-8 and `replace_invalid` is false.
    """
    text, replaced = without_escapes(line.decode("utf-8", errors="surrogateescape"))
    if replaced and not replace_invalid:
        raise InputError(
            f"Text must be UTF-8. Received {replaced} invalid bytes in {place}. Convert the text "
            "to UTF-8, or replace such bytes with invalid_utf8='replace'."
        )
    return text, replaced


def without_escapes(text: str) -> tuple[str, int]:
    """Replaces escaped bytes with U+FFFD, as Unicode recommends, and returns their number too."""
    escaped = len(_ESCAPED.findall(text))
    if escaped:
        # A truncated multi-byte character becomes a single U+FFFD, as in the graph.
        text = text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")
    return text, escaped


def as_list(texts: str | bytes | Iterable[str]) -> list[Any]:
    """Returns texts as a list: those of an iterable or of a tensor; a single text is a list of one.

    Raises:
      InputError: the texts are a tensor of a graph, whose values are not known yet.
    """
    if hasattr(texts, "numpy"):  # A tensor.
        texts = texts.numpy()
        texts = texts if isinstance(texts, bytes) else texts.tolist()
    elif type(texts).__name__ == "SymbolicTensor":
        raise InputError(
            "AlbertTokenizer takes texts in Python only. Received a tensor of a graph, as in "
            "tf.data.Dataset.map. Use GraphTokenizer(tokenizer).tokenize, an exported "
            "preprocessor, or model.with_preprocessing(tokenizer)."
        )
    return [texts] if isinstance(texts, (str, bytes)) else list(texts)


def as_words(texts: Iterable[Any]) -> list[list[str]]:
    """Returns texts that are given as words; a single list of words is a list of one text.

    Raises:
      InputError: a text is not a list of words.
    """
    rows = [] if isinstance(texts, (str, bytes)) else as_list(texts)
    if rows and all(isinstance(row, (str, bytes)) for row in rows):
        rows = [rows]
    for index, row in enumerate([texts] if isinstance(texts, (str, bytes)) else rows):
        if isinstance(row, (str, bytes)) or not isinstance(row, Iterable):
            raise InputError(
                "With is_split_into_words, each text must be a list of words. Received "
                f"{row!r:.80} at index {index}. Split it, or set is_split_into_words=False."
            )
    return [list(row) for row in rows]
