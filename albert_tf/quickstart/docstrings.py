"""Makes a corpus from the documentation strings of the installed Python code.

Source files of the standard library and of the installed packages are parsed, never imported. Each
documentation string is a document, with one sentence per line. Files are processed in the order of
a hash of their names, so that a size limit selects an even sample and the order is the same in
every run.

The held-out part is chosen by file, so that the methods of a class stay together. Packages copy
text within and between each other: a document is dropped if most of it occurs in earlier documents,
and a held-out document if some of it occurs in the training text (see `SeenRuns`).
"""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import sysconfig
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TextIO

from albert_tf.data.workers import ordered_map
from albert_tf.errors import InputError
from albert_tf.files import replacing
from albert_tf.quickstart.docstring_prose import sentences

# Folders whose documentation strings are copies, or notes in tests.
SKIPPED_FOLDERS = frozenset(
    (
        *("__pycache__", "site-packages", "dist-packages", "_vendor", "_api"),
        *("tests", "test", "testing", "idlelib", "lib2to3", "ensurepip"),
    )
)
SKIPPED_ENDINGS = ("_test.py", "_pb2.py", "_pb2_grpc.py")
# More copies of a sentence are boilerplate, such as "A name for the operation (optional)."
MAX_COPIES_OF_SENTENCE = 4
# The maximum share of word runs that may have occurred before. One half within a part accepts
# rewritten strings of sibling classes, but not copies with a changed name. The limit between
# held-out and training text is stricter.
MAX_SEEN = 0.5
MAX_SEEN_IN_TRAINING = 0.2
TRAIN, HELDOUT = "train", "heldout"
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclasses.dataclass
class CorpusCounts:
    """Counts of what `write_corpus` read and wrote.

    Attributes:
      files: the number of source files read.
      docstrings: the number of documentation strings with at least one sentence of prose.
      near_copies: the number of these that were dropped as copies.
      too_short: the number of these that were dropped because a single sentence gives no pair.
      documents: the number of documents written, by part ("train", "heldout").
      sentences: the number of sentences written, by part.
      bytes: the size of the text written, in bytes of UTF-8, by part.
    """

    files: int = 0
    docstrings: int = 0
    near_copies: int = 0
    too_short: int = 0
    documents: Counter = dataclasses.field(default_factory=Counter)
    sentences: Counter = dataclasses.field(default_factory=Counter)
    bytes: Counter = dataclasses.field(default_factory=Counter)


def write_corpus(
    train_path: str | os.PathLike,
    heldout_path: str | os.PathLike,
    *,
    max_bytes: int = 20_000_000,
    heldout_fraction: float = 0.05,
    roots: Iterable[str | os.PathLike] | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CorpusCounts:
    """Writes documentation strings to two text files, with one sentence per line.

    Documents are separated by empty lines. Existing files are replaced only if everything succeeds.

    Args:
      train_path: the larger file.
      heldout_path: the smaller file.
      max_bytes: the approximate size of both files together; 20 MB is more than a training run of a
        few minutes reads.
      heldout_fraction: the share of source files whose text is held out.
      roots: folders of source files; by default the standard library and the installed packages.
      workers: the number of processes; by default one per processor. The text does not depend on
        it.
      progress: called with the number of source files read so far and their total number.

    Raises:
      InputError: an argument is out of range, or a part would be empty.
    """
    if not 0.0 < heldout_fraction < 1.0:
        raise InputError(f"heldout_fraction must lie in (0, 1). Received {heldout_fraction!r}.")
    if max_bytes < 1:
        raise InputError(f"max_bytes must be at least 1. Received {max_bytes!r}.")
    files = source_files(installed_roots() if roots is None else map(Path, roots))
    with replacing(train_path) as train, replacing(heldout_path) as heldout:
        with open(train, "w", encoding="utf-8") as t, open(heldout, "w", encoding="utf-8") as h:
            selection = _Selection({TRAIN: t, HELDOUT: h})
            paths = [path for _, path in files]
            results = ordered_map(_file_reader, (), paths, workers or os.cpu_count() or 1)
            for (name, _), documents in zip(files, results):
                part = HELDOUT if _hash(name) < heldout_fraction * 2**32 else TRAIN
                selection.add(part, documents)
                if progress:
                    progress(selection.counts.files, len(files))
                if selection.counts.bytes[TRAIN] >= max_bytes * (1 - heldout_fraction):
                    break
            selection.finish()
        _check_parts(selection.counts)
    return selection.counts


def installed_roots() -> list[Path]:
    """Returns the folders of the standard library and of the installed packages."""
    paths = sysconfig.get_paths()
    return [Path(paths[key]) for key in ("stdlib", "purelib", "platlib")]


def source_files(roots: Iterable[Path]) -> list[tuple[str, Path]]:
    """Returns (name relative to the root, path) of the source files, in the order of a hash."""
    paths: dict[str, Path] = {}
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS]
            for name in names:
                if not name.endswith(".py") or name.endswith(SKIPPED_ENDINGS):
                    continue
                path = Path(folder, name)
                paths.setdefault(path.relative_to(root).as_posix(), path)
    return sorted(paths.items(), key=lambda item: (_hash(item[0]), item[0]))


def docstrings(path: Path) -> list[str]:
    """Returns the documentation strings of a Python file, or [] if it cannot be parsed."""
    source = path.read_bytes()
    if b'"""' not in source and b"'''" not in source:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Packages have invalid escapes in strings.
            tree = ast.parse(source)
    except (SyntaxError, ValueError):  # A template, or a file for another version of Python.
        return []
    texts = (ast.get_docstring(node, clean=False) for node in _documented(tree))
    return [text for text in texts if text]


def _documented(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields modules, classes and functions in order; skips expressions for speed."""
    if isinstance(tree, _DOCUMENTED):
        yield tree
    for field in ("body", "handlers", "orelse", "finalbody"):
        statements = getattr(tree, field, None)
        if isinstance(statements, list):
            for statement in statements:
                yield from _documented(statement)


def _file_reader() -> Callable[[Path], list[list[str]]]:
    return _documents


def _documents(path: Path) -> list[tuple[list[str], list[int]]]:
    """Returns the sentences and the word runs of each documentation string in a file."""
    documents = (sentences(text) for text in docstrings(path))
    return [(document, word_runs(document)) for document in documents if document]


class _Selection:
    """Writes new documents and counts all documents; held-out ones are written by `finish`."""

    def __init__(self, outputs: dict[str, TextIO]) -> None:
        self.counts = CorpusCounts()
        self._outputs = outputs
        self._seen = {part: SeenRuns() for part in outputs}
        self._copies_of_sentence: Counter = Counter()
        self._waiting: list[list[str]] = []

    def add(self, part: str, documents: list[tuple[list[str], list[int]]]) -> None:
        """Adds the documents of one file."""
        counts, seen = self.counts, self._seen[part]
        counts.files += 1
        counts.docstrings += len(documents)
        for document, runs in documents:
            if seen.share(runs) > MAX_SEEN:
                counts.near_copies += 1
                continue
            seen.add(runs)
            kept = [sentence for sentence in document if self._is_rare(sentence)]
            if len(kept) < 2:
                counts.too_short += 1
            elif part == HELDOUT:
                self._waiting.append(kept)
            else:
                self._write(part, kept)

    def finish(self) -> None:
        """Writes the held-out documents; called when all training text is known."""
        for document in self._waiting:
            if self._seen[TRAIN].share(word_runs(document)) > MAX_SEEN_IN_TRAINING:
                self.counts.near_copies += 1
            else:
                self._write(HELDOUT, document)

    def _is_rare(self, sentence: str) -> bool:
        key = _hash(sentence)
        self._copies_of_sentence[key] += 1
        return self._copies_of_sentence[key] <= MAX_COPIES_OF_SENTENCE

    def _write(self, part: str, document: list[str]) -> None:
        text = "\n".join(document) + "\n\n"
        self._outputs[part].write(text)
        self.counts.documents[part] += 1
        self.counts.sentences[part] += len(document)
        self.counts.bytes[part] += len(text)  # The text is ASCII, as `is_prose` accepts no other.


def _hash(text: str) -> int:
    """Returns a 32-bit hash that is the same in every run and on every machine."""
    return zlib.crc32(text.encode("utf-8", "surrogateescape"))


def _check_parts(counts: CorpusCounts) -> None:
    if not counts.documents[TRAIN] or not counts.documents[HELDOUT]:
        raise InputError(
            "Documentation strings must give documents for both training and the held-out part. "
            f"Received {counts.documents[TRAIN]} training and {counts.documents[HELDOUT]} held-out "
            f"documents from {counts.files} source files. Pass text files with --input instead."
        )


RUN_WORDS = 5

_WORD = re.compile(r"\w+")


def word_runs(sentences: Iterable[str]) -> list[int]:
    """Returns the sorted hashes of the word runs in a document, or [] if it has no words."""
    words = _WORD.findall(" ".join(sentences).lower())
    if not words:
        return []
    begins = range(max(1, len(words) - RUN_WORDS + 1))
    return sorted({zlib.crc32(" ".join(words[i : i + RUN_WORDS]).encode()) for i in begins})


class SeenRuns:
    """Stores the word runs of documents seen so far."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def share(self, runs: list[int]) -> float:
        """Returns the share of the runs that occurred in earlier documents; 0 if there are none."""
        return sum(map(self._seen.__contains__, runs)) / max(1, len(runs))

    def add(self, runs: list[int]) -> None:
        """Adds the runs of a document."""
        self._seen.update(runs)
