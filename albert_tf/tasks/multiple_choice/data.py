"""Multiple-choice questions, encoded as rows of [CLS] passage [SEP] choice [SEP].

If a row is too long, its passage is cut, not its choice. Choices have a limit of their own; the end
of a choice is kept because it contains the answer (original race_utils.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.tasks.encoded_examples import EncodedExamples
from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.tokenizer import AlbertTokenizer

_GAP = re.compile("_+")


class Item(NamedTuple):
    """One question.

    Attributes:
      id: the id of the question in predictions and messages.
      passage: the text that the question is about; it may be empty.
      choices: the question joined with each of its answers, or each ending of the passage. An empty
        choice cannot be the answer.
      label: the index of the correct choice; None if unknown.
      group: a subset that is also scored separately, such as "middle"; "" for none.
      origin: the file and the place in it, for messages.
      kept: the texts of the columns that are kept beside answers.
    """

    id: str
    passage: str
    choices: tuple[str, ...]
    label: int | None = None
    group: str = ""
    origin: str = ""
    kept: tuple[str, ...] = ()

    @property
    def exists(self) -> list[bool]:
        """Whether each choice has text."""
        return [bool(text) for text in map(str.strip, self.choices)]


def joined(question: str, choices: Iterable[str]) -> list[str]:
    """Returns the question with each choice in its gaps, or appended if it has no gap.

    RACE writes a gap as "_" (original race_utils.py). Other data sets write several underscores,
    which count as one gap. Served models do the same (`ServedMultipleChoice`).
    """
    if "_" not in question:
        return [f"{question} {choice}" for choice in choices]
    parts = _GAP.split(question)
    return [choice.join(parts) for choice in choices]


def checked(
    items: Iterable[Item], num_choices: int, labelled: bool, report: RowReport
) -> Iterator[Item]:
    """Yields the items that are valid.

    Args:
      items: the items of all files.
      num_choices: the maximum number of choices of an item.
      labelled: whether each item must have a label, and two choices to decide between.
      report: takes the items that are left out, and those that repeat the texts of others.

    Raises:
      InputError: an item is invalid, and the report does not leave broken items out.
    """
    for item in items:
        if problem := _problem(item, num_choices, labelled):
            reason, rule, remedy = problem
            report.broken(reason, item.origin, f"{rule} at {item.origin}. {remedy}")
            continue
        if labelled:
            report.compare_text((item.passage, item.choices), item.origin, item.label)
        yield item


def _problem(item: Item, num_choices: int, labelled: bool) -> tuple[str, str, str] | None:
    """Returns the problem in a few words, the rule with what was received, and the remedy."""
    count, exists, label = len(item.choices), item.exists, item.label
    if count > num_choices or (labelled and exists.count(True) < 2):
        return (
            f"it has {sum(exists)} choices",
            f"An item must have 2 to num_choices={num_choices} choices with text. Received "
            f"{sum(exists)}",
            "Set NUM_CHOICES, or correct the file.",
        )
    if labelled and label is None:
        return (
            "it has no label",
            "Each item for training or evaluation must have a label. Received an item without one",
            "Use `albert-tf predict` for files without labels.",
        )
    if label is not None and not (0 <= label < count and exists[label]):
        return (
            "its label is not that of a choice",
            f"A label must be the index of one of the {sum(exists)} choices with text, counted "
            f"from 0. Received the index {label}",
            "Correct the file.",
        )
    return None


def encode(
    items: Sequence[Item],
    tokenizer: AlbertTokenizer,
    num_choices: int,
    seq_length: int = 512,
    max_qa_length: int = 128,
    report: RowReport | None = None,
) -> tuple[EncodedExamples, list[str]]:
    """Returns the tokenised items, and the ids of items whose choices had to be cut.

    Items with fewer choices are padded with empty choices. The feature "choices" is 1 for the
    choices that have text, int32 [N, C].

    Args:
      items: items that `checked` yields.
      tokenizer: the tokenizer.
      num_choices: C, the number of rows of an item.
      seq_length: the maximum length of a row.
      max_qa_length: the maximum number of tokens of a choice; 128 as in the original.
      report: the report of the items, which the result keeps.

    Raises:
      InputError: a row has no room for the longest choice and the special tokens.
    """
    room = seq_length - special_count(2)
    if not 0 < max_qa_length <= room:
        raise InputError(
            "A row must hold the longest choice and three special tokens. Received "
            f"seq_length={seq_length}, max_qa_length={max_qa_length}. Set MAX_QA_LENGTH to "
            f"{max(room, 1)} or less."
        )
    passages = _tokenized(tokenizer, [item.passage for item in items])
    choices = _tokenized(tokenizer, [text for item in items for text in item.choices])
    cls, sep = np.array([[tokenizer.cls_id], [tokenizer.sep_id]], np.int32)
    rows, second_starts, cut = [], [], []
    exists = np.zeros([len(items), num_choices], np.int32)
    for index, item in enumerate(items):
        passage, endings = passages[item.passage], [choices[text] for text in item.choices]
        exists[index, : len(endings)] = item.exists
        if any(len(choice) > max_qa_length for choice in endings):
            cut.append(item.id)
        for number in range(num_choices):
            if not exists[index, number]:
                rows.append(np.concatenate([cls, sep]))
                second_starts.append(2)
                continue
            choice = endings[number][-max_qa_length:]
            front = passage[: room - len(choice)]
            rows.append(np.concatenate([cls, front, sep, choice, sep]))
            second_starts.append(len(front) + 2)
    labels = {"choices": exists}
    if all(item.label is not None for item in items):
        labels["label"] = np.array([item.label for item in items], np.int32)
    return EncodedExamples(rows, second_starts, labels, num_choices, items, report), cut


def _tokenized(tokenizer: AlbertTokenizer, texts: Iterable[str]) -> dict[str, np.ndarray]:
    """Returns the ids of each distinct text as int32 arrays, because lists need more memory.

    In data such as RACE, every row includes the passage.
    """
    texts = list(dict.fromkeys(texts))
    return {
        text: np.array(ids, np.int32) for text, ids in zip(texts, tokenizer.encode_batch(texts))
    }
