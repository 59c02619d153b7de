"""Packs token ids into model inputs in plain Python: [CLS] A [SEP] B [SEP] ..., padded.

S is the sequence length, B the batch size.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from albert_tf.errors import InputError, closest
from albert_tf.tokenization import windows
from albert_tf.tokenization.special_ids import SpecialIds

# The policies that a graph has too; the others cut one segment only.
GRAPH_TRUNCATIONS = ("longest_first", "round_robin", "waterfall")
TRUNCATIONS = (*GRAPH_TRUNCATIONS, "only_first", "only_second")
NO_TRUNCATION = "do_not_truncate"
PADDINGS = ("longest", "max_length")
SIDES = ("left", "right")


def named_truncation(truncation: str | bool) -> str:
    """Returns the name of a policy, for which True and False may stand."""
    names = {True: TRUNCATIONS[0], False: NO_TRUNCATION}
    return names[truncation] if isinstance(truncation, bool) else truncation


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


class Packing(NamedTuple):
    """How rows are cut and padded; the fields are arguments of `AlbertTokenizer.__call__`."""

    max_length: int | None = None
    truncation: str = "longest_first"
    padding: str = "longest"
    stride: int = 0
    pad_to_multiple_of: int | None = None
    padding_side: str = "right"
    truncation_side: str = "right"
    return_overflowing_tokens: bool = False

    @property
    def limit(self) -> int | None:
        """The number of tokens at which rows are cut, or None."""
        return None if self.truncation == NO_TRUNCATION else self.max_length

    def check(self, segments: int) -> None:
        """Raises `InputError` for the first setting that is invalid for rows of `segments`."""
        if self[1:] == _DEFAULTS:  # as in most calls
            if self.max_length is not None:
                check_seq_length(self.max_length, segments)
            return
        for name, allowed in (
            ("truncation", (*TRUNCATIONS, NO_TRUNCATION)),
            ("padding", PADDINGS),
            ("padding_side", SIDES),
            ("truncation_side", SIDES),
        ):
            if (value := getattr(self, name)) not in allowed:
                raise InputError(
                    f"{name} must be one of its options. Received {value!r}. "
                    f"{closest(str(value), allowed)}"
                )
        multiple = self.pad_to_multiple_of
        if multiple is not None and (type(multiple) is not int or multiple < 1):
            raise InputError(
                "pad_to_multiple_of must be a whole number from 1, or None. Received "
                f"{multiple!r}. Correct it."
            )
        if self.max_length is None:
            if self.padding == "max_length":
                raise InputError(
                    "Padding to a fixed length needs a length. Received max_length=None. Set "
                    "max_length."
                )
        else:
            check_seq_length(self.max_length, segments)
            if self.limit is None and self.padding == "longest":
                raise InputError(
                    "max_length must have an effect. Received "
                    f"max_length={self.max_length} with truncation={self.truncation!r} and "
                    "padding='longest'. Leave it out, or set padding='max_length'."
                )
            if self.limit is not None and multiple is not None and self.max_length % multiple:
                raise InputError(
                    "max_length must be a multiple of pad_to_multiple_of, so that rows fit. "
                    f"Received {self.max_length} and {multiple}. Change one of them, or set "
                    f"truncation={NO_TRUNCATION!r}."
                )
        self._check_overflow(segments)

    def _check_overflow(self, segments: int) -> None:
        if type(self.stride) is not int or self.stride < 0:
            raise InputError(
                f"stride must be a whole number from 0. Received {self.stride!r}. Correct it."
            )
        if not self.return_overflowing_tokens:
            if self.stride:
                raise InputError(
                    f"stride needs return_overflowing_tokens. Received stride={self.stride}. Set "
                    "return_overflowing_tokens=True, or leave stride out."
                )
            return
        if self.limit is None:
            raise InputError(
                "return_overflowing_tokens needs a length at which rows are cut. Received "
                f"max_length={self.max_length}, truncation={self.truncation!r}. Set max_length and "
                "'longest_first'."
            )
        if segments > 1 and self.truncation in GRAPH_TRUNCATIONS:
            raise InputError(
                "The overflow of a pair must be that of one text. Received "
                f"truncation={self.truncation!r}. Use 'only_first' or 'only_second'."
            )
        _check_stride(self.stride, self.limit - special_count(segments))


_DEFAULTS = Packing()[1:]


def _check_stride(stride: int, room: int) -> None:
    if stride >= room:
        raise InputError(
            "stride, the number of tokens that the next row repeats, must be less than the number "
            f"that a row has room for. Received stride={stride} with room for {room}. Lower "
            "stride, or raise max_length."
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
      InputError: the segment to cut is too short.
    """
    kept = _kept([len(segment) for segment in segments], budget, truncation)
    return [segment[:count] for segment, count in zip(segments, kept)]


def _kept(lengths: Sequence[int], budget: int, truncation: str) -> list[int]:
    """Returns how many tokens each segment keeps; see `truncate`."""
    excess = sum(lengths) - budget
    if excess <= 0:
        return list(lengths)
    if truncation == "waterfall":
        before = itertools.accumulate(lengths, initial=0)
        return [min(n, max(0, budget - begin)) for n, begin in zip(lengths, before)]
    if truncation in GRAPH_TRUNCATIONS or len(lengths) == 1:
        return _round_robin(lengths, budget)
    cut = TRUNCATIONS.index(truncation) - len(GRAPH_TRUNCATIONS)
    if lengths[cut] < excess:
        raise InputError(
            f"The segment cut by truncation={truncation!r} must have at least as many tokens "
            f"as must be removed. Received {lengths[cut]} tokens, but {excess} must be "
            "removed. Use 'longest_first'."
        )
    return [length - excess * (i == cut) for i, length in enumerate(lengths)]


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


class Row(NamedTuple):
    """Which tokens a row has.

    Attributes:
      sample: the index of its text or pair.
      parts: for each segment, its first token in the row, and the one after the last.
      length: the number of tokens of the row, with special tokens.
      begin: the position of [CLS]; 0 unless the row is padded on the left.
    """

    sample: int
    parts: Sequence[tuple[int, int]]
    length: int
    begin: int = 0


class Packed:
    """The rows of a batch, in which values of tokens are placed.

    Args:
      counts: for each segment, the number of tokens of each of its texts.
      settings: how rows are cut and padded, which `Packing.check` has checked.

    Attributes:
      rows: the rows.
      longest: the largest number of tokens of a row, with special tokens.
      real: where rows have tokens, bool [B, S].

    Raises:
      InputError: the lists differ in length, or a segment is too short to be cut.
    """

    def __init__(self, counts: Sequence[Sequence[int]], settings: Packing) -> None:
        if len(set(map(len, counts))) > 1:
            raise InputError(
                "All lists of segments must have the same length. Received "
                f"{' and '.join(str(len(rows)) for rows in counts)} segments."
            )
        self.rows = list(_rows(counts, settings))
        lengths = [row.length for row in self.rows]
        width = self.longest = max(lengths, default=0)
        if settings.padding == "max_length":
            width = max(width, settings.max_length)
        if multiple := settings.pad_to_multiple_of:
            width = -(-width // multiple) * multiple
        limits = np.array(lengths, int)[:, np.newaxis]
        self._positions = np.arange(width)
        self.real = self._positions < limits
        if settings.padding_side == "left":
            self.rows = [row._replace(begin=width - row.length) for row in self.rows]
            self.real = self._positions >= width - limits

    def placed(
        self, values: Sequence[Sequence[Sequence[int]]], first: int, after: int, padding: int
    ) -> np.ndarray:
        """Returns the values of all tokens, int32 [B, S].

        Args:
          values: for each segment and text, the values of its tokens.
          first: the value of [CLS].
          after: the value of [SEP].
          padding: the value of <pad>.
        """
        flat: list[int] = []
        for sample, parts, _, _ in self.rows:
            flat.append(first)
            for segment, (start, stop) in zip(values, parts):
                flat += segment[sample][start:stop]
                flat.append(after)
        result = np.full(self.real.shape, padding, np.int32)
        result[self.real] = flat
        return result

    def inputs(
        self, segments: Sequence[Sequence[Sequence[int]]], special: SpecialIds
    ) -> dict[str, np.ndarray]:
        """Returns the three encoder inputs, int32 [B, S] each, of the ids of all texts."""
        types = np.zeros(self.real.shape, np.int32)
        for ends in list(zip(*self._ends()))[:-1] if len(segments) > 1 else ():
            types += self.real & (self._positions > np.array(ends)[:, np.newaxis])
        return {
            "input_word_ids": self.placed(segments, special.cls, special.sep, special.pad),
            "input_mask": self.real.astype(np.int32),
            "input_type_ids": types,
        }

    def special_tokens_mask(self) -> np.ndarray:
        """Returns 1 for [CLS], [SEP] and <pad>, and 0 for tokens of texts, int32 [B, S]."""
        mask = 1 - self.real.astype(np.int32)
        index = np.arange(len(mask))
        mask[index, [row.begin for row in self.rows]] = 1
        for ends in zip(*self._ends()):
            mask[index, ends] = 1
        return mask

    def _ends(self) -> Iterator[list[int]]:
        """Yields the positions of the [SEP] of each row."""
        for _, parts, _, position in self.rows:
            ends = []
            for start, stop in parts:
                position += 1 + stop - start
                ends.append(position)
            yield ends


def _rows(counts: Sequence[Sequence[int]], settings: Packing) -> Iterator[Row]:
    special, limit = special_count(len(counts)), settings.limit
    zeros = itertools.repeat(0)
    for sample, lengths in enumerate(zip(*counts)):
        length = sum(lengths) + special
        if limit is None or length <= limit:
            yield Row(sample, (*zip(zeros, lengths),), length)
        elif settings.return_overflowing_tokens:
            yield from _overflowing(sample, lengths, limit - special, settings)
        else:
            kept = _kept(lengths, limit - special, settings.truncation)
            if settings.truncation_side == "left":
                yield Row(sample, [(n - count, n) for n, count in zip(lengths, kept)], limit)
            else:
                yield Row(sample, (*zip(zeros, kept),), limit)


def _overflowing(
    sample: int, lengths: Sequence[int], budget: int, settings: Packing
) -> Iterator[Row]:
    """Yields the rows of a text that is too long, or of a pair with such a text."""
    kept = _kept(lengths, budget, settings.truncation)
    cut = int(settings.truncation == "only_second" and len(lengths) > 1)
    length, capacity = lengths[cut], kept[cut]
    _check_stride(settings.stride, capacity)
    others = sum(kept) - capacity + special_count(len(lengths))
    parts = [(0, n) for n in lengths]
    for first, last in windows.parts(length, capacity, capacity - settings.stride):
        is_left = settings.truncation_side == "left"
        parts[cut] = (length - last, length - first) if is_left else (first, last)
        yield Row(sample, tuple(parts), others + last - first)


def pack(
    segments: Sequence[Sequence[Sequence[int]]],
    special: SpecialIds,
    settings: Packing | None = None,
) -> dict[str, np.ndarray]:
    """Returns the three encoder inputs of a batch, int32 [B, S] each.

    Args:
      segments: for each segment, the ids of the B rows.
      special: the special ids.
      settings: how rows are cut and padded; by default, no row is cut, and S is the length of the
        longest.

    Raises:
      InputError: see `Packing.check` and `Packed`.
    """
    settings = settings or Packing()
    settings.check(len(segments))
    counts = [[len(ids) for ids in rows] for rows in segments]
    return Packed(counts, settings).inputs(segments, special)
