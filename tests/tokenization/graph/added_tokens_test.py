"""Added tokens in the graph: the ids of transformers 4, and those of Python on random texts."""

import itertools

import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from albert_tf.tokenization.added_tokens import AddedToken
from albert_tf.tokenization.graph.tokenizer import GraphTokenizer
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.added_tokens import FOLDERS, SIZE, random_tokenizers, write_folder
from tests.support.paths import TESTDATA
from tests.tokenization.graph.tokenizer_test import CHARACTERS, check

MODEL = TESTDATA / "tokenization" / "spm.model"
# Texts of one another, of upper case, of white space, of characters that patterns treat specially.
CONTENTS = [
    "ab",
    "abc",
    "AB",
    "b a",
    " ",
    "\n",
    "<e1>",
    "a.c",
    "[é",
    "ß",
    "ΣΑΣ",
    "σ",
    "ı",
    "▁a",
    "\\",
]
FLAGS = ("special", "lstrip", "rstrip", "normalized", "single_word")
PIECES = {piece: i for i, piece in enumerate(AlbertTokenizer(MODEL).pieces)}
TOKENS = st.lists(
    st.fixed_dictionaries(
        {"content": st.sampled_from(CONTENTS)} | dict.fromkeys(FLAGS, st.booleans())
    ),
    max_size=6,
    unique_by=lambda token: token["content"],
)
TEXT = st.lists(
    st.one_of(
        st.sampled_from(
            [*CONTENTS, "aB", "<E1>", "ΣΑς", "S", "ſ", "K", "[MASK]", "1,0,", " ", "x"]
        ),
        st.text(CHARACTERS, max_size=5),
    ),
    max_size=9,
).map("".join)


def graph_functions(graph):
    return (
        lambda texts: graph.tokenize(tf.constant(texts, tf.string)).to_list(),
        lambda texts: [
            r.to_list() for r in graph.tokenize_with_offsets(tf.constant(texts, tf.string))
        ],
    )


def test_ids_and_texts_are_those_of_transformers(tmp_path):
    for name, golden in FOLDERS.items():
        (tmp_path / name).mkdir()
        tokenizer = AlbertTokenizer.from_pretrained(write_folder(name, tmp_path / name))
        graph = GraphTokenizer(tokenizer)
        ids = graph.tokenize(tf.constant([case["text"] for case in golden["cases"]]))
        assert ids.to_list() == [case["ids"] for case in golden["cases"]]
        decoded = [text.decode() for text in graph.detokenize(ids).numpy()]
        assert decoded == [tokenizer.decode(case["ids"]) for case in golden["cases"]]


def test_random_tokens_and_flags_give_the_ids_of_transformers():
    for tokenizer, texts, ids in random_tokenizers():
        assert GraphTokenizer(tokenizer).tokenize(tf.constant(texts)).to_list() == ids


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=HealthCheck)
@given(
    st.sets(st.text("abéßि1_", min_size=1, max_size=3), min_size=1, max_size=12),
    st.lists(st.text("abéßि1_AÉİ ,-\n", max_size=15), min_size=1, max_size=8),
    st.sampled_from(["original", "hugging_face"]),
    st.booleans(),
    st.booleans(),
)
def test_new_words_equal_python(words, texts, rules, lower_case, more):
    words = sorted(word for word in words if word not in PIECES)
    words += ["a-b", "xyz"] if more else []
    tokens = [AddedToken(SIZE + i, word, single_word=word != "xyz") for i, word in enumerate(words)]
    tokenizer = AlbertTokenizer(MODEL, lower_case, rules=rules, added_tokens=tokens)
    texts = [*texts, "".join(texts), *words, f"({','.join(words)})", " ".join(words)]
    check(tokenizer, graph_functions(GraphTokenizer(tokenizer)), texts)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=HealthCheck)
@given(
    TOKENS, st.lists(TEXT, max_size=8), st.sampled_from(["original", "hugging_face"]), st.booleans()
)
def test_ids_and_offsets_equal_python(tokens, texts, rules, lower_case):
    new = itertools.count(SIZE)
    added = [AddedToken(PIECES.get(token["content"]) or next(new), **token) for token in tokens]
    tokenizer = AlbertTokenizer(MODEL, lower_case, rules=rules, added_tokens=added)
    graph = GraphTokenizer(tokenizer)
    check(tokenizer, graph_functions(graph), texts)
    ids = tokenizer.encode_batch(texts)
    decoded = graph.detokenize(tf.ragged.constant(ids, tf.int32, 1))
    assert [text.decode() for text in decoded.numpy()] == [tokenizer.decode(row) for row in ids]


def test_bytes_that_are_not_text_are_around_a_single_word():
    added = [AddedToken(SIZE, "zq", single_word=True)]
    tokenizer = AlbertTokenizer(MODEL, added_tokens=added, rules="hugging_face")
    texts = [
        b"\xff zq",
        b"\xffzq",
        b"zq \xff\x00",
        b"zq\x00 zq",
        b"",
        b"zq",
        b" zq ",
        b"\x00zq [MASK]",
    ]
    ids = GraphTokenizer(tokenizer).tokenize(tf.constant(texts)).to_list()
    assert ids == tokenizer.encode_batch(texts)
    assert [row.count(SIZE) for row in ids] == [1, 0, 1, 1, 0, 1, 1, 0]


def test_thousands_of_tokens_may_begin_with_one_another():
    tokens = [AddedToken(SIZE + i, "zq" + "q" * i) for i in range(3000)]
    tokenizer = AlbertTokenizer(MODEL, added_tokens=tokens)
    texts = ["the " + "Z" * min(n, 1) + "qQ" * n for n in (0, 1, 17, 1499, 1500)]
    ids = GraphTokenizer(tokenizer).tokenize(tf.constant(texts)).to_list()
    assert ids == tokenizer.encode_batch(texts)
    assert [max(row) - SIZE for row in ids[1:]] == [1, 33, 2997, 2999]
