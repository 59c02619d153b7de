"""Packs segments into arrays of instances: [CLS] A [SEP] B [SEP] or [CLS] A [SEP], with padding.

Axes: N instances, S positions, T tokens of all documents in a block.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SPECIAL_TOKENS = 3  # [CLS], [SEP] and [SEP].


class Instances(NamedTuple):
    """Instances before masking.

    Attributes:
      input_ids: int32 [N, S].
      input_mask: bool [N, S], false for padding.
      segment_ids: int32 [N, S], 1 for B and the [SEP] after it.
      maskable: bool [N, S], true for text.
      labels: int32 [N], 1 if swapped.
    """

    input_ids: np.ndarray
    input_mask: np.ndarray
    segment_ids: np.ndarray
    maskable: np.ndarray
    labels: np.ndarray


def pack(
    tokens: np.ndarray,
    pairs: np.ndarray,
    max_seq_length: int,
    cls_id: int,
    sep_id: int,
    pad_id: int,
) -> Instances:
    """Returns an instance for each pair.

    Args:
      tokens: int32 [T].
      pairs: int [N, 5], rows of `sentence_pairs.Pair` with offsets into `tokens`; an empty B has no
        [SEP].
      max_seq_length: S; every pair must fit with its special tokens.
      cls_id, sep_id, pad_id: the special ids of the vocabulary.
    """
    a_begin, a_end, b_begin, b_end, labels = np.asarray(pairs).T[..., None]  # [N, 1] each
    first_sep = a_end - a_begin + 1
    second_sep = first_sep + np.where(b_end > b_begin, b_end - b_begin + 1, 0)
    position = np.arange(max_seq_length)  # [S]
    in_a = (position > 0) & (position < first_sep)  # [N, S]
    in_b = (position > first_sep) & (position < second_sep)
    source = np.where(in_a, a_begin + position - 1, b_begin + position - first_sep - 1)
    maskable = in_a | in_b
    input_ids = tokens[np.where(maskable, source, 0)]  # [N, S]
    input_ids = np.where(maskable, input_ids, pad_id)
    input_ids[:, 0] = cls_id
    input_ids[(position == first_sep) | (position == second_sep)] = sep_id
    return Instances(
        input_ids.astype(np.int32),
        position <= second_sep,
        ((position > first_sep) & (position <= second_sep)).astype(np.int32),
        maskable,
        labels[:, 0].astype(np.int32),
    )
