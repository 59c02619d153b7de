"""WordPiece: the vocabulary of BERT, which the released Chinese models have.

`WordPiece` has those methods of a SentencePieceProcessor that the tokenizer calls, but takes text
as it is: the rules for text (see wordpiece_rules.py) belong to it.

Source: tokenization.py:WordpieceTokenizer of google-research/albert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from albert_tf.tokenization import offsets
from albert_tf.tokenization.digit_comma import SPACE
from albert_tf.tokenization.settings import Preprocessing
from albert_tf.tokenization.wordpiece_rules import Rules, is_plain

UNKNOWN = "[UNK]"
CONTINUES = "##"  # The beginning of a piece that continues a word.
# Longer words are unknown: in the original, and in transformers.
MAX_CHARACTERS = {"original": 200, "hugging_face": 100}

_CACHED, _CACHED_CHARACTERS = 50_000, 40  # chunks, and the characters of one


class WordPiece:
    """Cuts text into the longest pieces of a vocabulary, from the left of each word.

    Args:
      pieces: the piece of every id, among them "[UNK]"; no piece occurs twice.
      settings: the rules for text.

    Attributes:
      pieces: the pieces.
      max_characters: the number of characters of the longest word that is looked up.
    """

    def __init__(self, pieces: Sequence[str], settings: Preprocessing) -> None:
        self.pieces, self.settings = list(pieces), settings
        self.max_characters = MAX_CHARACTERS[settings.rules]
        self._rules = Rules(settings)
        self._ids = {piece: index for index, piece in enumerate(self.pieces)}
        self._unknown = self._ids.get(UNKNOWN, 0)
        self._longest = max(map(len, self.pieces))
        self._ids_of_chunk = _Cache(self._encode)
        self._spans_of_chunk = _Cache(self._locate)

    def __reduce__(self) -> tuple[Any, ...]:
        return WordPiece, (self.pieces, self.settings)

    def get_piece_size(self) -> int:
        """Returns the number of pieces."""
        return len(self.pieces)

    def id_to_piece(self, ids: int | Sequence[int]) -> str | list[str]:
        """Returns the piece of an id, or those of several."""
        return self.pieces[ids] if isinstance(ids, int) else [self.pieces[i] for i in ids]

    def piece_to_id(self, pieces: str | Sequence[str]) -> int | list[int]:
        """Returns the id of a piece, or those of several; that of [UNK] for any other text."""
        if isinstance(pieces, str):
            return self._ids.get(pieces, self._unknown)
        return [self._ids.get(piece, self._unknown) for piece in pieces]

    def serialized_model_proto(self) -> bytes:
        """Returns the vocabulary as a file: a piece a line."""
        return "".join(f"{piece}\n" for piece in self.pieces).encode()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the ids of each text."""
        chunks, ids_of = self._rules.chunks, self._ids_of_chunk
        return [[i for chunk in chunks(text) for i in ids_of[chunk]] for text in texts]

    def spans(self, texts: Sequence[str]) -> Iterator[offsets.TokenSpans]:
        """Yields the tokens of each text with their places."""
        for text in texts:
            chunks, begins = self._rules.located_chunks(text)
            found = [self._spans_of_chunk[chunk] for chunk in chunks]  # (ids, starts, ends) of each
            ids = [i for tokens in found for i in tokens[0]]
            starts = [begin + i for begin, tokens in zip(begins, found) for i in tokens[1]]
            ends = [begin + i for begin, tokens in zip(begins, found) for i in tokens[2]]
            words = [number for number, tokens in enumerate(found) for _ in tokens[0]]  # chunks
            if not (is_plain(text) and all(chunks)):  # A word has several, or a chunk none.
                words = offsets.words(text, starts)
            yield offsets.TokenSpans(ids, self.id_to_piece(ids), starts, ends, words)

    def decode(self, pieces: Sequence[str | int]) -> str:
        """Returns the text of pieces or ids, with a space before each that begins a word."""
        pieces = [self.pieces[piece] if isinstance(piece, int) else piece for piece in pieces]
        return f" {' '.join(pieces)}".replace(f" {CONTINUES}", "").removeprefix(" ")

    def surfaces(self, kept: str) -> list[str]:
        """Returns what every id adds to a decoded text, in which "▁" is a space.

        Args:
          kept: takes the place of the "▁" of pieces.
        """
        return [
            piece.removeprefix(CONTINUES)
            if piece.startswith(CONTINUES)
            else SPACE + piece.replace(SPACE, kept)
            for piece in self.pieces
        ]

    def _encode(self, chunk: str) -> list[int]:
        return [index for word in self._rules.words(chunk) for index, _ in self._match(word)]

    def _locate(self, chunk: str) -> tuple[tuple[int, ...], ...]:
        """Returns the ids, starts and ends of the tokens."""
        tokens = []
        for word in self._rules.located_words(chunk):
            begin = 0
            for index, length in self._match(word.text):
                tokens.append((index, word.starts[begin], word.ends[begin + length - 1]))
                begin += length
        return tuple(zip(*tokens)) or ((), (), ())

    def _match(self, word: str) -> list[tuple[int, int]]:
        """Returns the ids of a word, and how many characters each covers."""
        size = len(word)
        found = []
        begin = 0
        while begin < size:
            rest = word[begin : begin + self._longest]
            rest = f"{CONTINUES}{rest}" if begin else rest
            least = len(CONTINUES) if begin else 0
            for end in range(len(rest), least, -1):
                if (index := self._ids.get(rest[:end])) is not None:
                    break
            else:
                return [(self._unknown, size)]
            found.append((index, end - least))
            begin += end - least
        return found if size <= self.max_characters else [(self._unknown, size)]


class _Cache(dict[str, Any]):
    """Results by chunk; text consists of few different ones."""

    def __init__(self, compute: Callable[[str], Any]) -> None:
        self._compute = compute

    def __missing__(self, chunk: str) -> Any:
        result = self._compute(chunk)
        if len(chunk) <= _CACHED_CHARACTERS:
            if len(self) >= _CACHED:
                self.clear()
            self[chunk] = result
        return result
