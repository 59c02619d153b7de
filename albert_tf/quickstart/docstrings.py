"""A corpus that every machine has: documentation strings of the installed Python code.

Source files of the standard library and of the installed packages are parsed, never imported. A
documentation string is a document, a line a sentence. Files are taken in the order of a hash of
their name: a size cap then takes an even sample, and the order is the same on every run.

The split is by file, so that the methods of a class stay together. Packages copy text from each
other and from themselves: a document is dropped when most of it stood in earlier documents, and a
held-out one when some of it stands anywhere in the training text (see near_copies.py).
"""

from __future__ import annotations

import ast
import dataclasses
import os
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
from albert_tf.quickstart.near_copies import SeenRuns, word_runs

# Folders whose documentation strings copy others, or are notes to the author of a test.
SKIPPED_FOLDERS = frozenset(
    (
        *("__pycache__", "site-packages", "dist-packages", "_vendor", "_api"),
        *("tests", "test", "testing", "idlelib", "lib2to3", "ensurepip"),
    )
)
SKIPPED_ENDINGS = ("_test.py", "_pb2.py", "_pb2_grpc.py")
# Further copies of a sentence are boilerplate: "A name for the operation (optional)."
MAX_COPIES_OF_SENTENCE = 4
# Shares of the runs of words that may have stood before. One half within a part: rewritten strings
# of sibling classes pass, those with a name changed do not. Held-out text must be newer than that.
MAX_SEEN = 0.5
MAX_SEEN_IN_TRAINING = 0.2
TRAIN, HELDOUT = "train", "heldout"
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclasses.dataclass
class CorpusCounts:
    """What `write_corpus` read and wrote; sizes in bytes of UTF-8.

    Attributes:
      files: source files read.
      docstrings: documentation strings with at least one sentence of prose.
      near_copies: of these, dropped as copies.
      too_short: of these, dropped for having one sentence only, which gives no pair.
      documents, sentences, bytes: written, by part ("train", "heldout").
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
    """Writes documentation strings as two text files: a sentence a line, a blank line between.

    Args:
      train_path: the larger file; it is replaced as a whole, or stays as it was.
      heldout_path: the smaller file, likewise.
      max_bytes: about the size of both together; 20 MB is more than a run of minutes reads.
      heldout_fraction: share of the source files whose text is held out.
      roots: folders of source files; by default the standard library and the installed packages.
      workers: processes; by default one for each processor. The text does not depend on it.
      progress: called with the source files read so far and their total.

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
            found = ordered_map(_file_reader, (), paths, workers or os.cpu_count() or 1)
            for (name, _), documents in zip(files, found):
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
    """Returns (name relative to its root, path) of the source files, in the order of a hash."""
    found: dict[str, Path] = {}
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders[:] = [f for f in folders if f not in SKIPPED_FOLDERS]
            for name in names:
                if not name.endswith(".py") or name.endswith(SKIPPED_ENDINGS):
                    continue
                path = Path(folder, name)
                found.setdefault(path.relative_to(root).as_posix(), path)
    return sorted(found.items(), key=lambda item: (_hash(item[0]), item[0]))


def docstrings(path: Path) -> list[str]:
    """Returns the documentation strings of a Python file; [] if it does not parse."""
    source = path.read_bytes()
    if b'"""' not in source and b"'''" not in source:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in other people's strings
            tree = ast.parse(source)
    except (SyntaxError, ValueError):  # templates; files for other versions of Python
        return []
    texts = (ast.get_docstring(node, clean=False) for node in _documented(tree))
    return [text for text in texts if text]


def _documented(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields the modules, classes and functions in their order; skips expressions, for speed."""
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
    """Returns the sentences and the runs of words of each documentation string of a file."""
    found = (sentences(text) for text in docstrings(path))
    return [(document, word_runs(document)) for document in found if document]


class _Selection:
    """Writes the documents that are new and counts all; held-out ones wait for `finish`."""

    def __init__(self, outputs: dict[str, TextIO]) -> None:
        self.counts = CorpusCounts()
        self._outputs = outputs
        self._seen = {part: SeenRuns() for part in outputs}
        self._copies_of_sentence: Counter = Counter()
        self._waiting: list[list[str]] = []

    def add(self, part: str, documents: list[tuple[list[str], list[int]]]) -> None:
        """Takes the documents of one file."""
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
        """Writes the held-out documents, now that all of the training text is known."""
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
        self.counts.bytes[part] += len(text)  # is_prose lets ASCII only through


def _hash(text: str) -> int:
    """Returns 32 bits that depend on nothing but the text."""
    return zlib.crc32(text.encode("utf-8", "surrogateescape"))


def _check_parts(counts: CorpusCounts) -> None:
    if not counts.documents[TRAIN] or not counts.documents[HELDOUT]:
        raise InputError(
            "Documentation strings must give documents to both parts. Received "
            f"{counts.documents[TRAIN]} training and {counts.documents[HELDOUT]} held-out "
            f"documents from {counts.files} source files. Pass text files by --input instead."
        )
