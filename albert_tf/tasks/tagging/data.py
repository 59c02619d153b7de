"""Words to tokens and back: the first token of a word has its label, the others have none.

Each word is tokenised by itself, so a word begins a token. A word of which normalisation leaves
nothing becomes <unk> and keeps its place. A sentence that is too long is continued in the next row,
so that every word is labelled. T is the number of tokens of a row.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from albert_tf.errors import InputError, closest
from albert_tf.tasks.encoded_examples import EncodedExamples, Ragged
from albert_tf.tasks.tagging.conll import Sentence
from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.tokenizer import AlbertTokenizer

NO_LABEL = -1


class Row(NamedTuple):
    """A sentence, or a part of one: the source of an example.

    Attributes:
      sentence: what it is a part of.
      index: of the sentence.
      heads: for each word of the part, the position of its first token.
    """

    sentence: Sentence
    index: int
    heads: list[int]


def of_words(rows: Mapping[int, Sequence], sources: Sequence[Row]) -> dict[int, list]:
    """Returns, by index of the sentence, what belongs to each of its words.

    Args:
      rows: by example, something for each position, such as the names of labels.
      sources: the rows that the examples were made from.
    """
    found: dict[int, list] = {}
    for example, values in sorted(rows.items()):
        source = sources[example]
        found.setdefault(source.index, []).extend(values[head] for head in source.heads)
    return found


def labels_of(sentences: Sequence[Sentence]) -> tuple[str, ...]:
    """Returns the labels, sorted, "O" first, as it is the most frequent and no entity."""
    found = {label for sentence in sentences for label in sentence.labels}
    return tuple(sorted(found, key=lambda label: (label != "O", label)))


def check_labels(sentences: Sequence[Sentence], labels: Sequence[str]) -> None:
    """Raises `InputError` for the first label that training did not see; the line is named."""
    known = set(labels)
    for sentence in sentences:
        for index, label in enumerate(sentence.labels):
            if label not in known:
                raise InputError(
                    "A label must be one of those seen in training. Received "
                    f"{label!r} at {sentence.place(index)}. {closest(label, labels)}"
                )


def encode(
    sentences: Sequence[Sentence],
    tokenizer: AlbertTokenizer,
    labels: Sequence[str],
    seq_length: int = 128,
) -> tuple[EncodedExamples, list[str]]:
    """Returns sentences as ids, with labels if all have some, and the words that had to be cut.

    Args:
      sentences: with words.
      tokenizer: the tokenizer.
      labels: their names; the index is what the model learns.
      seq_length: the longest row.

    Raises:
      InputError: a label is unknown, or a row has no room for a token.
    """
    room = seq_length - special_count(1)
    if room < 1:
        raise InputError(
            f"A row must hold a token between its two special ones. Received seq_length="
            f"{seq_length}. Set SEQ_LENGTH to 3 or more."
        )
    check_labels(sentences, labels)
    labelled = all(sentence.labels for sentence in sentences)
    index = {label: i for i, label in enumerate(labels)}
    ids, tags, rows, cut = [], [], [], []
    for number, sentence in enumerate(sentences):
        words = tokenizer.encode_batch(sentence.words)
        cut += [word for word, found in zip(sentence.words, words) if len(found) > room]
        words = [found[:room] or [tokenizer.unk_id] for found in words]
        for first, last in _parts([len(found) for found in words], room):
            tokens = list(itertools.chain.from_iterable(words[first:last]))
            heads = list(itertools.accumulate(map(len, words[first:last]), initial=1))[:-1]
            ids.append([tokenizer.cls_id, *tokens, tokenizer.sep_id])
            rows.append(Row(sentence, number, heads))
            row_tags = np.full(len(ids[-1]), NO_LABEL, np.int32)
            if labelled:
                row_tags[heads] = [index[label] for label in sentence.labels[first:last]]
            tags.append(row_tags)
    found = {"label": Ragged.from_rows(tags)} if labelled else None
    return EncodedExamples(ids, labels=found, sources=rows), cut


def _parts(lengths: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Yields the first word of each row and the one after its last."""
    first, used = 0, 0
    for index, length in enumerate(lengths):
        if used + length > room:
            yield first, index
            first, used = index, 0
        used += length
    yield first, len(lengths)
