"""`AlbertTokenizer`: converts text to ids and back in Python, following the original's rules.

This module does not import TensorFlow, so that data workers start fast. `GraphTokenizer` gives the
same ids inside a graph.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from albert_tf.errors import InputError
from albert_tf.files import existing, replacing
from albert_tf.tokenization import (
    digit_comma,
    hugging_face_names,
    model_files,
    offsets,
    segmentation,
    special_ids,
    word_starts,
)
from albert_tf.tokenization.added_tokens import AddedToken, check, with_special
from albert_tf.tokenization.decoding import Decoder
from albert_tf.tokenization.lines import as_list, decoded
from albert_tf.tokenization.normalization import normalize
from albert_tf.tokenization.packing import check_seq_length
from albert_tf.tokenization.rows import RowTokenizer
from albert_tf.tokenization.segmentation import Sampling
from albert_tf.tokenization.settings import path_beside
from albert_tf.tokenization.token_matcher import Matcher
from albert_tf.tokenization.wordpiece import WordPiece


class AlbertTokenizer(RowTokenizer, Decoder):
    """Converts text to the ids of a SentencePiece model or a WordPiece vocabulary.

    Normalises the text (see normalization.py), runs SentencePiece, and splits pieces such as "1,"
    (see digit_comma.py); WordPiece has rules of its own (see wordpiece.py). Text such as "[MASK]"
    is treated as ordinary text, unless the rules are "hugging_face". Added tokens are found in text
    first. A tokenizer can be pickled.

    ```python
    tokenizer = AlbertTokenizer("30k-clean.model")
    tokenizer.tokenize("Hello, world")  # ["▁hello", ",", "▁world"]
    tokenizer(["one text", "another"])  # {"input_word_ids": int32 [2, S], ...}
    ```

    Attributes and methods of transformers' tokenizers have the same names; where ours has another
    one, the error says so.

    Args:
      model_file: a SentencePiece model, or a WordPiece vocabulary (*.txt). If a file
        `<stem>.preprocess.json` exists beside it, that specifies the preprocessing. Without one, a
        model that is named spiece.model or lies beside a tokenizer_config.json is that of a Hugging
        Face folder (see `model_files`): the rules are "hugging_face", and the other settings those
        of that file. All others have the defaults of `Preprocessing`.
      lower_case: None takes the setting of the model.
      keep_accents: None takes the setting of the model.
      rules: None takes the setting of the model.
      added_tokens: None takes the setting of the model.
      tokenize_chinese_chars: None takes the setting of the model.
      invalid_utf8: how to handle bytes that are not valid UTF-8: "replace" turns them into U+FFFD,
        as the original does, and counts them; "error" raises an error.
      model_max_length: the maximum length of a row. None takes that of the tokenizer_config.json,
        config.json or albert_config.json beside the model; without one, it is not known.

    Attributes:
      replaced_bytes: the number of invalid bytes replaced so far.
      added_tokens: the added tokens by their ids.
      matcher: finds the texts that are one token; None if there are none.

    Raises:
      InputError: the file is missing or not a vocabulary, its special ids are not ALBERT's, the
        added tokens do not extend its pieces, or an argument contradicts the settings file.
    """

    def __init__(
        self,
        model_file: str | os.PathLike,
        lower_case: bool | None = None,
        keep_accents: bool | None = None,
        rules: str | None = None,
        *,
        added_tokens: Sequence[AddedToken | dict[str, Any]] | None = None,
        tokenize_chinese_chars: bool | None = None,
        invalid_utf8: str = "replace",
        model_max_length: int | None = None,
    ) -> None:
        if invalid_utf8 not in ("replace", "error"):
            raise InputError(
                f"invalid_utf8 must be 'replace' or 'error'. Received {invalid_utf8!r}."
            )
        self.invalid_utf8, self.replaced_bytes = invalid_utf8, 0
        self.model_file = existing(model_file, "A vocabulary")
        given = dict(lower_case=lower_case, keep_accents=keep_accents, rules=rules)
        given |= dict(added_tokens=added_tokens, tokenize_chinese_chars=tokenize_chinese_chars)
        self.preprocessing = model_files.settings(self.model_file, given)
        self.processor = model_files.load(self.model_file, self.preprocessing)
        self.is_wordpiece = isinstance(self.processor, WordPiece)
        pieces = special_ids.WORDPIECE if self.is_wordpiece else special_ids.PIECES
        self.special_ids = special_ids.read(self.processor, f"'{self.model_file}'", pieces)
        self.special_pieces = dict(zip(pieces, self.special_ids))
        if model_max_length is None:
            model_max_length = model_files.max_length(self.model_file)
        else:
            check_seq_length(model_max_length, segments=1)
        self.model_max_length = model_max_length
        self._add_tokens()

    def _add_tokens(self) -> None:
        tokens = self.preprocessing.added_tokens
        check(tokens, self.processor, f"'{self.model_file}'")
        self.added_tokens = {token.id: token for token in tokens}
        if self.preprocessing.rules == "hugging_face":
            tokens = with_special(tokens, self.special_pieces)
        settings = self.preprocessing
        matcher = Matcher(tokens, settings.lower_case, settings.rules)
        self.matcher = matcher if matcher.ids else None
        self.digit_comma_parts = digit_comma.table(self.processor, self.preprocessing.rules)
        self._expansions = {
            index: [part.id for part in parts] for index, parts in self.digit_comma_parts.items()
        }

    def __getattr__(self, name: str) -> Any:
        raise hugging_face_names.missing(type(self).__name__, name)

    @classmethod
    def from_pretrained(cls, source: str | os.PathLike, **kwargs: Any) -> AlbertTokenizer:
        """Loads the tokenizer of a model.

        Args:
          source: a vocabulary file, or anything that contains one: a folder, a handle, or the
            name of a released model (see `sources`).
          **kwargs: further arguments of the constructor.

        Raises:
          InputError: there is no model, or more than one, or the constructor raises it.
        """
        return cls(model_files.find(source), **kwargs)

    def save(self, directory: str | os.PathLike) -> Path:
        """Saves the model and its settings in a folder that `from_pretrained` can load.

        Returns:
          The path of the model.

        Raises:
          InputError: the folder already has a different model or different settings under the same
            names.
        """
        model_file = Path(directory).expanduser() / model_files.saved_name(self.model_file)
        settings_file = path_beside(model_file)
        if settings_file.exists():
            stored = model_files.find_preprocessing(model_file)
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

    def with_added_tokens(
        self, tokens: str | Iterable[str], special: bool = False
    ) -> AlbertTokenizer:
        """Returns a tokenizer that has more added tokens; this one stays as it is.

        A tokenizer does not change, because models, data and exports rely on its settings. A model
        needs a row of its word table for each new id.

        Args:
          tokens: the texts. One that is a piece keeps its id; others get the ids that follow.
          special: whether decoding leaves the tokens out by default.

        Raises:
          InputError: a token is not text.
        """
        added, vocabulary = list(self.preprocessing.added_tokens), self.get_vocab()
        for text in [tokens] if isinstance(tokens, str) else tokens:
            if all(text != token.content for token in added):
                new = max(self.vocab_size, *(token.id + 1 for token in added), 0)
                index = vocabulary.get(text, new) if isinstance(text, str) else new
                added.append(AddedToken(index, text, special=special, normalized=not special))
        result = object.__new__(type(self))
        for name, value in vars(self).items():
            if not isinstance(getattr(type(self), name, None), functools.cached_property):
                setattr(result, name, value)
        result.preprocessing = dataclasses.replace(self.preprocessing, added_tokens=added)
        result._add_tokens()
        return result

    @property
    def vocab_size(self) -> int:
        """The number of ids, those of added tokens included."""
        return max(self.processor.get_piece_size(), *(i + 1 for i in self.added_tokens), 0)

    @property
    def model_proto(self) -> bytes:
        """The contents of the vocabulary file."""
        return self.processor.serialized_model_proto()

    @functools.cached_property
    def pieces(self) -> list[str]:
        """The piece of every id; of an added token, its text."""
        pieces = self.processor.id_to_piece(list(range(self.processor.get_piece_size())))
        return pieces + [self.added_tokens[i].content for i in range(len(pieces), self.vocab_size)]

    @functools.cached_property
    def _vocabulary(self) -> offsets.Vocabulary:
        return offsets.Vocabulary(self.processor, self.digit_comma_parts)

    @functools.cached_property
    def word_starts(self) -> np.ndarray:
        """For every id, whether its piece begins a word, as added tokens do, bool [V]."""
        ids = [*self.special_ids, *self.added_tokens]
        return word_starts.word_starts(self.pieces, ids, self.is_wordpiece)

    def tokenize(self, text: str) -> list[str]:
        """Returns the pieces of a text, without special tokens; unknown text is kept as it is."""
        return self.tokenize_with_offsets(text).pieces

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text, without special tokens; calling the tokenizer adds them."""
        return self.encode_batch([text])[0]

    def tokenize_with_offsets(self, text: str) -> offsets.TokenSpans:
        """Returns the tokens of a text and their positions, without special tokens.

        Normalising `text[start:end]` gives the piece without its "▁". A character that becomes
        several, such as "½", belongs to every token that contains a part of it, and so do the
        combining marks that follow it.
        """
        return self.tokenize_batch_with_offsets([text])[0]

    def tokenize_batch_with_offsets(
        self, texts: Iterable[str], sampling: Sampling | None = None
    ) -> list[offsets.TokenSpans]:
        """Returns `tokenize_with_offsets` of each text, in less time.

        Args:
          texts: see `encode_batch`.
          sampling: see `encode_batch`.

        Raises:
          InputError: as `encode_batch`.
        """
        texts = [self._as_text(text, index) for index, text in enumerate(as_list(texts))]
        if self.matcher is None:
            return list(self._spans(texts, sampling))
        plain, found = self.matcher.apart(texts)
        # Stripped segments keep the places of their characters, and take less time.
        plain = [*plain[: len(texts)], *map(str.strip, plain[len(texts) :])]
        rest = self._spans(plain, sampling)
        spans = list(itertools.islice(rest, len(texts)))
        for row, places in found.items():
            spans[row] = offsets.joined(texts[row], places, rest, self.pieces)
        return spans

    def encode_batch(
        self, texts: Iterable[str], num_threads: int = 1, sampling: Sampling | None = None
    ) -> list[list[int]]:
        """Returns the ids of each text, without special tokens.

        Args:
          texts: strings, or bytes in UTF-8; see `invalid_utf8`.
          num_threads: the number of SentencePiece threads; 1 by default, because data workers are
            processes.
          sampling: how to sample other ways to split the texts; None takes the likeliest.

        Raises:
          InputError: an element is not text, or is invalid UTF-8 and `invalid_utf8` is "error". The
            message has the index of the element.
        """
        texts = [self._as_text(text, index) for index, text in enumerate(as_list(texts))]
        if self.matcher is None:
            return self._encode_plain(texts, num_threads, sampling)
        return self.matcher.encode(
            texts, lambda parts: self._encode_plain(parts, num_threads, sampling)
        )

    def get_vocab(self) -> dict[str, int]:
        """Returns the id of every piece and of every added token."""
        return {piece: index for index, piece in enumerate(self.pieces)}

    def pieces_to_ids(self, pieces: Iterable[str]) -> list[int]:
        """Returns the id of each piece; pieces outside the vocabulary get the id of <unk>."""
        added = {token.content: index for index, token in self.added_tokens.items()}
        return [added.get(piece, self.processor.piece_to_id(piece)) for piece in pieces]

    def _spans(
        self, texts: Sequence[str], sampling: Sampling | None
    ) -> Iterator[offsets.TokenSpans]:
        if self.is_wordpiece:
            segmentation.refuse(sampling)
            return self.processor.spans(texts)
        return iter(offsets.spans(self._vocabulary, texts, self.preprocessing, sampling))

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

    def _encode_plain(
        self, texts: Sequence[str], num_threads: int, sampling: Sampling | None
    ) -> list[list[int]]:
        """Encodes texts in which no token is looked for."""
        if self.is_wordpiece:
            segmentation.refuse(sampling)
            return self.processor.encode(texts)
        settings = self.preprocessing
        normalized = [normalize(text, settings) for text in texts]
        batch = segmentation.encode(self.processor, normalized, sampling, int, num_threads)
        # Few rows need expanding, and this check is faster than a Python loop over all ids.
        new = self._expansions
        return [
            ids if new.keys().isdisjoint(ids) else [part for i in ids for part in new.get(i, [i])]
            for ids in batch
        ]
