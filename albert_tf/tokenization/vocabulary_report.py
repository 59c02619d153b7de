"""Compares vocabularies on held-out text, so that a user can choose a size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from albert_tf.errors import InputError
from albert_tf.tokenization.tokenizer import AlbertTokenizer

HELD_OUT = 20  # one line of so many is held out, if there is no held-out text
_BATCH = 1000  # lines


class Coverage(NamedTuple):
    """What a vocabulary makes of a text.

    Attributes:
      pieces: the number of pieces in the vocabulary.
      unknown: the share of the tokens that are <unk>.
      per_word: the number of tokens of a word, where white space is between words.
      bytes: the number of bytes of text, in UTF-8, for each token.
    """

    pieces: int
    unknown: float
    per_word: float
    bytes: float


def coverages(model_files: Sequence[Path], lines: Iterable[str]) -> list[Coverage]:
    """Returns the coverage of each vocabulary, reading the lines once.

    Raises:
      InputError: the lines have no text.
    """
    tokenizers = [AlbertTokenizer(file) for file in model_files]
    counts = [[0, 0] for _ in tokenizers]  # tokens, and unknown ones
    words = size = 0
    for batch in _batches(lines):
        words += sum(len(line.split()) for line in batch)
        size += sum(len(" ".join(line.split()).encode("utf-8", "replace")) for line in batch)
        for tokenizer, count in zip(tokenizers, counts):
            for ids in tokenizer.encode_batch(batch):
                count[0] += len(ids)
                count[1] += ids.count(tokenizer.unk_id)
    if not words:
        raise InputError(
            "Vocabularies need held-out text to be compared. Received no words. Add text, or pass "
            "other files as --heldout."
        )
    return [
        Coverage(tokenizer.vocab_size, unknown / max(tokens, 1), tokens / words, size / tokens)
        for tokenizer, (tokens, unknown) in zip(tokenizers, counts)
    ]


def table(model_files: Sequence[Path], rows: Sequence[Coverage]) -> str:
    """Returns the coverages as a table, one row a vocabulary."""
    width = max(len("vocabulary"), *(len(file.name) for file in model_files))
    head = (
        f"{'vocabulary':<{width}}{'pieces':>9}{'unknown':>10}{'pieces/word':>13}{'bytes/piece':>13}"
    )
    lines = [
        f"{file.name:<{width}}{row.pieces:>9}{row.unknown:>10.4%}{row.per_word:>13.3f}"
        f"{row.bytes:>13.3f}"
        for file, row in zip(model_files, rows)
    ]
    return "\n".join([head, *lines])


def held_out(lines: Iterable[str], wanted: bool) -> Iterator[str]:
    """Yields every `HELD_OUT`th line, or all others."""
    for number, line in enumerate(lines, 1):
        if (number % HELD_OUT == 0) == wanted:
            yield line


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for line in lines:
        batch.append(line)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
