"""`Sentence`: words with their labels, from a file of words or from raw text."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Sentence:
    """Words and their labels.

    Attributes:
      words: the words; at least one, unless they are those of a text.
      labels: one label for each word; empty if unknown.
      line: the line number of the first word or of the text; in a JSON list, the number of the
        entry, counted from 1.
      name: the name of the file.
      text: the raw text that was cut into the words; None if the file has words.
      spans: where each word begins and ends in the text, in characters.
      where: the place of the text in the file.
    """

    words: tuple[str, ...]
    labels: tuple[str, ...] = ()
    line: int = 1
    name: str = ""
    text: str | None = None
    spans: tuple[tuple[int, int], ...] = ()
    where: str = ""

    def place(self, index: int) -> str:
        """Returns the file and line of a word."""
        return self.where or f"'{self.name}' line {self.line + index}"
