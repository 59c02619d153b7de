"""Added tokens: texts that are one token each, wherever they occur, such as "<e1>" or "[MASK]".

Most were added to a vocabulary after SentencePiece trained it, and have the ids that follow its
pieces. Under the "hugging_face" rules, the special pieces of ALBERT are such texts too. A text is
split at them before it is normalised, as the slow tokenizer of transformers 4 does.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sentencepiece

from albert_tf.errors import InputError, closest
from albert_tf.tokenization.special_ids import PIECES
from albert_tf.tokenization.word_characters import is_word, words_of

SPECIAL = {piece: index for index, piece in enumerate(PIECES)}  # In a SentencePiece model.
FLAGS = ("special", "lstrip", "rstrip", "normalized", "single_word")


@dataclasses.dataclass(frozen=True)
class AddedToken:
    """A text that is one token.

    Attributes:
      id: the id.
      content: the text.
      special: whether decoding leaves the token out by default.
      lstrip: whether the token takes the white space before it, which is no token in any case.
      rstrip: as `lstrip`, for the white space after it.
      normalized: with lower-casing, a token that is neither special nor normalized is looked for
        in text that is lower-cased already, so that upper case in its content never matches.
      single_word: whether the text is a token only as a whole word. Under the rules "original", no
        letter, digit, mark or "_" may be beside it; under "hugging_face", it must be enclosed by
        spaces or the ends of the text.
    """

    id: int
    content: str
    special: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True
    single_word: bool = False

    def __post_init__(self) -> None:
        """Raises `InputError` for the first invalid value."""
        if type(self.id) is not int or not 0 <= self.id < 2**31:
            raise InputError(
                f"The id of an added token must be an integer from 0. Received {self.id!r:.80} for "
                f"{self.content!r:.80}. Correct it."
            )
        content = self.content
        if not isinstance(content, str) or not content or re.search("[\0\ud800-\udfff]", content):
            raise InputError(
                "An added token must be text of one or more characters, without NUL and "
                f"surrogates. Received {content!r:.80} with the id {self.id}. Correct or remove it."
            )
        for name in FLAGS:
            if type(getattr(self, name)) is not bool:
                raise InputError(
                    f"{name} of an added token must be true or false. Received "
                    f"{getattr(self, name)!r:.80} for {content!r:.80}. Correct it."
                )


def parse(values: Any) -> tuple[AddedToken, ...]:
    """Returns the tokens of a list of `AddedToken` or of their JSON objects, ordered by id.

    Raises:
      InputError: this is not such a list, or an id or a text occurs twice.
    """
    if not isinstance(values, (list, tuple)):
        raise InputError(
            f"added_tokens must be a list of objects. Received {values!r:.80}. Correct it."
        )
    tokens = sorted(map(_parsed, values), key=lambda token: token.id)
    for name in ("id", "content"):
        seen: dict[Any, AddedToken] = {}
        for token in tokens:
            other = seen.setdefault(getattr(token, name), token)
            if other is not token:
                raise InputError(
                    f"Added tokens must differ in id and in text. Received {other.content!r:.80} "
                    f"with the id {other.id} and {token.content!r:.80} with the id {token.id}. "
                    "Remove one of them."
                )
    return tuple(tokens)


def _parsed(value: Any) -> AddedToken:
    if isinstance(value, AddedToken):
        return value
    fields = [field.name for field in dataclasses.fields(AddedToken)]
    if not isinstance(value, Mapping) or not {"id", "content"} <= value.keys():
        raise InputError(
            "An added token must be an object with an id and a content. "
            f"Received {value!r:.80}. Correct it."
        )
    for key in value:
        if key not in fields:
            raise InputError(
                f"An added token must have known keys only. Received {key!r:.80} for "
                f"{value['content']!r:.80}. {closest(key, fields)}"
            )
    return AddedToken(**value)


def check(
    tokens: Sequence[AddedToken], processor: sentencepiece.SentencePieceProcessor, name: str
) -> None:
    """Checks that added tokens extend the pieces of a model without gaps.

    A token may also have the id of a piece with the same text.

    Args:
      tokens: ordered by id.
      processor: the model.
      name: identifies the model in the error message.

    Raises:
      InputError: an id belongs to another piece, a piece has another id, or an id is left out.
    """
    size = processor.get_piece_size()
    following = size
    for token in tokens:
        received = f"Received {token.content!r:.80} with the id {token.id} for the {size} pieces of"
        if token.id < size:
            piece = processor.id_to_piece(token.id)
            if piece != token.content:
                raise InputError(
                    "Added tokens must have ids of their own, after those of the SentencePiece "
                    f"pieces. {received} {name}, where that id is {piece!r}. Correct the id."
                )
            continue
        # piece_to_id returns the id of <unk> for a text that is no piece.
        own = processor.piece_to_id(token.content)
        if processor.id_to_piece(own) == token.content:
            raise InputError(
                f"A piece and an added token must not have the same text. {received} {name}, where "
                f"it is the piece {own}. Remove the token, or give it the id of the piece."
            )
        if token.id != following:
            raise InputError(
                "The ids of added tokens must follow those of the SentencePiece pieces without "
                f"gaps. {received} {name}, where the next id is {following}. Add the tokens that "
                "are missing, or correct the ids."
            )
        following += 1


class Matcher:
    """Finds tokens in texts.

    With lower-casing, transformers first lowers everything except the tokens that are special or
    normalized, and then looks for tokens. So lower-case tokens match text of any case, and "<UNK>"
    is "<unk>". The expression says the same about text that is not lowered yet. Where several
    tokens begin, the longest matches.

    Args:
      tokens: the tokens.
      lower_case: whether text is lower-cased.
      rules: what encloses a single word; see `AddedToken`.

    Attributes:
      pattern: matches each token; for Python's `re` and RE2.
      ids: the ids by text, which is that of the match or, if that is not a key, its lower case.
      single_words: the ids of the tokens that must stand alone.
      between_spaces: whether these stand alone between spaces only.
    """

    def __init__(
        self, tokens: Sequence[AddedToken], lower_case: bool, rules: str = "hugging_face"
    ) -> None:
        self.ids: dict[str, int] = {}
        self.single_words = {token.id for token in tokens if token.single_word}
        self.between_spaces = rules == "hugging_face"
        self._edges, self._lower_case = _Edges(self.between_spaces), lower_case
        # Single words without other characters, in Unicode and, for ASCII texts, in bytes.
        self._words: dict[str, int] = {}
        exact, any_case, others = [], [], ([], [])
        for token in tokens:
            in_any_case = lower_case and lower_each(token.content) == token.content
            if lower_case and not (in_any_case or token.special or token.normalized):
                continue
            self.ids[token.content] = token.id
            (any_case if in_any_case else exact).append(token.content)
            if token.single_word and in_any_case == lower_case and is_word(token.content):
                self._words[token.content] = token.id
            else:
                others[in_any_case].append(token.content)
        # Without other tokens, no match inside a word can be a token or hide one.
        alone = all(token.single_word for token in tokens)
        self.pattern = _pattern(exact, any_case, alone)
        self._expression = re.compile(self.pattern.replace(_EDGE, f"(?a:{_EDGE})"))  # as in RE2
        self._others = re.compile(_pattern(*others)) if any(others) else None
        self._ascii_words = {word.encode() for word in self._words if word.isascii()}
        self._to_words = bytes(map(_in_words, range(256)))
        if lower_case:
            self._to_words = self._to_words.lower()

    def encode(
        self, texts: Sequence[str], encode: Callable[[list[str]], Iterable[list[int]]]
    ) -> list[list[int]]:
        """Returns the ids of texts, given a function that returns those of texts without tokens."""
        rows = [(found := self.find(text)) and self.split(text, found) for text in texts]
        parts: list[str] = []
        for text, row in zip(texts, rows):
            parts += [part for part, _, index in row if index is None] if row else [text]
        plain = iter(encode(parts))
        return [
            [i for _, _, index in row for i in (next(plain) if index is None else (index,))]
            if row
            else next(plain)
            for row in rows
        ]

    def split(
        self, text: str, found: Sequence[tuple[int, int, int]] | None = None
    ) -> list[tuple[str, int, int | None]]:
        """Splits a text at its tokens.

        Args:
          text: the text.
          found: the result of `find`, if it is known.

        Returns:
          All parts, where each begins, and the ids of those that are tokens.
        """
        parts: list[tuple[str, int, int | None]] = []
        done = 0
        for begin, end, index in self.find(text) if found is None else found:
            if done < begin:
                parts.append((text[done:begin], done, None))
            parts.append((text[begin:end], begin, index))
            done = end
        if done < len(text):
            parts.append((text[done:], done, None))
        return parts

    def find(self, text: str) -> Sequence[tuple[int, int, int]]:
        """Returns where tokens begin and end, and their ids."""
        if not self._words or self._others and self._others.search(text):
            return self._search(text)
        # Only words are left, which sets find faster than an expression does.
        runs = text.encode().translate(self._to_words).split() if text.isascii() else None
        if runs is not None and self._ascii_words.isdisjoint(runs):
            return ()
        lowered = lower_each(text) if self._lower_case else text
        if len(lowered) != len(text):  # Places in it are not those in the text.
            return self._search(text)
        if runs is None:
            words = self._words.keys() & words_of(lowered)
        else:
            words = {run.decode() for run in runs if run in self._ascii_words}
        found = []
        for word in words:
            begin = lowered.find(word)
            while begin >= 0:
                end = begin + len(word)
                if self._edges[text[begin - 1 : begin]] and self._edges[text[end : end + 1]]:
                    found.append((begin, end, self._words[word]))
                begin = lowered.find(word, end)
        return sorted(found)

    def _search(self, text: str) -> list[tuple[int, int, int]]:
        """Returns the same for tokens of every kind, with the expression."""
        found = []
        for match in self._expression.finditer(text):
            content = match.group()
            index = self.ids[content if content in self.ids else lower_each(content)]
            begin, end = match.span()
            alone = self._edges[text[begin - 1 : begin]] and self._edges[text[end : end + 1]]
            if alone or index not in self.single_words:
                found.append((begin, end, index))
        return found


class _Edges(dict[str, bool]):
    """Whether a single word may be beside a character, or "" for an end of the text."""

    def __init__(self, between_spaces: bool) -> None:
        super().__init__({"": True, " ": True})
        self._between_spaces = between_spaces

    def __missing__(self, character: str) -> bool:
        self[character] = not (self._between_spaces or is_word(character))
        return self[character]


# In RE2, between a character of [0-9A-Za-z_] and another, or an end of the text.
_EDGE = r"\b"
_AT_EDGE = re.compile(r"\w", re.ASCII)


def _pattern(exact: Sequence[str], any_case: Sequence[str], alone: bool = False) -> str:
    """Returns an expression for texts as they are, and for lower-case texts in any case.

    With `alone`, it does not match parts of words in ASCII, which saves time.
    """
    texts = [*exact, *any_case]
    branches = [[re.escape(c) for c in text] for text in exact]
    branches += [list(map(_any_case, text)) for text in any_case]
    if {text[0].lower() for text in exact}.isdisjoint(text[0] for text in any_case):
        # No two branches match the same character, so common beginnings are written only once.
        if not alone:
            return _tree(branches)
        ends = [[*b, _EDGE] if _AT_EDGE.match(text[-1]) else b for b, text in zip(branches, texts)]
        begins = all(_AT_EDGE.match(text[0]) for text in texts)
        return f"{_EDGE if begins else ''}(?:{_tree(ends)})"
    ordered = sorted(
        (-len(text), index >= len(exact), branch)
        for index, (branch, text) in enumerate(zip(branches, texts))
    )
    return "|".join("".join(branch) for *_, branch in ordered)


def _tree(branches: Sequence[Sequence[str]]) -> str:
    """Returns an expression for sequences of characters, of which the longest one matches."""
    begin = os.path.commonprefix(branches)  # Taken at once, as long texts would recur too deeply.
    branches = [branch[len(begin) :] for branch in branches]
    children: dict[str, list[Sequence[str]]] = defaultdict(list)
    for first, *rest in filter(None, branches):
        children[first].append(rest)
    # An edge ends a shorter text.
    options = "|".join(c + _tree(children[c]) for c in sorted(children, key=_EDGE.__eq__))
    if any(not branch for branch in branches):  # One of them ends here.
        return "".join(begin) + (f"(?:{options})?" if options else "")
    return "".join(begin) + f"(?:{options})"


def _in_words(byte: int) -> int:
    """Returns the byte of an ASCII character of words, and a space for other bytes."""
    return byte if byte < 128 and is_word(chr(byte)) else ord(" ")


def with_special(
    tokens: Sequence[AddedToken], special_pieces: Mapping[str, int] = SPECIAL
) -> tuple[AddedToken, ...]:
    """Returns the tokens together with the special pieces, with the flags of transformers.

    Args:
      tokens: the added tokens.
      special_pieces: the ids of the special pieces; those of a SentencePiece model by default.
    """
    texts = {token.content for token in tokens}
    # Of BERT's special tokens, none takes white space.
    strips = "[MASK]" if special_pieces.keys() == SPECIAL.keys() else None
    special = [
        AddedToken(i, piece, special=True, lstrip=piece == strips, normalized=False)
        for piece, i in special_pieces.items()
        if piece not in texts
    ]
    return (*special, *tokens)


def lower_each(text: str) -> str:
    """Lowers one character at a time; only the lower case of sigma depends on its neighbours."""
    return text.replace("Σ", "σ").lower()


def _any_case(character: str) -> str:
    upper = _upper_cases().get(character)
    return f"[{character}{upper}]" if upper else re.escape(character)


@functools.cache
def _upper_cases() -> dict[str, str]:
    """Returns the characters that become each lower-case character, such as "K" and "K" for k."""
    table: dict[str, str] = defaultdict(str)
    for character in map(chr, range(0x20000)):
        if (lowered := character.lower()) != character:
            table[lowered] += character
    return dict(table)
