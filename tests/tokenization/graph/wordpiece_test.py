"""Compares WordPiece in the graph with WordPiece in Python, which equals the original."""

import random

import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.tokenization.graph.tokenizer import GraphTokenizer
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import wordpiece

SETTINGS = {
    "lower": {},
    "cased": dict(lower_case=False),
    "lower, accents": dict(keep_accents=True),
    "cased, no accents": dict(lower_case=False, keep_accents=False),
    "hugging_face": dict(rules="hugging_face"),
}


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    return wordpiece.write(tmp_path_factory.mktemp("wordpiece"))


def compare(tokenizer, texts, batch):
    """Compares ids, and offsets in bytes."""
    graph = GraphTokenizer(tokenizer)
    spec = [tf.TensorSpec([None], tf.string)]
    tokenize = tf.function(graph.tokenize, spec)
    with_offsets = tf.function(graph.tokenize_with_offsets, spec)
    expected = tokenizer.tokenize_batch_with_offsets(texts)
    for begin in range(0, len(texts), batch):
        some = tf.constant(texts[begin : begin + batch])
        found = [x.to_list() for x in (tokenize(some), *with_offsets(some))]
        for text, tokens, ids, same, starts, limits in zip(
            texts[begin:], expected[begin : begin + batch], *found
        ):
            assert ids == same == tokens.ids, ascii(text)
            before = [len(text[:i].encode()) for i in range(len(text) + 1)]
            assert starts == [before[i] for i in tokens.starts], ascii(text)
            assert limits == [before[i] for i in tokens.ends], ascii(text)


@pytest.mark.parametrize("name", SETTINGS)
def test_ids_and_offsets_equal_python(vocabulary, name):
    count = 10_000 if name == "lower" else 1000
    tokenizer = AlbertTokenizer(vocabulary, **SETTINGS[name])
    # In small batches, some are of texts that take the short way only.
    compare(tokenizer, wordpiece.texts(count), 500)
    compare(tokenizer, wordpiece.texts(300, seed=1), 1)


def test_a_sample_of_all_code_points_equals_python(vocabulary):
    rng = random.Random(0)
    codes = [*range(0x3400), *range(0xF900, 0x10000), *rng.sample(range(0x10000, 0x110000), 3000)]
    texts = [f"A{chr(code)}b {chr(code)} Σ{chr(code)}" for code in codes]
    compare(AlbertTokenizer(vocabulary), texts, len(texts))


def test_random_vocabularies_equal_python(tmp_path):
    """Pieces with signs inside, and such as "##" or "##!", are never found."""
    rng = random.Random(3)
    signs = "ab#!.中国é \t"
    texts = ["".join(rng.choice(signs) for _ in range(rng.randrange(12))) for _ in range(300)]
    for number in range(6):
        pieces = {"".join(rng.choice("ab#!.中国é") for _ in range(1 + i % 4)) for i in range(60)}
        pieces |= {f"##{piece}" for piece in rng.sample(sorted(pieces), 20)} | {"##", "#"}
        listed = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(pieces)]
        path = tmp_path / f"{number}.txt"
        path.write_text("\n".join(listed), encoding="utf-8")
        compare(AlbertTokenizer(path, keep_accents=True), texts, 300)


def test_bytes_that_are_not_utf8_are_removed(vocabulary):
    tokenizer = AlbertTokenizer(vocabulary)
    graph = GraphTokenizer(tokenizer)
    texts = [b"fi\xfflm", b"\xe4\xb8", b"the \xc3(film", b"\x80\xff", b""]
    assert graph.tokenize(tf.constant(texts)).to_list() == tokenizer.encode_batch(texts)
    ids, starts, limits = graph.tokenize_with_offsets(tf.constant(texts[:1]))
    assert ids.to_list() == [tokenizer.encode("film")]
    assert (starts.to_list(), limits.to_list()) == ([[0]], [[5]])


def test_detokenize_equals_decode(vocabulary):
    tokenizer = AlbertTokenizer(vocabulary)
    graph = GraphTokenizer(tokenizer)
    rng = random.Random(2)
    rows = [[rng.randrange(tokenizer.vocab_size) for _ in range(n)] for n in range(40)]
    texts = graph.detokenize(tf.ragged.constant(rows, tf.int32)).numpy()
    assert [text.decode() for text in texts] == list(map(tokenizer.decode, rows))


def test_added_tokens_equal_python(vocabulary):
    size = len(wordpiece.pieces())
    added = [{"id": size, "content": "<e1>"}, {"id": size + 1, "content": "的中国"}]
    texts = ["the<e1>的中国film", "<e1>", "[MASK]的中 国<E1>", "é <e1> é"]
    for rules in ("original", "hugging_face"):
        compare(AlbertTokenizer(vocabulary, rules=rules, added_tokens=added), texts, 4)


def test_chinese_characters_that_are_not_set_apart_are_an_error(vocabulary):
    tokenizer = AlbertTokenizer(vocabulary, tokenize_chinese_chars=False)
    with pytest.raises(InputError, match="must set Chinese characters apart.* Received"):
        GraphTokenizer(tokenizer)
