"""Compares the tokenizer in the graph with the goldens and with the Python tokenizer."""

import itertools
import os
import random
import subprocess
import sys

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from albert_tf.tokenization.graph.tokenizer import GraphTokenizer

# Letters that the graph does not lower (see normalization_test.py), and letters that are newer than
# the Unicode version of some supported Python versions.
NEWER = "".join(map(chr, [0x2C2F, 0xA7C0, 0xA7D0, 0xA7D6, 0xA7D8, *range(0x10570, 0x105C0)]))

CHARACTERS = st.one_of(
    st.sampled_from("aB1,0 .()-[]\t\x00\x1f\u00a0\u200b`'´ÉéİΣς\u0301\u0323\u0345½ﬁ한中में１"),
    st.characters(exclude_categories=("Cs", "Cn"), exclude_characters=NEWER),
)
TEXT = st.one_of(
    st.text(CHARACTERS, max_size=20),
    # Runs of one character can be split in many ways whose scores differ only by rounding.
    st.lists(st.sampled_from("9a-=,日\0 "), max_size=9).map(
        lambda runs: "".join(c * (1 + i % 7) for i, c in enumerate(runs))
    ),
    st.lists(
        st.sampled_from(["1,000,", "[MASK]", "<UNK>", "[CLS]x", "ΟΔΟΣ ", "``q''", "é", " "])
    ).map("".join),
)


@pytest.fixture(scope="module")
def graphs(tokenizers):
    """For each setting, `tokenize` and `tokenize_with_offsets` as functions of a list of texts."""

    def functions(tokenizer):
        graph = GraphTokenizer(tokenizer)
        spec = [tf.TensorSpec([None], tf.string)]
        tokenize = tf.function(graph.tokenize, input_signature=spec)
        offsets = tf.function(graph.tokenize_with_offsets, input_signature=spec)
        return (
            lambda texts: tokenize(tf.constant(texts, tf.string)).to_list(),
            lambda texts: [r.to_list() for r in offsets(tf.constant(texts, tf.string))],
        )

    return {name: functions(tokenizer) for name, tokenizer in tokenizers.items()}


def byte_offsets(text, places):
    before = [0, *itertools.accumulate(len(c.encode()) for c in text)]
    return [before[place] for place in places]


def check(tokenizer, functions, texts):
    tokenize, with_offsets = functions
    expected = [tokenizer.tokenize_with_offsets(text) for text in texts]
    assert tokenize(texts) == [spans.ids for spans in expected]
    ids, starts, limits = with_offsets(texts)
    for i, (text, spans) in enumerate(zip(texts, expected)):
        assert ids[i] == spans.ids, text
        assert starts[i] == byte_offsets(text, spans.starts), text
        assert limits[i] == byte_offsets(text, spans.ends), text


def test_golden_ids(golden, cases, graphs):
    got = graphs[golden][0]([case["text"] for case in cases])
    wrong = {c["text"] for c, ids in zip(cases, got) if ids != c["ids"][golden]}
    assert wrong == set()


def test_ids_and_offsets_equal_python_on_the_cases(setting, cases, tokenizers, graphs):
    texts = [case["text"] for case in cases]
    check(tokenizers[setting], graphs[setting], texts)


def test_ids_and_offsets_equal_python_on_random_text(setting, tokenizers, graphs):
    @settings(
        derandomize=True,
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.lists(TEXT, min_size=1, max_size=8))
    def run(texts):
        check(tokenizers[setting], graphs[setting], texts)

    run()


# Marks of several classes, ligatures, full and half width, and letters that become several.
MARKED = st.text(
    "aB1 \t\u0301\u0323\u0308\u0345\u05b0\u3099\u0344ﬁﬃ½Ａｂ１，ｶﾞﾟéǖ´ΣİⅨ㎏\u1100\u1161`'",
    max_size=12,
)


def test_offsets_of_marks_and_ligatures_equal_python(setting, tokenizers, graphs):
    check(tokenizers[setting], graphs[setting], ["ﬁ\u0301", "a\u0301\u0323 ½\u0345", "\u0301ｶﾞ"])

    @settings(
        derandomize=True, max_examples=60, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.lists(MARKED, min_size=8, max_size=16))
    def run(texts):
        check(tokenizers[setting], graphs[setting], texts)

    run()


def test_detokenizing_equals_python(tokenizers):
    for name in ("orig_lower", "orig_cased_casedmodel"):
        tokenizer = tokenizers[name]
        rng = random.Random(0)
        usual, special = range(tokenizer.vocab_size), [0, 1, 2, 3, 4, tokenizer.pieces.index("▁")]
        rows = [
            rng.choices(usual, k=rng.randrange(6)) + rng.choices(special, k=rng.randrange(5))
            for _ in range(300)
        ]
        for row in rows:
            rng.shuffle(row)
        graph = GraphTokenizer(tokenizer)
        got = graph.detokenize(tf.ragged.constant(rows, dtype=tf.int32))
        assert [text.decode() for text in got.numpy()] == list(map(tokenizer.decode, rows))
        padded = graph.detokenize(tf.constant([[2, 9, 3, 0], [2, 17, 13, 3]]))
        assert padded.numpy().tolist() == [b".", tokenizer.decode([17, 13]).encode()]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"must lie in \[0, 1000\)"):
        graph.detokenize(tf.constant([1000]))


def test_empty_batches_and_blank_texts_have_no_tokens(tokenizer, graphs):
    assert graphs["orig_lower"][0]([]) == []
    assert graphs["hf4_slow_lower"][1]([]) == [[], [], []]
    check(tokenizer, graphs["orig_lower"], ["", " \t", "\u0301"])


def test_offsets_count_the_bytes_of_invalid_utf8(graphs):
    ids, starts, limits = graphs["orig_lower"][1]([b"\xff\xfe ab"])
    assert (starts[0][-1], limits[0][-1]) == (3, 5)


def test_tokenizing_in_a_data_pipeline(cases, tokenizer):
    graph = GraphTokenizer(tokenizer)
    texts = [case["text"] for case in cases] * 3
    data = tf.data.Dataset.from_tensor_slices(texts).batch(7)
    data = data.map(graph.tokenize, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
    got = [ids for batch in data for ids in batch.to_list()]
    assert got == tokenizer.encode_batch(texts)


def test_a_megabyte_on_one_line(tokenizer, graphs):
    sentence, count = "Hello, wörld 1,000 日本 ", 40_000
    (ids,) = graphs["orig_lower"][0]([sentence * count])
    assert ids == tokenizer.encode(sentence) * count


TWO_REPLICAS = """
import sys, tensorflow as tf
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from albert_tf.tokenization.graph.tokenizer import GraphTokenizer
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
tokenizer = AlbertTokenizer(sys.argv[1])
graph = GraphTokenizer(tokenizer)
texts = ["a b", "Hello 1,000,", "", "9999 日本"]
data = tf.data.Dataset.from_tensor_slices(texts).batch(4).map(graph.tokenize, tf.data.AUTOTUNE)
replicas = []
for tokens in strategy.experimental_distribute_dataset(data):
    values = strategy.run(tf.function(lambda rows: rows.to_tensor(-1)), [tokens])
    replicas += strategy.experimental_local_results(values)
texts_in = tf.data.Dataset.from_tensor_slices(texts).batch(4)
for part in strategy.experimental_distribute_dataset(texts_in):
    inside = tf.function(lambda rows: graph.tokenize(rows).to_tensor(-1))
    replicas += strategy.experimental_local_results(strategy.run(inside, [part]))
got = [[i for i in row if i >= 0] for part in replicas for row in part.numpy().tolist()]
assert len(replicas) == 4 and got == tokenizer.encode_batch(texts) * 2, got
"""


@pytest.mark.clean_process
def test_under_a_mirrored_strategy_of_two_replicas(model_file):
    subprocess.run([sys.executable, "-c", TWO_REPLICAS, str(model_file)], check=True)


@pytest.mark.clean_process
def test_the_locale_of_the_machine_does_not_matter(model_file):
    code = (
        "import sys, tensorflow as tf\n"
        "from albert_tf.tokenization.tokenizer import AlbertTokenizer\n"
        "from albert_tf.tokenization.graph.tokenizer import GraphTokenizer\n"
        "assert tf.strings.lower('I', encoding='utf-8').numpy().decode() == 'ı'\n"
        "texts = ['TITLE é', 'İSTANBUL I ÌÍĨĮ', 'ASCII I']\n"
        "for rules in ('original', 'hugging_face'):\n"
        "    for keep in (False, True):\n"
        "        tokenizer = AlbertTokenizer(sys.argv[1], True, keep, rules)\n"
        "        got = GraphTokenizer(tokenizer).tokenize(tf.constant(texts)).to_list()\n"
        "        assert got == tokenizer.encode_batch(texts), (rules, keep)\n"
    )
    environment = {**os.environ, "LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "1"}
    subprocess.run([sys.executable, "-c", code, str(model_file)], check=True, env=environment)
