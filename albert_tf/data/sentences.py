"""Splits paragraphs into sentences, using sentencex of the Wikimedia Foundation.

sentencex knows the full stops, quotes and abbreviations of about 300 languages and processes about
50 MB/s. The alternatives have drawbacks: ICU needs a system library, and TensorFlow Text supports
English only and would load TensorFlow in every worker.
"""

from __future__ import annotations

import re

import sentencex

from albert_tf.errors import InputError

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]+)*")


def split_sentences(paragraph: str, language: str = "en") -> list[str]:
    """Returns the sentences of a paragraph, with surrounding white space stripped.

    Args:
      paragraph: a line of text.
      language: the language code, such as "en"; see `check_language`.
    """
    pieces = (piece.strip() for piece in sentencex.segment(language, paragraph))
    return [piece for piece in pieces if piece]


def check_language(code: str) -> None:
    """Checks the form of a language code. Languages without specific rules use those of English.

    Raises:
      InputError: the code does not look like "en" or "zh-hans".
    """
    if not _LANGUAGE.fullmatch(code):
        raise InputError(
            "A language must be given by its Wikipedia code, such as en, de, tr, ja or ar. "
            f"Received {code!r}. Pass the code of the language of the text."
        )
