"""A small WordPiece vocabulary, and texts of all kinds for it.

`tests/testdata/wordpiece/ids.json` has the ids that tokenization.py of google-research/albert gives
for them; see `digests`.
"""

import hashlib
import random
import unicodedata
from collections.abc import Sequence
from pathlib import Path

WORDS = [
    *("the", "of", "and", "to", "in", "model", "text", "word", "token", "data", "fine", "film"),
    *("good", "bad", "he", "she", "it", "was", "is", "not"),
]
CHINESE = (
    "的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生自会那后能"
)
CHINESE += (
    "对着事其里所去行过家十用发天如然作方成者多日都三小军二无同么经法当起与好看学进种将还分此心"
)
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_OTHER = "éüßñøœαβγδσςабвгдеあいかきくアイカキクᄀᄁ가나각ᅡᅢاب한"
_SIGNS = "!\"#$%&'()*+,-./:;<=>?@[]_{|}~，。！？、“”…—《》·"
# The special pieces are where no other vocabulary has them.
_SPECIAL = ("[unused1]", "[PAD]", "[unused2]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def pieces() -> list[str]:
    """Returns the pieces; a few, such as white space, are in no text."""
    single = [*_LETTERS, *"0123456789", *_OTHER, *CHINESE]
    parts = ["ing", "ed", "s", "er", "est", "io", "on", "en", "an", "re"]
    listed = [*_SPECIAL, "\u2028", "▁", *_SIGNS, *single, *WORDS, *parts, "中国", "don't", "É"]
    listed += [f"##{piece}" for piece in [*single, *parts, *WORDS[:9]]]
    return list(dict.fromkeys(listed))


def write(folder: Path, name: str = "vocab.txt") -> Path:
    """Writes the vocabulary."""
    path = folder / name
    path.write_text("".join(f"{piece}\n" for piece in pieces()), encoding="utf-8")
    return path


def texts(count: int, seed: int = 0) -> list[str]:
    """Returns random texts; the same in every version of Python."""
    rng = random.Random(seed)
    return [_text(rng) for _ in range(count)]


def _text(rng: random.Random) -> str:
    def one(options: Sequence) -> str:
        return options[int(rng.random() * len(options))]

    blanks = " \t\n\r\u3000\u00a0\u200b\0\ufffd\u2028\x0b\x85\u00ad"
    accents = "ÉÜÑçÀṩİıΣΆΐŐ\u0301\u0308\u093f\u064b가각がパ"
    plain = [*WORDS, *CHINESE, *_SIGNS, *"0123456789", " ", " ", " "]
    if rng.random() < 0.3:
        return "".join(one(plain) for _ in range(int(rng.random() * 60)))
    mixed = [*plain, *blanks, *accents, *_OTHER, *_LETTERS, *_LETTERS.upper(), "The", "DATA", None]
    parts = [one(mixed) or _any(rng) for _ in range(int(rng.random() * 60))]
    if rng.random() < 0.1:  # A word of about as many characters as a word may have.
        parts.append(one(["ab", "éb", "ß가", "a\u0301b"]) * (45 + int(rng.random() * 60)))
    return "".join(parts)


def _any(rng: random.Random) -> str:
    """Returns a character that is the same in all later versions of Unicode."""
    while True:
        code = int(rng.random() * (0x3000 if rng.random() < 0.5 else 0x110000))
        known = unicodedata.ucd_3_2_0.category(chr(code)) != "Cn" or 0x40000 <= code < 0xE0000
        if known and not 0xD800 <= code <= 0xDFFF:
            return chr(code)


def digests(rows: Sequence[Sequence[int]], size: int = 500) -> list[str]:
    """Returns a hash of the ids of each `size` texts."""
    groups = (rows[begin : begin + size] for begin in range(0, len(rows), size))
    return [hashlib.sha256(repr([list(r) for r in g]).encode()).hexdigest()[:16] for g in groups]
