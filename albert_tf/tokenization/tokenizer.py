"""`AlbertTokenizer`: converts text to ids and back in Python, following the original's rules.

This module does not import TensorFlow, so that data workers start fast. `GraphTokenizer` gives the
same ids inside a graph.
"""

from __future__ import annotations

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
    model_files,
    offsets,
    packing,
    special_ids,
    word_starts,
)
from albert_tf.tokenization.added_tokens import AddedToken, Matcher, check, with_special
from albert_tf.tokenization.lines import as_list, decoded
from albert_tf.tokenization.normalization import normalize
from albert_tf.tokenization.settings import Preprocessing, path_beside
from albert_tf.tokenization.wordpiece import WordPiece

# Control characters, which no piece contains.
AROUND, KEPT = "\x02", "\x03"


class AlbertTokenizer:
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
        tokens = self.preprocessing.added_tokens
        check(tokens, self.processor, f"'{self.model_file}'")
        self.added_tokens = {token.id: token for token in tokens}
        if self.preprocessing.rules == "hugging_face":
            tokens = with_special(tokens, self.special_pieces)
        self.matcher = Matcher(tokens, self.preprocessing.lower_case) if tokens else None
        self.digit_comma_parts = digit_comma.table(self.processor, self.preprocessing.rules)
        self._expansions = {
            index: [part.id for part in parts] for index, parts in self.digit_comma_parts.items()
        }

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
        """The number of ids, those of added tokens included."""
        return max(self.processor.get_piece_size(), *(i + 1 for i in self.added_tokens), 0)

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
    def surfaces(self) -> list[str]:
        """What every id adds to a decoded text, in which "▁" is a space; nothing for [CLS].

        `AROUND` encloses added tokens, and `KEPT` is their "▁".
        """
        pieces = self.processor.surfaces(KEPT) if self.is_wordpiece else self.pieces
        unknown = pieces[self.unk_id] if self.is_wordpiece else self.processor.decode([self.unk_id])
        surfaces = {**dict.fromkeys(self.special_ids, ""), self.unk_id: unknown}
        for i, token in self.added_tokens.items():
            text = token.content.replace(digit_comma.SPACE, KEPT)
            surfaces[i] = "" if token.special else f"{AROUND}{text}{AROUND}"
        return [surfaces.get(i, piece) for i, piece in enumerate(pieces)]

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

    def tokenize_batch_with_offsets(self, texts: Iterable[str]) -> list[offsets.TokenSpans]:
        """Returns `tokenize_with_offsets` of each text, in less time.

        Raises:
          InputError: as `encode_batch`.
        """
        texts = [self._as_text(text, index) for index, text in enumerate(as_list(texts))]
        if self.matcher is None:
            return list(self._spans(texts))
        rows = [self.matcher.split(text) for text in texts]
        parts = [part for row in rows for part, _, index in row if index is None]
        plain = self._spans(parts)
        result = []
        for text, row in zip(texts, rows):
            tokens = offsets.TokenSpans([], [], [], [], [])
            for part, begin, index in row:
                if index is None:
                    ids, pieces, starts, ends, _ = next(plain)
                else:
                    ids, pieces, starts, ends = [index], [self.pieces[index]], [0], [len(part)]
                tokens.ids.extend(ids)
                tokens.pieces.extend(pieces)
                tokens.starts.extend(begin + start for start in starts)
                tokens.ends.extend(begin + end for end in ends)
            tokens.words.extend(offsets.words(text, tokens.starts))
            result.append(tokens)
        return result

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
        texts = [self._as_text(text, index) for index, text in enumerate(as_list(texts))]
        if self.matcher is None:
            return self._encode_plain(texts, num_threads)
        rows = [self.matcher.split(text) for text in texts]
        parts = [part for row in rows for part, _, index in row if index is None]
        plain = iter(self._encode_plain(parts, num_threads))
        return [
            [i for _, _, index in row for i in (next(plain) if index is None else (index,))]
            for row in rows
        ]

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
        given = [texts] if text_pairs is None else [texts, text_pairs]
        segments = [self.encode_batch(as_list(texts), num_threads) for texts in given]
        pad_to_length = padding == "max_length"
        return packing.pack(segments, self.special_ids, max_length, truncation, pad_to_length)

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """Returns the text of ids, by default without <pad>, [CLS], [SEP], [MASK] and the like.

        Normalisation is not undone: case, accents and runs of white space are lost. Added tokens
        get spaces around them; those that are special are left out by default. With special
        tokens, the text is that of Hugging Face's slow tokenizer, such as "[CLS] a text[SEP]".

        Raises:
          InputError: an id is outside the vocabulary.
        """
        ids = [int(i) for i in ids]
        dropped = {*self.special_ids} - {self.unk_id}
        dropped |= {index for index, token in self.added_tokens.items() if token.special}
        pieces = dict(zip(ids, self.ids_to_pieces(ids)))
        kept = [i for i in ids if not (skip_special_tokens and i in dropped)]
        plain = skip_special_tokens or self.is_wordpiece
        of_pieces = self.processor.decode if plain else self._with_special_pieces
        texts: list[str] = []
        for is_added, group in itertools.groupby(kept, key=self.added_tokens.__contains__):
            of_group = [pieces[i] for i in group]
            texts += of_group if is_added else [of_pieces(of_group)]
        return " ".join(filter(None, texts))

    def _with_special_pieces(self, pieces: Sequence[str]) -> str:
        text = between = ""
        for is_special, group in itertools.groupby(pieces, key=self.special_pieces.__contains__):
            if is_special:
                # The space is before the text in front of a special token, not after the token.
                text, between = f"{text} {between}{''.join(group)}", ""
            else:
                between = self.processor.decode(list(group))
        return (text + between).strip()

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
        added = {token.content: index for index, token in self.added_tokens.items()}
        return [added.get(piece, self.processor.piece_to_id(piece)) for piece in pieces]

    def _spans(self, texts: Sequence[str]) -> Iterator[offsets.TokenSpans]:
        if self.is_wordpiece:
            return self.processor.spans(texts)
        return offsets.spans(self._vocabulary, texts, self.preprocessing)

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
        """Encodes texts in which no token is looked for."""
        if self.is_wordpiece:
            return self.processor.encode(texts)
        settings = self.preprocessing
        normalized = [normalize(text, settings) for text in texts]
        batch = self.processor.encode(normalized, out_type=int, num_threads=num_threads)
        # Few rows need expanding, and this check is faster than a Python loop over all ids.
        new = self._expansions
        return [
            ids if new.keys().isdisjoint(ids) else [part for i in ids for part in new.get(i, [i])]
            for ids in batch
        ]
