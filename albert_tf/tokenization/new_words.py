"""Words to add to a vocabulary: found in a corpus, checked, and turned into added tokens.

New words are added tokens rather than pieces of the SentencePiece model. Its pieces of type
USER_DEFINED also match inside other words, and normal pieces change how other words are split.
Added tokens match whole words only, and every text without them keeps its ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from albert_tf.errors import InputError
from albert_tf.tokenization.added_tokens import AddedToken, lower_each
from albert_tf.tokenization.normalization import normalize
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from albert_tf.tokenization.word_characters import words_of

_NAMED = 8  # problems that an error names
_DOTTED = "İ".lower()  # The only letter that becomes two characters.


class NewWord(NamedTuple):
    """A word to add.

    Attributes:
      content: the word as text is matched with it: in lower case if the tokenizer lower-cases.
      ids: the ids of the pieces that it has been so far.
      count: how often a corpus has it; 0 if it is not from a corpus.
    """

    content: str
    ids: tuple[int, ...]
    count: int = 0


def check(words: Sequence[str], tokenizer: AlbertTokenizer) -> list[NewWord]:
    """Returns the words as they are added.

    Raises:
      InputError: there are none, or some cannot be added; the message names the first ones, each
        with its reason, and counts all.
    """
    if not words:
        raise InputError(
            "A vocabulary can only be extended by one word or more. Received no words. Write one "
            "word a line."
        )
    pieces = {*tokenizer.pieces}
    seen: dict[str, str] = {}
    found, problems = [], []
    for number, word in enumerate(words, 1):
        content = lower_each(word) if tokenizer.preprocessing.lower_case else word
        ids = tuple(tokenizer.encode(word))
        normal = normalize(word, tokenizer.preprocessing)
        if not word.strip():
            problems.append(f"word {number} is empty")
        elif any(map(str.isspace, word)):
            problems.append(f"{word!r:.80} holds white space")
        elif any(c == "\0" or "\ud800" <= c <= "\udfff" for c in word):
            problems.append(f"{word!r:.80} holds NUL or a surrogate")
        elif len(content) != len(word):  # "İ" would have to be looked for as "i" and a mark.
            problems.append(f"{word!r:.80} has a capital that is two characters in lower case")
        elif not normal or not ids:
            problems.append(f"{word!r:.80} has no text after normalisation")
        elif normal in seen:
            problems.append(f"{word!r:.80} is {seen[normal]!r:.80} again after normalisation")
        elif len(ids) == 1 and ids[0] != tokenizer.unk_id:
            problems.append(f"{word!r:.80} is the piece {tokenizer.pieces[ids[0]]!r:.80} already")
        elif not pieces.isdisjoint((word, content)):
            problems.append(f"{word!r:.80} is the text of a piece already")
        else:
            found.append(NewWord(content, ids))
        seen.setdefault(normal, word)
    if problems:
        more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        raise InputError(
            "New words must be words without white space that are no piece yet and differ from one "
            f"another. Received {len(problems)} of {len(words)} that are not: "
            f"{'; '.join(problems[:_NAMED])}{more}. Correct or remove them."
        )
    return found


def frequent(
    lines: Iterable[str], tokenizer: AlbertTokenizer, count: int, min_pieces: int = 3
) -> list[NewWord]:
    """Returns the most frequent words of a corpus that break into many pieces.

    Words with digits, "_" or a dotted capital I are left out, as are those that occur once or are
    the text of a piece.

    Args:
      lines: the corpus.
      tokenizer: breaks the words into pieces.
      count: the greatest number of words to return.
      min_pieces: the least number of pieces of a word.

    Raises:
      InputError: a number is below 1, or the corpus has no such word.
    """
    for name, value in (("--count", count), ("--min_pieces", min_pieces)):
        least = 1 if name == "--count" else 2
        if value < least:
            raise InputError(f"{name} must be at least {least}. Received {value}. Raise it.")
    lower_case = tokenizer.preprocessing.lower_case
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(words_of(lower_each(line) if lower_case else line))
    pieces = {*tokenizer.pieces}
    found, seen = [], set()
    for word, times in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if len(found) == count or times < 2:
            break
        if word in pieces or _DOTTED in word or "_" in word or any(map(str.isnumeric, word)):
            continue
        ids = tuple(tokenizer.encode(word))
        normal = normalize(word, tokenizer.preprocessing)
        if len(ids) >= min_pieces and normal not in seen:
            found.append(NewWord(word, ids, times))
        seen.add(normal)
    if not found:
        raise InputError(
            f"A corpus must have words that occur twice and break into {min_pieces} pieces or "
            f"more. Received {sum(counts.values())} words without one. Add text, or lower "
            "--min_pieces."
        )
    return found


def tokens(words: Sequence[NewWord], tokenizer: AlbertTokenizer) -> tuple[AddedToken, ...]:
    """Returns the added tokens of the tokenizer, followed by the new words."""
    first = tokenizer.vocab_size
    new = (AddedToken(first + i, word.content, single_word=True) for i, word in enumerate(words))
    return (*tokenizer.preprocessing.added_tokens, *new)


def table(words: Sequence[NewWord], tokenizer: AlbertTokenizer) -> str:
    """Returns a table of the words with their counts and pieces."""
    width = max(len("word"), *(len(word.content) for word in words))
    lines = [f"{'word':<{width}}{'count':>8}{'pieces':>8}"]
    for word in words:
        pieces = " ".join(tokenizer.ids_to_pieces(word.ids))
        lines.append(f"{word.content:<{width}}{word.count or '':>8}{len(word.ids):>8}  {pieces}")
    return "\n".join(lines)
