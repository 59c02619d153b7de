"""`Encoding`: what calling a tokenizer returns, with look-ups between tokens, words and texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from albert_tf.errors import InputError
from albert_tf.tokenization.offsets import TokenSpans
from albert_tf.tokenization.packing import Packed, Row
from albert_tf.tokenization.special_ids import SpecialIds

TENSORS = ("np", "tf")


class Span(NamedTuple):
    """A range of characters or of tokens: its first one, and the one after its last."""

    start: int
    end: int


class Encoding(dict[str, Any]):
    """The inputs of a model by name, and where the tokens of each row come from.

    Every model and every exported module here takes it. The look-ups have the names and results of
    Hugging Face's `BatchEncoding`: rows, tokens, words and characters are counted from 0, segment 0
    is the text and segment 1 its pair. Where a look-up takes two indices, the first may be left out
    for row 0. Where there is no token, word or character, it returns None.

    `sequence_ids` needs nothing, `word_ids` and other look-ups of words need
    `is_split_into_words=True` or `return_offsets_mapping=True`, and all others need
    `return_offsets_mapping=True`. Characters are those of the text; with `is_split_into_words`,
    those of the token's word.

    Attributes:
      rows: which tokens each row has.
      spans: for each segment, the tokens of each text, if the call asked for their words or
        positions; lists that it did not ask for are empty.
    """

    rows: Sequence[Row] = ()
    spans: Sequence[Sequence[TokenSpans]] = ()

    @property
    def n_sequences(self) -> int:
        """The number of segments of each row."""
        return len(self.rows[0].parts) if self.rows else 0

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """Returns the segment of each token of a row; None for [CLS], [SEP] and <pad>."""
        return [place and place[0] for place in self._places(batch_index)]

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """Returns the index of the word of each token of a row; None for special tokens."""
        return self._values(batch_index, "words")

    def tokens(self, batch_index: int = 0) -> list[str | None]:
        """Returns the piece of each token of a row; None for special tokens."""
        return self._values(batch_index, "pieces")

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> Any:
        """Returns the segment of a token."""
        row, index = _indices(batch_or_token_index, token_index)
        return _item(self.sequence_ids(row), index, "token")

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> Any:
        """Returns the index of the word of a token."""
        row, index = _indices(batch_or_token_index, token_index)
        return _item(self.word_ids(row), index, "token")

    def token_to_chars(
        self, batch_or_token_index: int, token_index: int | None = None
    ) -> Span | None:
        """Returns the characters of a token."""
        row, index = _indices(batch_or_token_index, token_index)
        return _item(self._chars(row), index, "token")

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """Returns the first token that contains a character of a text."""
        row, index = _indices(batch_or_char_index, char_index)
        chars = self._chars(row)
        return self._first(row, sequence_index, lambda i: chars[i].start <= index < chars[i].end)

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """Returns the word of the first token that contains a character of a text."""
        row, index = _indices(batch_or_char_index, char_index)
        token = self.char_to_token(row, index, sequence_index)
        return None if token is None else self.word_ids(row)[token]

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> Span | None:
        """Returns the tokens of a word in a row."""
        row, index = _indices(batch_or_word_index, word_index)
        found = self._of_word(row, index, sequence_index)
        return Span(found[0], found[-1] + 1) if found else None

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> Span | None:
        """Returns the characters of a word's tokens in a row."""
        row, index = _indices(batch_or_word_index, word_index)
        chars = [self._chars(row)[i] for i in self._of_word(row, index, sequence_index)]
        return Span(chars[0].start, chars[-1].end) if chars else None

    def _of_word(self, row: int, index: int, segment: int) -> list[int]:
        words, segments = self.word_ids(row), self.sequence_ids(row)
        return [i for i, word in enumerate(words) if word == index and segments[i] == segment]

    def _first(self, row: int, segment: int, matches: Callable[[int], bool]) -> int | None:
        segments = self.sequence_ids(row)
        return next((i for i, s in enumerate(segments) if s == segment and matches(i)), None)

    def _chars(self, row: int) -> list[Span | None]:
        ends = self._values(row, "ends")
        return [
            None if end is None else Span(start, end)
            for start, end in zip(self._values(row, "starts"), ends)
        ]

    def _values(self, batch_index: int, field: str) -> list[Any]:
        """Returns a field of `TokenSpans` for each position of a row."""
        places, sample = self._places(batch_index), self.rows[batch_index].sample
        columns = [getattr(spans[sample], field) for spans in self.spans]
        ids = [spans[sample].ids for spans in self.spans]
        if not self.spans or any(len(a) < len(b) for a, b in zip(columns, ids)):
            words = "is_split_into_words=True or " if field == "words" else ""
            raise InputError(
                f"This look-up needs the {field} of tokens. Received an encoding without them. "
                f"Call the tokenizer with {words}return_offsets_mapping=True."
            )
        return [None if place is None else columns[place[0]][place[1]] for place in places]

    def _places(self, batch_index: int) -> list[tuple[int, int] | None]:
        """Returns the segment and the token of it at each position of a row."""
        row = _item(self.rows, batch_index, "row")
        places: list[tuple[int, int] | None] = [None] * (row.begin + 1)
        for segment, (start, stop) in enumerate(row.parts):
            places += [*((segment, token) for token in range(start, stop)), None]
        return places + [None] * (int(self["input_word_ids"].shape[1]) - len(places))


def of_packed(
    packed: Packed,
    ids: Sequence[Sequence[Sequence[int]]],
    spans: Sequence[Sequence[TokenSpans]],
    special: SpecialIds,
    *,
    overflow: bool,
    special_tokens_mask: bool,
    offsets: bool,
    tensors: str,
) -> Encoding:
    """Returns the encoding of rows.

    Args:
      packed: the rows.
      ids: for each segment, the ids of each text.
      spans: see `Encoding`.
      special: the special ids.
      overflow: whether to add the text of each row.
      special_tokens_mask: whether to add the mask.
      offsets: whether to add the offsets.
      tensors: one of `TENSORS`.
    """
    result = Encoding(packed.inputs(ids, special))
    result.rows, result.spans = packed.rows, spans
    if special_tokens_mask:
        result["special_tokens_mask"] = packed.special_tokens_mask()
    if offsets:
        ends = ([[getattr(t, n) for t in texts] for texts in spans] for n in ("starts", "ends"))
        places = [packed.placed(values, 0, 0, 0) for values in ends]
        result["offset_mapping"] = np.stack(places, axis=-1)  # [B, S, 2]
    if overflow:
        samples = [row.sample for row in packed.rows]
        result["overflow_to_sample_mapping"] = np.array(samples, np.int32)  # [B]
    if tensors == "tf":
        import tensorflow as tf

        for name, value in result.items():
            result[name] = tf.constant(value)
    return result


def check_tensors(tensors: str) -> None:
    """Raises `InputError` for tensors of an unknown kind."""
    if tensors not in TENSORS:
        raise InputError(
            f"return_tensors must be 'np' or 'tf'. Received {tensors!r}. "
            "For other libraries, convert the arrays of 'np', as torch.from_numpy does."
        )


def _indices(first: int, second: int | None) -> tuple[int, int]:
    return (0, first) if second is None else (first, second)


def _item(values: Sequence[Any], index: int, name: str) -> Any:
    if not -len(values) <= index < len(values):
        raise InputError(
            f"The index of a {name} must be less than their number. Received {index} for "
            f"{len(values)}. Correct it."
        )
    return values[index]
