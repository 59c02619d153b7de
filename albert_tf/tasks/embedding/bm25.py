"""`Bm25`: how well the words of texts match those of a query, to compare vectors with."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Returns the runs of letters, digits and underscores of a text in lower case."""
    return _WORD.findall(text.lower())


class Bm25:
    """The BM25 scores of texts (Robertson and Zaragoza 2009), as Lucene computes them.

    The score of a word that occurs f times in a text of L words is

        ln(1 + (N - n + 0.5) / (n + 0.5)) * f / (f + k1 * (1 - b + b * L / mean of L))

    where n of N texts have the word. That of a query is the sum over its words, in which a word
    counts each time. There is no stemming and no list of stop words.

    Args:
      texts: the texts.
      k1: how much more repetitions of a word count; 0.9 and 0.4, as in Anserini, whose results BEIR
        compares with (Thakur et al. 2021).
      b: how much the length of a text counts, from 0 to 1.
    """

    def __init__(self, texts: Iterable[str], k1: float = 0.9, b: float = 0.4) -> None:
        self._ids: dict[str, int] = {}
        columns: list[int] = []
        rows: list[int] = []
        counts: list[int] = []
        lengths: list[int] = []
        for row, text in enumerate(texts):
            found = words(text)
            lengths.append(len(found))
            for word, count in Counter(found).items():
                columns.append(self._ids.setdefault(word, len(self._ids)))
                rows.append(row)
                counts.append(count)
        column = np.array(columns, np.int64)
        with_word = np.bincount(column, minlength=len(self._ids))
        size = np.array(lengths, np.float64)
        size = k1 * (1 - b + b * size / max(size.mean() if len(size) else 0.0, 1.0))  # [N]
        self._count = len(lengths)
        # The texts and weights of a word follow each other.
        order = np.argsort(column, kind="stable")
        self._rows = np.array(rows, np.int64)[order]
        frequency = np.array(counts, np.float64)[order]
        rarity = np.log1p((self._count - with_word + 0.5) / (with_word + 0.5))
        weights = rarity[column[order]] * frequency / (frequency + size[self._rows])
        self._weights = weights.astype(np.float32)
        self._ends = np.concatenate([[0], np.cumsum(with_word)])

    def scores(self, query: str) -> np.ndarray:
        """Returns the score of each text, float32 [N], 0 for those without a word of the query."""
        scores = np.zeros(self._count, np.float32)
        for word, count in Counter(words(query)).items():
            number = self._ids.get(word)
            if number is not None:
                part = slice(self._ends[number], self._ends[number + 1])
                scores[self._rows[part]] += count * self._weights[part]
        return scores
