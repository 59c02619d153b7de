"""Files with what is relevant to queries, as in BEIR, and with the similarity of pairs of texts."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from albert_tf.data import tables
from albert_tf.data.row_report import RowReport
from albert_tf.data.tables import Row
from albert_tf.errors import InputError
from albert_tf.files import existing

PAIR_COLUMNS = ("sentence1", "sentence2", "score")
_ID, _TEXT, _TITLE = "_id", "text", "title"
_JUDGEMENT = ("query-id", "corpus-id", "score")
_AT = (1, 10, 100)
_QRELS = ("qrels.tsv", "qrels/test.tsv")


class Retrieval(NamedTuple):
    """Queries, and which documents are relevant to them.

    Attributes:
      documents: the texts of the documents, each after its title.
      queries: the texts of the queries that have a relevant document.
      grades: the grades of the documents judged for each query, by number.
      own: the number of the document that has the id of the query, or None. It is not ranked, as in
        BEIR.
      at: the numbers of documents that recall looks at, in ascending order.
    """

    documents: list[str]
    queries: list[str]
    grades: list[dict[int, float]]
    own: list[int | None]
    at: Sequence[int] = (1, 10)


class Pairs(NamedTuple):
    """Pairs of texts, and how similar they are."""

    first: list[str]
    second: list[str]
    scores: Sequence[float]


def read_retrieval(
    folder: str | os.PathLike, qrels: str | os.PathLike | None = None
) -> tuple[Retrieval, list[RowReport]]:
    """Reads corpus.jsonl, queries.jsonl and qrels.tsv or qrels/test.tsv of a folder.

    Documents have `_id`, `text` and, optionally, `title`; queries have `_id` and `text`. The table
    has the columns query-id, corpus-id and score. Rows that give no example are counted.

    Args:
      folder: the folder.
      qrels: another table in place of that of the folder.

    Returns:
      The data, and the counts of the rows of the three files.

    Raises:
      InputError: a file is missing, a row is broken, an id occurs twice with other content, or no
        query has a relevant document.
    """
    folder = Path(folder).expanduser()
    found = next((folder / name for name in _QRELS if (folder / name).is_file()), None)
    table = existing(qrels or found or folder / _QRELS[0], "The table of relevant documents")
    documents, of_documents = _texts(folder / "corpus.jsonl", "document")
    queries, of_queries = _texts(folder / "queries.jsonl", "query")
    grades: dict[str, dict[int, float]] = {}
    report = RowReport("judgement")
    numbers = {name: number for number, name in enumerate(documents)}
    for row in tables.read(table, _JUDGEMENT, report=report):
        query, document, _ = values = [row.fields[name] for name in _JUDGEMENT]
        if report.is_repeated("\t".join(values[:2]), values[2:], row.where, unique=True):
            continue
        grade = _number(row, _JUDGEMENT[2])
        if query not in queries:
            report.leave_out("its query is not in queries.jsonl", row.where)
        elif document not in documents:
            report.leave_out("its document is not in corpus.jsonl", row.where)
        else:
            grades.setdefault(query, {})[numbers[document]] = grade
    judged = []
    for name in queries:
        if max(grades.get(name, {}).values(), default=0) > 0:
            judged.append(name)
        else:
            of_queries.leave_out("no document is relevant", f"{name!r:.80}")
    if not judged:
        raise InputError(
            "A query must have a document with a score above 0. Received "
            f"'{table}' without one of the {len(queries):,} queries and {len(documents):,} "
            "documents. Check the ids."
        )
    return Retrieval(
        list(documents.values()),
        [queries[name] for name in judged],
        [grades[name] for name in judged],
        [numbers.get(name) for name in judged],
        _AT,
    ), [of_documents, of_queries, report]


def _texts(path: Path, unit: str) -> tuple[dict[str, str], RowReport]:
    """Returns the texts of a file by id, each after its title if there is one."""
    report = RowReport(unit)
    texts: dict[str, str] = {}
    for row in tables.read(existing(path, f"The file of each {unit}"), [_ID, _TEXT], report=report):
        name = row.fields[_ID]
        text = f"{row.fields.get(_TITLE, '')} {row.fields[_TEXT]}".strip()
        if not name:
            raise InputError(
                f"A {unit} must have an id. Received {row.where} with an empty {_ID!r}. Correct it."
            )
        if not report.is_repeated(name, [text], row.where, unique=True):
            texts[name] = text
    return texts, report


def read_pairs(
    path: str | os.PathLike, columns: Sequence[str] = PAIR_COLUMNS
) -> tuple[Pairs, list[RowReport]]:
    """Reads a table, or JSON Lines, with two texts and a number in each row.

    Args:
      path: the file.
      columns: the names of the columns of the texts and of the number.

    Returns:
      The pairs, and the counts of the rows.

    Raises:
      InputError: there are not three columns or no two pairs, or a row is broken.
    """
    columns = [name.strip() for name in columns]
    if len(columns) != 3 or not all(columns):
        raise InputError(
            "Pairs have three columns: two texts and a number. Received "
            f"{','.join(columns)!r}. Pass them as --columns sentence1,sentence2,score."
        )
    path, report = existing(path, "The file of pairs"), RowReport("pair")
    rows = [
        (row.fields[columns[0]], row.fields[columns[1]], _number(row, columns[2]))
        for row in tables.read(path, columns, report=report)
    ]
    if len(rows) < 2:
        raise InputError(
            "A correlation needs two pairs at least. Received "
            f"'{path}' with {len(rows)}. Pass a file with more."
        )
    return Pairs(*map(list, zip(*rows))), [report]


def _number(row: Row, column: str) -> float:
    text = row.fields[column]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(
            f"A {column} must be a finite number. Received {text!r:.80} in {row.where}. Correct it."
        )
    return value
