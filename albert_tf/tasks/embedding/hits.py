"""The formats of hits: JSON Lines, and tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from albert_tf.tasks.answer_files import Answer, AnswerFile, kept_names, tsv_field
from albert_tf.tasks.embedding.search_index import Hit, SearchIndex

_NAMES = ("query", "hits")


class Hits(AnswerFile):
    """JSON Lines with the `query`, its kept columns, and `hits`; see `Hit.to_dict`.

    The answers have the vectors of queries.

    Args:
      index: the index to search.
      top: the number of hits for a query.
      keep: the names in answers of the columns of the input, the first of which is the query.
    """

    def __init__(self, index: SearchIndex, top: int, keep: Sequence[str]) -> None:
        super().__init__(keep)
        self._index, self._top = index, top
        folder = index.folder
        about = {"path": str(folder.path), "sha256": folder.sha256}
        self.depends = {"index": about, "top": top}

    def add(self, answers: Iterable[Answer]) -> Any:
        """Returns the hits of the next queries."""
        return super().add(
            dict(zip(_NAMES, (query, [hit.to_dict() for hit in hits]))) | columns
            for query, columns, hits in self._found(answers)
        )

    def _found(self, answers: Iterable[Answer]) -> Iterator[tuple[str, Answer, list[Hit]]]:
        answers = list(answers)
        if not answers:
            return
        text, *others = self.keep
        vectors = np.stack([answer["embedding"] for answer in answers])  # [Q, D]
        for answer, hits in zip(answers, self._index.nearest(vectors, self._top)):
            columns = zip(kept_names(others, _NAMES), (answer[name] for name in others))
            yield answer[text], dict(columns), hits


class HitTable(Hits):
    """A table for each query, in which a text is one line."""

    def add(self, answers: Iterable[Answer]) -> str:
        """Returns the tables of the next queries."""
        return "".join(_table(query, hits) for query, _, hits in self._found(answers))


def _table(query: str, hits: Sequence[Hit]) -> str:
    width = max(4, *(len(str(hit.id)) for hit in hits))
    rows = [f"{hit.rank:>4}  {hit.id!s:>{width}}  {hit.score:.4f}  {hit.text}" for hit in hits]
    head = f"{'rank':>4}  {'id':>{width}}  {'score':>6}  text"
    return "".join(tsv_field(line) + "\n" for line in [f"query: {query}", head, *rows]) + "\n"
