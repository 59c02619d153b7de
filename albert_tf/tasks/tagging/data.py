"""Converts words to tokens and back; only the first token of a word has its label.

Each word is tokenised separately, so each word starts a new token. If normalisation removes all of
a word, the word becomes <unk> and keeps its place. A sentence that is too long continues in the
next row, so that every word is labelled.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError, closest
from albert_tf.tasks.encoded_examples import EncodedExamples, Ragged
from albert_tf.tasks.tagging.sentence import Sentence
from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.tokenizer import AlbertTokenizer

NO_LABEL = -1


class Row(NamedTuple):
    """A sentence or a part of one, from which an example was made.

    Attributes:
      sentence: the whole sentence.
      index: the index of the sentence.
      heads: the position of the first token of each word in the part.
    """

    sentence: Sentence
    index: int
    heads: list[int]


def of_words(rows: Mapping[int, Sequence], sources: Sequence[Row]) -> dict[int, list]:
    """Selects the values of words from the values of token positions.

    Args:
      rows: for each example, a value at each position, such as the name of a label.
      sources: the rows that the examples were made from.

    Returns:
      The values of the words of each sentence, by the index of the sentence.
    """
    words: dict[int, list] = {}
    for example, values in sorted(rows.items()):
        source = sources[example]
        words.setdefault(source.index, []).extend(values[head] for head in source.heads)
    return words


def labels_of(sentences: Iterable[Sentence]) -> tuple[str, ...]:
    """Returns the sorted labels, starting with "O", which is the most frequent and no entity."""
    return in_order({label for sentence in sentences for label in sentence.labels})


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Returns labels as above."""
    return tuple(sorted(labels, key=lambda label: (label != "O", label)))


def check_labels(sentences: Sequence[Sentence], labels: Sequence[str]) -> None:
    """Raises `InputError` for the first unknown label; the error names its line."""
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
    report: RowReport | None = None,
) -> tuple[EncodedExamples, list[str]]:
    """Returns the tokenised sentences, and the words that had to be cut.

    The examples have labels if all sentences have labels.

    Args:
      sentences: the sentences.
      tokenizer: the tokenizer.
      labels: the names of the labels; the model learns their indices.
      seq_length: the maximum length of a row.
      report: the report of the sentences, which the result keeps.

    Raises:
      InputError: a label is unknown, or a row has no room for a token.
    """
    room = seq_length - special_count(1)
    if room < 1:
        raise InputError(
            "A row must have room for a token and two special tokens. Received seq_length="
            f"{seq_length}. Set SEQ_LENGTH to 3 or more."
        )
    check_labels(sentences, labels)
    labelled = all(sentence.labels for sentence in sentences)
    index = {label: i for i, label in enumerate(labels)}
    ids, tags, rows, cut = [], [], [], []
    for number, sentence in enumerate(sentences):
        words = tokenizer.encode_batch(sentence.words)
        cut += [word for word, tokens in zip(sentence.words, words) if len(tokens) > room]
        words = [tokens[:room] or [tokenizer.unk_id] for tokens in words]
        for first, last in _parts([len(tokens) for tokens in words], room):
            tokens = list(itertools.chain.from_iterable(words[first:last]))
            heads = list(itertools.accumulate(map(len, words[first:last]), initial=1))[:-1]
            ids.append([tokenizer.cls_id, *tokens, tokenizer.sep_id])
            rows.append(Row(sentence, number, heads))
            row_tags = np.full(len(ids[-1]), NO_LABEL, np.int32)
            if labelled:
                row_tags[heads] = [index[label] for label in sentence.labels[first:last]]
            tags.append(row_tags)
    targets = {"label": Ragged.from_rows(tags)} if labelled else None
    return EncodedExamples(ids, labels=targets, sources=rows, report=report), cut


def any_labels(examples: EncodedExamples) -> Ragged:
    """Returns 0 at the first token of each word and `NO_LABEL` elsewhere, for unlabelled rows."""
    tags = np.full_like(examples.ids.values, NO_LABEL)
    for begin, row in zip(examples.ids.splits, examples.sources):
        tags[begin + np.array(row.heads, int)] = 0
    return Ragged(tags, examples.ids.splits)


def _parts(lengths: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Yields the first word of each row and the word after its last one."""
    first, used = 0, 0
    for index, length in enumerate(lengths):
        if used + length > room:
            yield first, index
            first, used = index, 0
        used += length
    yield first, len(lengths)
