"""Putting token ids into model inputs in plain Python: [CLS] A [SEP] B [SEP], padded right.

S is the sequence length, B the batch.
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
            "Use a larger one."
        )


def truncate(
    first: Sequence[int],
    second: Sequence[int] | None,
    budget: int,
    truncation: str = "longest_first",
) -> tuple[Sequence[int], Sequence[int] | None]:
    """Returns the segments, cut at their ends to `budget` tokens together.

    Args:
      first: ids of the first segment.
      second: ids of the second, or None.
      budget: tokens that may stay.
      truncation: "longest_first" takes tokens from the longer segment, one at a time, from the
        second if they are equal; "round_robin" gives each segment one token in turn, which for
        two segments comes to the same; "only_first" and "only_second" cut that segment.

    Raises:
      InputError: the policy is unknown, or the segment that it may cut is too short.
    """
    if truncation not in TRUNCATIONS:
        raise InputError(
            f"truncation must name a policy. Received {truncation!r}. "
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
            f"The segment that truncation={truncation!r} cuts must be longer than what is too "
            f"much. Received {length} tokens to cut {excess} from. Use 'longest_first'."
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
      seq_length: the longest S; None for no limit.
      truncation: as in `truncate`.
      pad_to_seq_length: S is `seq_length`, else the length of the longest row.

    Raises:
      InputError: `seq_length` is too small or absent where it is needed, or as `truncate`.
    """
    segments = 1 if seconds is None else 2
    if seq_length is not None:
        check_seq_length(seq_length, segments)
    elif pad_to_seq_length:
        raise InputError("Padding to a length must have one. Received seq_length=None. Set it.")
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
