"""Multiple-choice questions, encoded as rows of [CLS] passage [SEP] choice [SEP].

If a row is too long, its passage is cut, not its choice. Choices have a limit of their own; the end
of a choice is kept because it contains the answer (original race_utils.py).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence

import numpy as np

from albert_tf.errors import InputError
from albert_tf.tasks.encoded_examples import EncodedExamples
from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.tokenizer import AlbertTokenizer

_GAP = re.compile("_+")


@dataclasses.dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
      id: the id of the question in predictions and messages.
      passage: the text that the question is about.
      choices: the question joined with each of its answers, or each ending of the passage.
      label: the index of the correct choice; None if unknown.
      group: a subset that is also scored separately, such as "middle"; "" for none.
      origin: the file and the place in it, for messages.
    """

    id: str
    passage: str
    choices: tuple[str, ...]
    label: int | None = None
    group: str = ""
    origin: str = ""


def joined(question: str, choice: str) -> str:
    """Returns the question with the choice in its gaps, or appended if it has no gap.

    RACE writes a gap as "_" (original race_utils.py). Other data sets write several underscores,
    which count as one gap. Served models do the same (`ServedMultipleChoice`).
    """
    return choice.join(_GAP.split(question)) if "_" in question else f"{question} {choice}"


def check(items: Sequence[Item], num_choices: int, labelled: bool) -> None:
    """Raises `InputError` for the first invalid item; the error names its place.

    Args:
      items: the items of a file.
      num_choices: the maximum number of choices of an item.
      labelled: whether each item must have a label.
    """
    for item in items:
        if not 2 <= len(item.choices) <= num_choices:
            raise InputError(
                f"An item must have 2 to num_choices={num_choices} choices. Received "
                f"{len(item.choices)} at {item.origin}. Set NUM_CHOICES, or correct the file."
            )
        if labelled and item.label is None:
            raise InputError(
                "Each item for training or evaluation must have a label. Received an item without "
                f"one at {item.origin}. Use `albert-tf predict` for files without labels."
            )
        if item.label is not None and not 0 <= item.label < len(item.choices):
            raise InputError(
                f"A label must be the index of one of the {len(item.choices)} choices, counted "
                f"from 0. Received the index {item.label} at {item.origin}. Correct the file."
            )
        if not all(text.strip() for text in (item.passage, *item.choices)):
            raise InputError(
                f"Passage and choices must not be empty. Received an empty one at {item.origin}. "
                "Correct the file."
            )


def encode(
    items: Sequence[Item],
    tokenizer: AlbertTokenizer,
    num_choices: int,
    seq_length: int = 512,
    max_qa_length: int = 128,
) -> tuple[EncodedExamples, list[str]]:
    """Returns the tokenised items, and the ids of items whose choices had to be cut.

    Items with fewer choices are padded with empty choices. The feature "choices" has the number of
    actual choices.

    Args:
      items: items that satisfy `check`.
      tokenizer: the tokenizer.
      num_choices: C, the number of rows of an item.
      seq_length: the maximum length of a row.
      max_qa_length: the maximum number of tokens of a choice; 128 as in the original.

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
    for item in items:
        passage, endings = passages[item.passage], [choices[text] for text in item.choices]
        if any(len(choice) > max_qa_length for choice in endings):
            cut.append(item.id)
        for choice in (choice[-max_qa_length:] for choice in endings):
            front = passage[: room - len(choice)]
            rows.append(np.concatenate([cls, front, sep, choice, sep]))
            second_starts.append(len(front) + 2)
        missing = num_choices - len(endings)
        rows += [np.concatenate([cls, sep])] * missing
        second_starts += [2] * missing
    labels = {"choices": np.array([len(item.choices) for item in items], np.int32)}
    if all(item.label is not None for item in items):
        labels["label"] = np.array([item.label for item in items], np.int32)
    return EncodedExamples(rows, second_starts, labels, num_choices, sources=items), cut


def _tokenized(tokenizer: AlbertTokenizer, texts: Iterable[str]) -> dict[str, np.ndarray]:
    """Returns the ids of each distinct text as int32 arrays, because lists need more memory.

    In data such as RACE, every row includes the passage.
    """
    texts = list(dict.fromkeys(texts))
    return {
        text: np.array(ids, np.int32) for text, ids in zip(texts, tokenizer.encode_batch(texts))
    }
