"""Packs token ids into model inputs in plain Python: [CLS] A [SEP] B [SEP], padded right.

S is the sequence length, B the batch size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from albert_tf.errors import InputError, closest
from albert_tf.tokenization.special_ids import SpecialIds

TRUNCATIONS = ("longest_first", "round_robin", "only_first", "only_second")


def special_count(segments: int) -> int:
    """Returns how many special tokens `segments` segments need."""
    return segments + 1


def check_seq_length(seq_length: int, segments: int) -> None:
    """Raises `InputError` if `seq_length` cannot hold the special tokens of `segments` segments."""
    if type(seq_length) is not int or seq_length < special_count(segments):
        raise InputError(
            f"A sequence of {segments} segment(s) must have room for its "
            f"{special_count(segments)} special tokens. Received seq_length={seq_length!r}. "
            "Use a larger seq_length."
        )


def truncate(
    first: Sequence[int],
    second: Sequence[int] | None,
    budget: int,
    truncation: str = "longest_first",
) -> tuple[Sequence[int], Sequence[int] | None]:
    """Cuts the segments at their ends, so that together they have at most `budget` tokens.

    Args:
      first: ids of the first segment.
      second: ids of the second segment, or None.
      budget: the number of tokens to keep at most.
      truncation: "longest_first" removes tokens one at a time from the longer segment, or from the
        second if both are equally long; "round_robin" gives each segment one token in turn, which
        for two segments is equivalent; "only_first" and "only_second" cut that segment only.

    Raises:
      InputError: the policy is unknown, or the segment to cut is too short.
    """
    if truncation not in TRUNCATIONS:
        raise InputError(
            f"truncation must be the name of a policy. Received {truncation!r}. "
            f"{closest(str(truncation), TRUNCATIONS)}"
        )
    if second is None:
        return first[:budget], None
    excess = len(first) + len(second) - budget
    if excess <= 0:
        return first, second
    if truncation in ("longest_first", "round_robin"):
        keep = min(len(first), max(budget - len(second), (budget + 1) // 2))
        return first[:keep], second[: budget - keep]
    length = len(first if truncation == "only_first" else second)
    if length < excess:
        raise InputError(
            f"The segment cut by truncation={truncation!r} must have at least as many tokens as "
            f"must be removed. Received {length} tokens, but {excess} must be removed. "
            "Use 'longest_first'."
        )
    if truncation == "only_first":
        return first[: length - excess], second
    return first, second[: length - excess]


def pack(
    firsts: Sequence[Sequence[int]],
    seconds: Sequence[Sequence[int]] | None,
    special: SpecialIds,
    seq_length: int | None = None,
    truncation: str = "longest_first",
    pad_to_seq_length: bool = False,
) -> dict[str, np.ndarray]:
    """Returns the three encoder inputs of a batch, int32 [B, S] each.

    Args:
      firsts: ids of the first segments, B of them.
      seconds: ids of the second segments, B of them, or None.
      special: the special ids.
      seq_length: the largest S; None for no limit.
      truncation: the policy; see `truncate`.
      pad_to_seq_length: whether S is `seq_length`; otherwise it is the length of the longest row.

    Raises:
      InputError: `seq_length` is too small, or missing although padding needs it, or the lists
        differ in length, or `truncate` fails.
    """
    segments = 1 if seconds is None else 2
    if seq_length is not None:
        check_seq_length(seq_length, segments)
    elif pad_to_seq_length:
        raise InputError(
            "Padding to a fixed length needs a length. Received seq_length=None. Set seq_length."
        )
    if seconds is not None and len(firsts) != len(seconds):
        raise InputError(
            "Both lists of segments must have the same length. Received "
            f"{len(firsts)} first and {len(seconds)} second segments."
        )
    rows, heads = [], []
    for index, first in enumerate(firsts):
        second = None if seconds is None else seconds[index]
        if seq_length is not None:
            budget = seq_length - special_count(segments)
            first, second = truncate(first, second, budget, truncation)
        head = [special.cls, *first, special.sep]
        heads.append(len(head))
        rows.append(head if second is None else [*head, *second, special.sep])
    width = seq_length if pad_to_seq_length else max(map(len, rows), default=0)
    ids = np.full([len(rows), width], special.pad, np.int32)  # [B, S]
    mask = np.zeros_like(ids)
    types = np.zeros_like(ids)
    for index, (row, head) in enumerate(zip(rows, heads)):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
        types[index, head : len(row)] = 1
    return {"input_word_ids": ids, "input_mask": mask, "input_type_ids": types}
