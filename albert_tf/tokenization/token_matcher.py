"""`Matcher`: finds added tokens in texts."""

from __future__ import annotations

import bisect
import functools
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from albert_tf.tokenization.added_tokens import AddedToken, lower_each
from albert_tf.tokenization.word_characters import is_word
from albert_tf.tokenization.word_finder import WordFinder

_GROUP = 1000  # texts that are looked at as one, for which memory is needed
_BEGINNING = 8  # characters of a token by which it is looked for


# Where a token begins and ends in a text, in characters, and its id.
Place = tuple[int, int, int]


class Matcher:
    """Finds tokens in texts.

    With lower-casing, transformers first lowers everything except the tokens that are special or
    normalized, and then looks for tokens. So lower-case tokens match text of any case, and "<UNK>"
    is "<unk>". The expressions say the same about text that is not lowered yet. Where several
    tokens begin, the longest matches, and one with upper case, which is not lowered, before others.

    Args:
      tokens: the tokens.
      lower_case: whether text is lower-cased.
      rules: what encloses a single word; see `AddedToken`.

    Attributes:
      pattern: matches each token; for RE2.
      sign: matches something in every text that has tokens, and in few others; for RE2.
      ids: the ids by text, which is that of the match or, if that is not a key, its lower case.
      single_words: the ids of the tokens that must stand alone.
      between_spaces: whether these stand alone between spaces only.
      alone_in_ascii: whether `pattern` matches them in ASCII text only where they stand alone.
    """

    def __init__(
        self, tokens: Sequence[AddedToken], lower_case: bool, rules: str = "hugging_face"
    ) -> None:
        self.ids: dict[str, int] = {}
        self.single_words = {token.id for token in tokens if token.single_word}
        self.between_spaces = rules == "hugging_face"
        self._edges, self._lower_case = _Edges(self.between_spaces), lower_case
        exact, any_case, words, others = [], [], [], []
        for token in tokens:
            in_any_case = lower_case and lower_each(token.content) == token.content
            if lower_case and not (in_any_case or token.special or token.normalized):
                continue
            self.ids[token.content] = token.id
            (any_case if in_any_case else exact).append(token.content)
            is_plain = token.single_word and in_any_case == lower_case and is_word(token.content)
            (words if is_plain else others).append(token.content)
        self._exact = {text: self.ids[text] for text in exact}
        self._any_case = {text: self.ids[text] for text in any_case}
        # No match inside a word can be a word, or hide one.
        self.pattern = _pattern(exact, any_case, alone=not others)
        self.alone_in_ascii = not others and not self.between_spaces
        alone = all(token.single_word for token in tokens)
        self.sign = _pattern(exact, any_case, alone=alone)
        self._lengths = _lengths(map(self._folded, self.ids))
        self._begin = _any_of(self._lengths)
        self._others = _any_of(_lengths(map(self._folded, others))) if others else None
        self._words = WordFinder(words) if words else None

    def encode(
        self, texts: Sequence[str], encode: Callable[[list[str]], Iterable[list[int]]]
    ) -> list[list[int]]:
        """Returns the ids of texts, given a function that returns those of texts without tokens."""
        plain, found = self.apart(texts)
        ids = list(encode(plain))
        if not found:
            return ids
        rest = iter(ids[len(texts) :])
        for row, places in found.items():
            ids[row] = [*next(rest)]
            for _, _, token in places:
                ids[row].append(token)
                ids[row] += next(rest)
        return ids[: len(texts)]

    def apart(self, texts: Sequence[str]) -> tuple[Sequence[str], dict[int, list[Place]]]:
        """Sets the tokens of texts apart from what is to be tokenized.

        Returns:
          The texts, in which those with tokens are empty, followed by what is before, between and
          after the tokens of each of these, even if that is empty; and the result of `find`.
        """
        found = self.find(texts)
        if not found:
            return texts, found
        plain = list(texts)
        for row, places in found.items():
            text, done = plain[row], 0
            plain[row] = ""
            for start, end, _ in places:
                plain.append(text[done:start])
                done = end
            plain.append(text[done:])
        return plain, found

    def find(self, texts: Sequence[str]) -> dict[int, list[Place]]:
        """Returns where tokens are in each text that has some, by the index of the text."""
        if len(texts) <= _GROUP:
            return self._find(texts)
        found = {}
        for first in range(0, len(texts), _GROUP):
            group = self._find(texts[first : first + _GROUP])
            found |= {first + row: places for row, places in group.items()}
        return found

    def _find(self, texts: Sequence[str]) -> dict[int, list[Place]]:
        """Returns `find` of a few texts, which are looked at as one: no token contains NUL."""
        folded = self._folded("\0".join(["", *texts, ""]))
        words = self._words.find(folded) if self._words else ()
        others = [m.start() for m in self._others.finditer(folded)] if self._others else ()
        if not words and not others:
            return {}
        begins = [*itertools.accumulate((1 + len(text) for text in texts), initial=1)]
        found = defaultdict(list)
        for start, end in words:
            row = bisect.bisect_right(begins, start) - 1
            begin, limit = start - begins[row], end - begins[row]
            if not self.between_spaces or self._is_alone(texts[row], begin, limit):
                found[row].append((begin, limit, self.ids[folded[start:end]]))
        for row in {bisect.bisect_right(begins, start) - 1 for start in others}:
            text, begin = texts[row], begins[row]
            found[row] = self._search(text, folded[begin : begin + len(text)])
        return {row: places for row, places in found.items() if places}

    def _search(self, text: str, folded: str) -> list[Place]:
        """Returns the same for tokens of every kind in one text."""
        found, place = [], 0
        while match := self._begin.search(folded, place):
            begin = match.start()
            place = begin + 1
            ends = [begin + length for length in self._lengths[match.group()]]
            exact = ((self._exact.get(text[begin:end]), end) for end in ends)
            any_case = ((self._any_case.get(folded[begin:end]), end) for end in ends)
            for index, end in itertools.chain(exact, any_case):
                if index is None or end > len(text):
                    continue
                if index not in self.single_words or self._is_alone(text, begin, end):
                    found.append((begin, end, index))
                place = end
                break
        return found

    def _folded(self, text: str) -> str:
        """Returns a text in which tokens of any case are in lower case, of the same length."""
        if not self._lower_case:
            return text
        # Of all letters, only "İ" becomes two characters.
        return text.lower() if text.isascii() else "İ".join(map(lower_each, text.split("İ")))

    def _is_alone(self, text: str, begin: int, end: int) -> bool:
        return self._edges[text[begin - 1 : begin]] and self._edges[text[end : end + 1]]


def _lengths(texts: Iterable[str]) -> dict[str, list[int]]:
    """Returns how long the texts with each beginning are, in descending order."""
    texts, lengths = {*texts}, defaultdict(set)
    for text in texts:
        lengths[text[:_BEGINNING]].add(len(text))
    for begin, found in lengths.items():
        found.update(n for n in range(1, len(begin)) if begin[:n] in texts)
    return {begin: sorted(found, reverse=True) for begin, found in lengths.items()}


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    """Returns an expression for the longest of short texts."""
    return re.compile(_tree(map(_escaped, text) for text in texts))


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
    branches = [[*map(_escaped, text)] for text in exact]
    branches += [list(map(_any_case, text)) for text in any_case]
    if {text[0].lower() for text in exact}.isdisjoint(text[0] for text in any_case):
        # No two branches match the same character, so common beginnings are written only once.
        if not alone:
            return _tree(branches)
        ends = [[*b, _EDGE] if _AT_EDGE.match(text[-1]) else b for b, text in zip(branches, texts)]
        begins = all(_AT_EDGE.match(text[0]) for text in texts)
        return f"{_EDGE if begins else ''}(?:{_tree(ends)})"
    ordered = sorted(
        (index >= len(exact), -len(text), branch)
        for index, (branch, text) in enumerate(zip(branches, texts))
    )
    return "|".join("".join(branch) for *_, branch in ordered)


def _tree(branches: Iterable[Iterable[str]]) -> str:
    """Returns an expression for sequences of characters, of which the longest one matches."""
    root: dict[str, Any] = {}
    for branch in branches:
        node = root
        for character in branch:
            node = node.setdefault(character, {})
        node[""] = {}  # One of them ends here.
    result: list[str] = []
    left: list[str | dict[str, Any]] = [root]  # No recursion, as tokens may be long.
    while left:
        item = left.pop()
        if isinstance(item, str):
            result.append(item)
            continue
        # An edge ends a shorter text.
        options = sorted(item.keys() - {""}, key=lambda option: (option == _EDGE, option))
        if len(options) == 1 and "" not in item:
            left += [item[options[0]], options[0]]
        elif options:
            left.append(")?" if "" in item else ")")
            for option in reversed(options):
                left += [item[option], option, "|"]
            left[-1] = "(?:"
    return "".join(result)


_escaped = functools.cache(re.escape)


@functools.cache
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
