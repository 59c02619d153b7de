"""Questions with several answers to choose from, as rows [CLS] passage [SEP] choice [SEP].

A row that is too long loses tokens of its passage, never of its choice, which is capped on its own:
its end is kept, as that is where the answer stands (original race_utils.py).
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
      id: names it in predictions and messages.
      passage: what it is about.
      choices: the question with each of its answers, or each ending of the passage.
      label: index of the right choice, None where not known.
      group: a subset that is also scored by itself, such as "middle"; "" for none.
      origin: file and place, for messages.
    """

    id: str
    passage: str
    choices: tuple[str, ...]
    label: int | None = None
    group: str = ""
    origin: str = ""


def joined(question: str, choice: str) -> str:
    """Returns the question with the choice in its gaps, or behind it if it has none.

    RACE writes a gap as "_" (original race_utils.py); a run of them, as others write it, is one
    gap. Served models do the same (`ServedMultipleChoice`).
    """
    return choice.join(_GAP.split(question)) if "_" in question else f"{question} {choice}"


def check(items: Sequence[Item], num_choices: int, labelled: bool) -> None:
    """Raises `InputError` for the first item that does not fit; the message has its place.

    Args:
      items: of a file.
      num_choices: the most that an item may have.
      labelled: whether each must have a label.
    """
    for item in items:
        if not 2 <= len(item.choices) <= num_choices:
            raise InputError(
                f"An item must have 2 to num_choices={num_choices} choices. Received "
                f"{len(item.choices)} at {item.origin}. Set NUM_CHOICES, or mend the file."
            )
        if labelled and item.label is None:
            raise InputError(
                f"Each item of a set to train on or to score must have a label. Received none at "
                f"{item.origin}. Use `albert-tf predict` for such files."
            )
        if item.label is not None and not 0 <= item.label < len(item.choices):
            raise InputError(
                f"A label must name one of the {len(item.choices)} choices. Received the index "
                f"{item.label} at {item.origin}. Mend the file."
            )
        if not all(text.strip() for text in (item.passage, *item.choices)):
            raise InputError(
                f"Passage and choices must not be empty. Received an empty one at {item.origin}. "
                "Mend the file."
            )


def encode(
    items: Sequence[Item],
    tokenizer: AlbertTokenizer,
    num_choices: int,
    seq_length: int = 512,
    max_qa_length: int = 128,
) -> tuple[EncodedExamples, list[str]]:
    """Returns the items as ids, and the ids of those whose choices had to be cut.

    An item with fewer choices is filled up with empty ones; the feature "choices" has their number.

    Args:
      items: as `check` wants them.
      tokenizer: the tokenizer.
      num_choices: C, rows of an item.
      seq_length: the longest row.
      max_qa_length: tokens of a choice; 128 as in the original.

    Raises:
      InputError: a row has no room for choice and special tokens.
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
        passage, found = passages[item.passage], [choices[text] for text in item.choices]
        if any(len(choice) > max_qa_length for choice in found):
            cut.append(item.id)
        for choice in (choice[-max_qa_length:] for choice in found):
            front = passage[: room - len(choice)]
            rows.append(np.concatenate([cls, front, sep, choice, sep]))
            second_starts.append(len(front) + 2)
        missing = num_choices - len(found)
        rows += [np.concatenate([cls, sep])] * missing
        second_starts += [2] * missing
    labels = {"choices": np.array([len(item.choices) for item in items], np.int32)}
    if all(item.label is not None for item in items):
        labels["label"] = np.array([item.label for item in items], np.int32)
    return EncodedExamples(rows, second_starts, labels, num_choices, sources=items), cut


def _tokenized(tokenizer: AlbertTokenizer, texts: Iterable[str]) -> dict[str, np.ndarray]:
    """Returns the ids of each text, int32; one that comes several times is tokenised once.

    As arrays: a set such as RACE, whose passages stand in every row, would fill memory as lists.
    """
    texts = list(dict.fromkeys(texts))
    return {
        text: np.array(ids, np.int32) for text, ids in zip(texts, tokenizer.encode_batch(texts))
    }
