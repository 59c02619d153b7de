"""`AlbertTokenizer`: converts text to ids and back in Python, following the original's rules.

This module does not import TensorFlow, so that data workers start fast. `GraphTokenizer` gives the
same ids inside a graph.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece

from albert_tf.errors import InputError
from albert_tf.files import existing, replacing
from albert_tf.tokenization import (
    digit_comma,
    model_files,
    offsets,
    packing,
    special_ids,
    word_starts,
)
from albert_tf.tokenization.lines import decoded
from albert_tf.tokenization.normalization import normalize
from albert_tf.tokenization.settings import Preprocessing, path_beside


class AlbertTokenizer:
    """Converts text to the ids of a SentencePiece model.

    Normalises the text (see normalization.py), runs SentencePiece, and splits pieces such as "1,"
    (see digit_comma.py). Text such as "[MASK]" is treated as ordinary text, unless the rules are
    "hugging_face". A tokenizer can be pickled.

    ```python
    tokenizer = AlbertTokenizer("30k-clean.model")
    tokenizer.tokenize("Hello, world")  # ["▁hello", ",", "▁world"]
    tokenizer(["one text", "another"])  # {"input_word_ids": int32 [2, S], ...}
    ```

    Args:
      model_file: a SentencePiece model. If `<stem>.preprocess.json` exists beside it, that file
        specifies the preprocessing.
      lower_case: None takes the value of that file; without a file, True, as in the released
        models.
      keep_accents: None takes the value of that file; without a file, False.
      rules: None takes the value of that file; without a file, "original". See `Preprocessing`.
      invalid_utf8: how to handle bytes that are not valid UTF-8: "replace" turns them into U+FFFD,
        as the original does, and counts them; "error" raises an error.

    Attributes:
      replaced_bytes: the number of invalid bytes replaced so far.

    Raises:
      InputError: the file is missing or not a SentencePiece model, its special ids are not
        ALBERT's, or an argument contradicts the settings file.
    """

    def __init__(
        self,
        model_file: str | os.PathLike,
        lower_case: bool | None = None,
        keep_accents: bool | None = None,
        rules: str | None = None,
        *,
        invalid_utf8: str = "replace",
    ) -> None:
        if invalid_utf8 not in ("replace", "error"):
            raise InputError(
                f"invalid_utf8 must be 'replace' or 'error'. Received {invalid_utf8!r}."
            )
        self.invalid_utf8 = invalid_utf8
        self.replaced_bytes = 0
        self.model_file = existing(model_file, "A SentencePiece model")
        given = {"lower_case": lower_case, "keep_accents": keep_accents, "rules": rules}
        self.preprocessing = _settings(self.model_file, given)
        self.processor = _load(self.model_file)
        self.special_ids = special_ids.read(self.processor, f"'{self.model_file}'")
        self.digit_comma_parts = digit_comma.table(self.processor, self.preprocessing.rules)
        self._expansions = {
            index: self.processor.piece_to_id([part.piece for part in parts])
            for index, parts in self.digit_comma_parts.items()
        }

    @classmethod
    def from_pretrained(cls, source: str | os.PathLike) -> AlbertTokenizer:
        """Loads a tokenizer from a folder or a SentencePiece model; see `model_files.find`.

        Raises:
          InputError: there is no model, or more than one, or the constructor raises it.
        """
        model_file, settings = model_files.find(source)
        return cls(model_file, **(settings.to_dict() if settings else {}))

    def save(self, directory: str | os.PathLike) -> Path:
        """Saves the model and its settings in a folder that `from_pretrained` can load.

        Returns:
          The path of the model.

        Raises:
          InputError: the folder already has a different model or different settings under the same
            names.
        """
        model_file = Path(directory).expanduser() / self.model_file.name
        settings_file = path_beside(model_file)
        if settings_file.exists():
            stored = Preprocessing.from_json_file(settings_file)
            self.preprocessing.check_same(stored, "this tokenizer", f"'{settings_file}'")
        if model_file.exists() and model_file.read_bytes() != self.model_proto:
            raise InputError(
                f"Saving must not replace another vocabulary. Received '{directory}', where "
                f"'{model_file.name}' differs from this tokenizer's model. Choose another folder."
            )
        with replacing(model_file) as temporary:
            temporary.write_bytes(self.model_proto)
        self.preprocessing.to_json_file(settings_file)
        return model_file

    @property
    def vocab_size(self) -> int:
        """The number of ids."""
        return self.processor.get_piece_size()

    @property
    def pad_id(self) -> int:
        """The id of <pad>."""
        return self.special_ids.pad

    @property
    def unk_id(self) -> int:
        """The id of <unk>."""
        return self.special_ids.unk

    @property
    def cls_id(self) -> int:
        """The id of [CLS]."""
        return self.special_ids.cls

    @property
    def sep_id(self) -> int:
        """The id of [SEP]."""
        return self.special_ids.sep

    @property
    def mask_id(self) -> int:
        """The id of [MASK]."""
        return self.special_ids.mask

    @property
    def model_proto(self) -> bytes:
        """The SentencePiece model, serialised."""
        return self.processor.serialized_model_proto()

    @functools.cached_property
    def pieces(self) -> list[str]:
        """The piece of every id."""
        return self.processor.id_to_piece(list(range(self.vocab_size)))

    @functools.cached_property
    def word_starts(self) -> np.ndarray:
        """For every id, whether its piece begins a word, bool [V]."""
        return word_starts.word_starts(self.pieces, self.special_ids)

    def tokenize(self, text: str) -> list[str]:
        """Returns the pieces of a text, without special tokens; unknown text is kept as it is."""
        return [
            piece
            for segment, _ in self._segments(self._as_text(text))
            for piece in self._pieces_of(segment)
        ]

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text, without special tokens; calling the tokenizer adds them."""
        return self.encode_batch([text])[0]

    def tokenize_with_offsets(self, text: str) -> offsets.TokenSpans:
        """Returns the tokens of a text and their positions, without special tokens.

        Normalising `text[start:end]` gives the piece without its "▁". A character that becomes
        several, such as "½", belongs to every token that contains a part of it.
        """
        text = self._as_text(text)
        rows = [
            (piece, begin + start, begin + end)
            for segment, begin in self._segments(text)
            for piece, start, end in self._spans_of(segment)
        ]
        pieces, starts, ends = [[row[i] for row in rows] for i in range(3)]
        words = offsets.words(text, starts)
        return offsets.TokenSpans(self.pieces_to_ids(pieces), pieces, starts, ends, words)

    def encode_batch(self, texts: Iterable[str], num_threads: int = 1) -> list[list[int]]:
        """Returns the ids of each text, without special tokens.

        Args:
          texts: strings, or bytes in UTF-8; see `invalid_utf8`.
          num_threads: the number of SentencePiece threads; 1 by default, because data workers are
            processes.

        Raises:
          InputError: an element is not text, or is invalid UTF-8 and `invalid_utf8` is "error". The
            message has the index of the element.
        """
        texts = [self._as_text(text, index) for index, text in enumerate(_as_list(texts))]
        if self.preprocessing.rules == "hugging_face":
            return [self._encode_with_specials(text, num_threads) for text in texts]
        return self._encode_plain(texts, num_threads)

    def __call__(
        self,
        texts: str | Iterable[str],
        text_pairs: str | Iterable[str] | None = None,
        *,
        max_length: int | None = None,
        truncation: str = "longest_first",
        padding: str = "longest",
        num_threads: int = 1,
    ) -> dict[str, np.ndarray]:
        """Returns the inputs of the encoder: [CLS] A [SEP], or [CLS] A [SEP] B [SEP].

        Args:
          texts: the B first segments; a single text is a batch of one.
          text_pairs: the B second segments, or None.
          max_length: the maximum sequence length, including special tokens; None for no limit.
          truncation: the policy for cutting segments; see `packing.truncate`.
          padding: "longest" pads to the longest row of the batch, "max_length" to `max_length`.
          num_threads: the number of SentencePiece threads.

        Returns:
          "input_word_ids", "input_mask", "input_type_ids", int32 [B, S] each.

        Raises:
          InputError: an argument is invalid.
        """
        if padding not in ("longest", "max_length"):
            raise InputError(f"padding must be 'longest' or 'max_length'. Received {padding!r}.")
        firsts = self.encode_batch(_as_list(texts), num_threads)
        seconds = None
        if text_pairs is not None:
            seconds = self.encode_batch(_as_list(text_pairs), num_threads)
        pad_to_length = padding == "max_length"
        return packing.pack(
            firsts, seconds, self.special_ids, max_length, truncation, pad_to_length
        )

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """Returns the text of ids, by default without <pad>, [CLS], [SEP] and [MASK].

        Normalisation is not undone: case, accents and runs of white space are lost.

        Raises:
          InputError: an id is outside the vocabulary.
        """
        pieces = self.ids_to_pieces(ids)
        special = set(special_ids.PIECES)
        if skip_special_tokens:
            dropped = special - {"<unk>"}
            return self.processor.decode([piece for piece in pieces if piece not in dropped])
        groups = itertools.groupby(pieces, key=special.__contains__)
        parts = (
            list(g) if is_special else [self.processor.decode(list(g))] for is_special, g in groups
        )
        return " ".join(itertools.chain.from_iterable(parts))

    def ids_to_pieces(self, ids: Iterable[int]) -> list[str]:
        """Returns the piece of each id.

        Raises:
          InputError: an id is outside the vocabulary.
        """
        ids = [int(i) for i in ids]
        for i in ids:
            if not 0 <= i < self.vocab_size:
                raise InputError(
                    f"Ids must lie in [0, {self.vocab_size}), the range of the vocabulary. "
                    f"Received {i}. Check that the ids come from this vocabulary."
                )
        return [self.pieces[i] for i in ids]

    def pieces_to_ids(self, pieces: Iterable[str]) -> list[int]:
        """Returns the id of each piece; pieces outside the vocabulary get the id of <unk>."""
        return self.processor.piece_to_id(list(pieces))

    def _as_text(self, text: Any, index: int = 0) -> str:
        if isinstance(text, str):
            return text
        if isinstance(text, bytes):
            text, replaced = decoded(text, self.invalid_utf8 == "replace", f"text {index}")
            self.replaced_bytes += replaced
            return text
        raise InputError(
            f"Each text must be a str, or bytes in UTF-8. Received {text!r} of type "
            f"{type(text).__name__} at index {index}. Convert it or leave it out."
        )

    def _encode_plain(self, texts: Sequence[str], num_threads: int = 1) -> list[list[int]]:
        """Encodes texts that contain no special tokens."""
        settings = self.preprocessing
        normalized = [normalize(text, settings) for text in texts]
        batch = self.processor.encode(normalized, out_type=int, num_threads=num_threads)
        # Few rows need expanding, and this check is faster than a Python loop over all ids.
        rare = self._expansions.keys()
        return [ids if rare.isdisjoint(ids) else self._expand(ids) for ids in batch]

    def _expand(self, ids: Iterable[int]) -> list[int]:
        expanded: list[int] = []
        for i in ids:
            expanded.extend(self._expansions.get(i, (i,)))
        return expanded

    def _encode_with_specials(self, text: str, num_threads: int) -> list[int]:
        result: list[int] = []
        for segment, _ in self._segments(text):
            special = self._special_of(segment)
            result += (
                self._encode_plain([segment], num_threads)[0]
                if special is None
                else self.pieces_to_ids([special])
            )
        return result

    def _segments(self, text: str) -> list[tuple[str, int]]:
        """Splits a text at special tokens; returns all parts, tokens included, and their starts."""
        if self.preprocessing.rules != "hugging_face":
            return [(text, 0)]
        # The capturing group makes `split` keep the special tokens.
        pattern = f"({special_ids.text_pattern(self.preprocessing.lower_case)})"
        parts = re.split(pattern, text)
        begins = itertools.accumulate(map(len, parts), initial=0)
        return [(part, begin) for part, begin in zip(parts, begins) if part]

    def _special_of(self, segment: str) -> str | None:
        if self.preprocessing.rules != "hugging_face":
            return None
        return special_ids.of_text(segment, self.preprocessing.lower_case)

    def _pieces_of(self, segment: str) -> list[str]:
        special = self._special_of(segment)
        if special is not None:
            return [special]
        pieces: list[str] = []
        normalized = normalize(segment, self.preprocessing)
        for piece in self.processor.encode(normalized, out_type=str):
            if digit_comma.applies(piece):
                pieces += digit_comma.split(self.processor, piece, self.preprocessing.rules)
            else:
                pieces.append(piece)
        return pieces

    def _spans_of(self, segment: str) -> Iterable[tuple[str, int, int]]:
        special = self._special_of(segment)
        if special is not None:
            return [(special, 0, len(segment))]
        return zip(
            *offsets.spans(self.processor, segment, self.preprocessing, self.digit_comma_parts)
        )


def _settings(model_file: Path, given: dict[str, Any]) -> Preprocessing:
    """Returns the settings beside the model; explicit arguments must agree with them."""
    given = {key: value for key, value in given.items() if value is not None}
    stored = path_beside(model_file)
    if not stored.exists():
        return Preprocessing(**given)
    settings = Preprocessing.from_json_file(stored)
    wanted = Preprocessing(**{**settings.to_dict(), **given})
    settings.check_same(wanted, f"'{stored}'", "the arguments of AlbertTokenizer")
    return settings


def _load(model_file: Path) -> sentencepiece.SentencePieceProcessor:
    try:
        # Loading from bytes makes an empty file an error too.
        processor = sentencepiece.SentencePieceProcessor()
        processor.LoadFromSerializedProto(model_file.read_bytes())
        processor.id_to_piece(list(range(processor.get_piece_size())))  # They must be UTF-8.
        return processor
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        raise InputError(
            f"A SentencePiece model must be a *.model file written by training. "
            f"Received '{model_file}', which SentencePiece cannot read: {error}"
        ) from error


def _as_list(texts: str | Iterable[str]) -> list[Any]:
    return [texts] if isinstance(texts, (str, bytes)) else list(texts)
