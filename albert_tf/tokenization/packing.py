"""Packs token ids into model inputs in plain Python: [CLS] A [SEP] B [SEP] ..., padded right.

S is the sequence length, B the batch size.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from albert_tf.errors import InputError, closest
from albert_tf.tokenization.special_ids import SpecialIds

# The policies that a graph has too; the others cut one segment only.
GRAPH_TRUNCATIONS = ("longest_first", "round_robin", "waterfall")
TRUNCATIONS = (*GRAPH_TRUNCATIONS, "only_first", "only_second")


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
    segments: Sequence[Sequence[int]], budget: int, truncation: str = "longest_first"
) -> list[Sequence[int]]:
    """Cuts the segments at their ends, so that together they have at most `budget` tokens.

    Args:
      segments: the ids of each segment.
      budget: the number of tokens to keep at most.
      truncation: "longest_first" removes tokens one at a time from the longest segment, or from the
        last of equally long ones; "round_robin" gives each segment one token in turn, which is
        equivalent; "waterfall" fills the first segment, then the second, and so on; "only_first"
        and "only_second" cut that one of two segments only.

    Raises:
      InputError: the policy is unknown, or the segment to cut is too short.
    """
    if truncation not in TRUNCATIONS:
        raise InputError(
            f"truncation must be the name of a policy. Received {truncation!r}. "
            f"{closest(str(truncation), TRUNCATIONS)}"
        )
    lengths = [len(segment) for segment in segments]
    excess = sum(lengths) - budget
    if excess <= 0:
        return list(segments)
    if truncation == "waterfall":
        before = itertools.accumulate(lengths, initial=0)
        kept = [max(0, budget - begin) for begin in before]
    elif truncation in GRAPH_TRUNCATIONS or len(segments) == 1:
        kept = _round_robin(lengths, budget)
    else:
        cut = 0 if truncation == "only_first" else 1
        if lengths[cut] < excess:
            raise InputError(
                f"The segment cut by truncation={truncation!r} must have at least as many tokens "
                f"as must be removed. Received {lengths[cut]} tokens, but {excess} must be "
                "removed. Use 'longest_first'."
            )
        kept = [length - excess * (i == cut) for i, length in enumerate(lengths)]
    return [segment[:count] for segment, count in zip(segments, kept)]


def _round_robin(lengths: Sequence[int], budget: int) -> list[int]:
    """Returns how many tokens each segment keeps; together they exceed the budget."""
    before = itertools.accumulate(sorted(lengths), initial=0)
    # In this many turns, each segment that is long enough keeps one token a turn.
    turns = max((budget - b) // left for b, left in zip(before, range(len(lengths), 0, -1)))
    kept = [min(length, turns) for length in lengths]
    rest = budget - sum(kept)
    for index, length in enumerate(lengths):
        if rest and length > turns:
            kept[index] += 1
            rest -= 1
    return kept


def pack(
    segments: Sequence[Sequence[Sequence[int]]],
    special: SpecialIds,
    seq_length: int | None = None,
    truncation: str = "longest_first",
    pad_to_seq_length: bool = False,
) -> dict[str, np.ndarray]:
    """Returns the three encoder inputs of a batch, int32 [B, S] each.

    Args:
      segments: for each segment, the ids of the B rows.
      special: the special ids.
      seq_length: the largest S; None for no limit.
      truncation: the policy; see `truncate`.
      pad_to_seq_length: whether S is `seq_length`; otherwise it is the length of the longest row.

    Raises:
      InputError: `seq_length` is too small, or missing although padding needs it, or the lists
        differ in length, or `truncate` fails.
    """
    if seq_length is not None:
        check_seq_length(seq_length, len(segments))
    elif pad_to_seq_length:
        raise InputError(
            "Padding to a fixed length needs a length. Received seq_length=None. Set seq_length."
        )
    counts = [len(rows) for rows in segments]
    if len(set(counts)) > 1:
        raise InputError(
            "All lists of segments must have the same length. Received "
            f"{' and '.join(map(str, counts))} segments."
        )
    rows, types_of_rows = [], []
    for parts in zip(*segments):
        if seq_length is not None:
            parts = truncate(parts, seq_length - special_count(len(parts)), truncation)
        row, row_types = [special.cls], [0]
        for index, part in enumerate(parts):
            row += [*part, special.sep]
            row_types += [index] * (len(part) + 1)
        rows.append(row)
        types_of_rows.append(row_types)
    width = seq_length if pad_to_seq_length else max(map(len, rows), default=0)
    ids = np.full([len(rows), width], special.pad, np.int32)  # [B, S]
    mask = np.zeros_like(ids)
    types = np.zeros_like(ids)
    for index, (row, row_types) in enumerate(zip(rows, types_of_rows)):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
        types[index, : len(row)] = row_types
    return {"input_word_ids": ids, "input_mask": mask, "input_type_ids": types}
