"""Writes the text of the quickstart: two files with one sentence per line.

Documents are separated by empty lines.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from albert_tf import files
from albert_tf.data import documents
from albert_tf.errors import InputError
from albert_tf.quickstart import docstrings

HELDOUT_FRACTION = 0.05


def write(input_glob: str | None, train: Path, heldout: Path) -> str:
    """Writes both files and returns a line that describes their contents.

    Args:
      input_glob: text files; None uses the documentation of the installed packages.
      train: the file for the larger part.
      heldout: the file for about one document in twenty. Documents are chosen by their text, so
        that every run chooses the same ones.

    Raises:
      InputError: no file matches, or one of the parts would have no document of two sentences.
    """
    if input_glob is None:
        counts = docstrings.write_corpus(train, heldout, heldout_fraction=HELDOUT_FRACTION)
        documents_, bytes_ = sum(counts.documents.values()), sum(counts.bytes.values())
        return (
            f"{documents_:,} docstrings from {counts.files:,} source files, {bytes_ / 1e6:.1f} MB"
        )
    return _split(input_glob, train, heldout)


def _split(input_glob: str, train: Path, heldout: Path) -> str:
    paths = files.expand(input_glob)
    parts: dict[Path, int] = {train: 0, heldout: 0}
    with files.replacing(train) as to_train, files.replacing(heldout) as to_heldout:
        with (
            open(to_train, "w", encoding="utf-8") as a,
            open(to_heldout, "w", encoding="utf-8") as b,
        ):
            for path in paths:
                for document in documents.read_documents(path):
                    lines = [s for line in document for s in documents.split_sentences(line)]
                    if len(lines) < 2:
                        continue
                    text = "\n".join(lines) + "\n\n"
                    held = zlib.crc32(text.encode()) % 1000 < HELDOUT_FRACTION * 1000
                    (b if held else a).write(text)
                    parts[heldout if held else train] += 1
        if not all(parts.values()):
            raise InputError(
                "The text must have documents of at least two sentences both for training and for "
                f"the held-out part. Received {parts[train]} and {parts[heldout]} such documents "
                f"in {len(paths)} files that match {input_glob!r}. Add text, and separate "
                "documents with empty lines."
            )
    return f"{parts[train]:,} documents for training, {parts[heldout]:,} held out"
