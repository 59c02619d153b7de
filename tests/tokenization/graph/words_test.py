import random

import pytest
import tensorflow as tf

from albert_tf.tokenization import words
from albert_tf.tokenization.graph import words as graph_words

# White space, blanks, punctuation, marks, joiners, letters of scripts without spaces, emoji.
CODES = [0, 9, 0x20, 0x27, 0x2C, 0x2E, 0x31, 0x41, 0x85, 0xA0, 0x301, 0xE01, 0xE31, 0x200B, 0x200D]
CODES += [0x3042, 0x3099, 0x4E00, 0xAC00, 0xFE0F, 0xFEFF, 0xFFFD, 0x1F3FB, 0x1F600, 0x10FFFF]


def random_texts(count, seed=0):
    rng = random.Random(seed)

    def character():
        kind = rng.random()
        code = (
            rng.choice(CODES) if kind < 0.5 else rng.randrange(0x110000 if kind > 0.8 else 0x3000)
        )
        return "" if 0xD800 <= code < 0xE000 else chr(code)

    return ["".join(character() for _ in range(rng.randrange(50))) for _ in range(count)]


@pytest.mark.parametrize("rule", words.RULES)
def test_words_of_all_planes_equal_those_of_python(rule):
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    blocks = ["".join(characters[i : i + 999]) for i in range(0, len(characters), 999)]
    texts = [
        "",
        " ",
        *blocks,
        *("a\u0301 ".join(block) for block in blocks[::9]),
        *random_texts(500),
    ]
    pieces = graph_words.cut(tf.constant(texts), rule)
    expected = [[text[start:end] for start, end in words.spans(text, rule)] for text in texts]
    assert [[word.decode() for word in row] for row in pieces.words().to_list()] == expected
    joined = tf.RaggedTensor.from_row_splits(pieces.text, pieces.row_splits)
    assert [b"".join(row).decode() for row in joined.to_list()] == texts
    assert int(graph_words.count(tf.constant(texts), rule)) == sum(map(len, expected))


def test_invalid_bytes_are_replaced_as_in_python():
    texts = [b"a\xffb \xe4\xb8", b"\xed\xa0\x80 x", b"\xf4\x90\x80\x80.", b"\x00\xc0\xaf"]
    received = graph_words.cut(tf.constant(texts), "unicode").words().to_list()
    for text, row in zip(texts, received):
        text = text.decode(errors="replace")
        expected = [text[start:end] for start, end in words.spans(text, "unicode")]
        assert [word.decode() for word in row] == expected
