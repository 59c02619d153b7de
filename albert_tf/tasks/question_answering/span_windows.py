"""Converts questions to model inputs: [CLS] question [SEP] part of the context [SEP].

A context that is too long is split into overlapping windows, each starting `doc_stride` tokens
after the previous one, so a token may be in several windows. The *widest* window for a token is the
one where its smaller side, left or right, has the most context. An answer may begin at a token only
in its widest window (original squad_utils.py:_check_is_max_context). C is the number of context
tokens of a window.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from albert_tf.errors import InputError
from albert_tf.tokenization import windows as text_windows
from albert_tf.tokenization.offsets import TokenSpans
from albert_tf.tokenization.packing import special_count
from albert_tf.tokenization.special_ids import SpecialIds

# As in the original (run_squad_v1.py).
DOC_STRIDE, MAX_QUERY_LENGTH = 128, 64


@dataclasses.dataclass(frozen=True)
class SpanWindowSettings:
    """The settings for windows; the defaults are the original's (run_squad_v1.py).

    Attributes:
      seq_length: the maximum number of tokens of a window, including special tokens.
      doc_stride: the number of tokens from the start of one window to the next.
      max_query_length: the maximum number of tokens of a question; the end of a longer one is cut.
    """

    seq_length: int = 384
    doc_stride: int = DOC_STRIDE
    max_query_length: int = MAX_QUERY_LENGTH

    def __post_init__(self) -> None:
        if self.doc_stride < 1 or self.max_query_length < 1:
            raise InputError(
                "doc_stride and max_query_length must be at least 1. Received "
                f"doc_stride={self.doc_stride}, max_query_length={self.max_query_length}."
            )
        needed = self.max_query_length + special_count(2) + 1
        if self.seq_length < needed:
            raise InputError(
                "A window must have room for the longest question, three special tokens and some "
                f"context. Received seq_length={self.seq_length} with max_query_length="
                f"{self.max_query_length}. Set seq_length to {needed} or more, or lower "
                "max_query_length."
            )


@dataclasses.dataclass(frozen=True, eq=False)
class Window:
    """A question with a part of its context.

    Attributes:
      ids: the ids of the row, int32 [S].
      context_begin: the position of the first context token in `ids`.
      starts: the character of the context where each context token begins, int32 [C].
      ends: the character of the context where each context token ends, int32 [C].
      widest: whether this is the widest window for each context token, bool [C].
      start_positions: the position of the first token of the answer in `ids`; 0, the position of
        [CLS], if the answer is not in this window.
      end_positions: the position of the last token of the answer in `ids`, or 0 as above.
      impossible: 1 if the answer is not in this window, otherwise 0.
    """

    ids: np.ndarray
    context_begin: int
    starts: np.ndarray
    ends: np.ndarray
    widest: np.ndarray
    start_positions: int = 0
    end_positions: int = 0
    impossible: int = 1

    @property
    def has_question(self) -> bool:
        """Whether the question has a token; one that has none gets no answer."""
        return self.context_begin > 2  # [CLS] and [SEP]


def windows(
    query: Sequence[int],
    context: TokenSpans,
    answer: tuple[int, int] | None,
    special: SpecialIds,
    settings: SpanWindowSettings,
) -> list[Window]:
    """Returns the windows of a question, at least one even if the context has no token.

    Args:
      query: the ids of the question, already cut to its maximum length.
      context: the tokens of the context.
      answer: the first and the last token of the answer, or None.
      special: the special ids.
      settings: the settings for windows.
    """
    front = [special.cls, *query, special.sep]
    capacity = settings.seq_length - len(front) - 1
    parts = list(text_windows.parts(len(context.ids), capacity, settings.doc_stride))
    widest = _widest(parts, len(context.ids))
    starts, ends = np.asarray(context.starts, np.int32), np.asarray(context.ends, np.int32)
    result = []
    for index, (first, last) in enumerate(parts):
        position = {}
        if answer and first <= answer[0] and answer[1] < last:
            begin, end = (token - first + len(front) for token in answer)
            position = dict(start_positions=begin, end_positions=end, impossible=0)
        result.append(
            Window(
                np.array([*front, *context.ids[first:last], special.sep], np.int32),
                len(front),
                starts[first:last],
                ends[first:last],
                widest[first:last] == index,
                **position,
            )
        )
    return result


def token_span(context: TokenSpans, begin: int, end: int) -> tuple[int, int] | None:
    """Returns the first and the last token that overlap the characters `begin` to `end`.

    Returns None if there is no such token because normalisation drops all these characters.
    """
    starts, ends = np.asarray(context.starts), np.asarray(context.ends)
    inside = np.flatnonzero((starts < end) & (ends > begin) & (starts < ends))
    return (int(inside[0]), int(inside[-1])) if len(inside) else None


def _widest(parts: Sequence[tuple[int, int]], length: int) -> np.ndarray:
    """Returns the index of the widest window of each token, int [T]."""
    widest, best = np.zeros(length, np.int64), np.full(length, -1.0)
    for index, (first, last) in enumerate(parts):
        token = np.arange(last - first)
        # As in the original, a longer window wins a tie, then an earlier one.
        scores = np.minimum(token, token[::-1]) + 0.01 * (last - first)
        wins = scores > best[first:last]
        best[first:last][wins], widest[first:last][wins] = scores[wins], index
    return widest
