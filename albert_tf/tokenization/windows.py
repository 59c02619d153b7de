"""Cuts texts with more tokens than a row has room for into windows, in plain Python.

Windows overlap: each begins `stride` tokens after the previous one. `graph/windows.py` cuts the
same windows in a graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def parts(length: int, capacity: int, stride: int) -> Iterator[tuple[int, int]]:
    """Yields the first token of each window and the token after its last one; at least one window.

    Args:
      length: the number of tokens of the text.
      capacity: the maximum number of tokens of a window.
      stride: the number of tokens from the start of one window to the next; no token is left out
        if it exceeds the capacity.
    """
    first = 0
    while True:
        last = min(first + capacity, length)
        yield first, last
        if last == length:
            return
        first += min(stride, capacity)


def of_segments(
    segments: Sequence[Sequence[int]], budget: int, stride: int
) -> Iterator[list[Sequence[int]]]:
    """Yields the segments of each window of a text or of a pair of texts.

    The longer text of a pair that is too long (the second, if they are equal) is cut into windows.
    The other one is in each of them, up to half of the budget.

    Args:
      segments: the tokens of one text or two.
      budget: the maximum number of tokens of a window, without special tokens.
      stride: see `parts`.
    """
    if sum(map(len, segments)) <= budget:
        yield list(segments)
        return
    longer = longer_of(segments)
    whole = list(segments)
    kept = 0
    if len(segments) > 1:
        whole[1 - longer] = whole[1 - longer][: budget // 2]
        kept = len(whole[1 - longer])
    text = segments[longer]
    for first, last in parts(len(text), budget - kept, stride):
        whole[longer] = text[first:last]
        yield list(whole)


def longer_of(segments: Sequence[Sequence[int]]) -> int:
    """Returns the index of the text that is cut into windows; see `of_segments`."""
    return int(len(segments) > 1 and len(segments[1]) >= len(segments[0]))
