"""Requests to served tasks of every kind are bounded in memory and time."""

import dataclasses
import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.export import hub_encoder, manifest, task_model
from albert_tf.export import preprocessor as preprocessor_export
from albert_tf.export.task_model import Settings
from albert_tf.modeling.parts import in_parts
from albert_tf.modeling.pretrainer import AlbertPretrainer
from albert_tf.serving.hub_encoder import HubEncoder
from albert_tf.serving.limits import Limits
from albert_tf.serving.shared_model import SharedModel
from albert_tf.serving.signatures import TEXT_ENCODER, TF1_HUB
from albert_tf.tasks.question_answering import context_windows
from albert_tf.tokenization.added_tokens import AddedToken
from albert_tf.tokenization.graph.tokenizer import GraphTokenizer
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from benchmarks import soak
from tests.export.task_requests_test import GOOD, ask, assert_rows, texts, tokens

LIMITS = Limits()


BEYOND = {
    # Some inputs are repeated for another input or choice, so the received number varies.
    "one large text": (lambda m: soak.texts(m, ["x" * (LIMITS.bytes + 1)]), "4194304 bytes"),
    "many texts": (lambda m: soak.texts(m, ["word" * 4096] * 257), "4194304 bytes"),
    "characters that expand": (
        lambda m: soak.texts(m, ["\ufdfa" * (LIMITS.bytes // 33 + 1)]),
        "4194304 bytes",
    ),
    "empty texts": (lambda m: soak.texts(m, [""] * (LIMITS.tokens + 1)), "65536 tokens"),
    "short texts": (lambda m: soak.texts(m, ["the"] * 50_000), "65536 tokens"),
    "ids": (lambda m: soak.tokens(m, 8000, 24), "65536 tokens"),
    "rows of no ids": (lambda m: soak.tokens(m, 10**7, 0), "65536 tokens"),
    "a large record": (
        lambda m: soak.Request("examples", {"examples": tf.constant([b"x" * (LIMITS.bytes + 1)])}),
        "4194304 bytes",
    ),
    "records": (
        lambda m: soak.Request("examples", {"examples": tf.constant([b""] * (LIMITS.tokens + 1))}),
        "65536 tokens",
    ),
}


@pytest.mark.parametrize("name", BEYOND)
def test_a_request_beyond_a_limit_is_an_error_that_names_it(served, name):
    make, limit = BEYOND[name]
    request, (_, word) = make(served.model), limit.split()
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=rf"must not have more than {limit}\b.*--limits {word}=N\. Received:\] \[\d+",
    ):
        request.send(served.model)


@pytest.mark.parametrize("kind", ["tagging", "entities", "fill_mask"])
def test_a_long_text_beside_short_ones_takes_no_table_of_all_of_them(exported, kind):
    model = exported(kind).model
    soak.texts(model, GOOD).send(model)
    long, short = "[MASK] " * 20_000, ["[MASK]"] * (40_000 if kind == "fill_mask" else 1000)
    request = soak.texts(model, [long, *short])
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 524288 answers"):
        request.send(model)
    admitted = soak.texts(model, ["[MASK] " * 500, *["[MASK]"] * 900])
    assert sum(soak.peak(lambda r=r: r.send(model)) for r in (request, admitted)) < 300


def test_a_question_with_many_gaps_beside_others_takes_no_table_of_all_of_them(exported):
    run = exported("multiple_choice").model.signatures["serving_default"]

    def choose(questions):
        rows = len(questions)
        choices = tf.constant([["b", "c d"]] * rows)
        return run(passage=tf.fill([rows], "p"), question=tf.constant(questions), choices=choices)

    choose(["a _"] * 2000)
    many = "_a" * 20_000
    assert soak.peak(lambda: choose([many, *["a _"] * 1999])) < 200
    outputs, alone = choose([many, "a _"]), choose(["a _"])
    np.testing.assert_allclose(outputs["logits"][1], alone["logits"][0], atol=1e-5)


def test_a_long_row_beside_short_ones_takes_no_table_of_all_of_them(spm):
    added = AlbertTokenizer(spm.model_file, added_tokens=[AddedToken(1000, "<e1>")])
    graph = GraphTokenizer(added)
    detokenize = tf.function(
        graph.detokenize, input_signature=[tf.RaggedTensorSpec([None, None], tf.int32)]
    )
    offsets = tf.function(
        graph.tokenize_with_offsets, input_signature=[tf.TensorSpec([None], tf.string)]
    )
    lengths = [20_000, *[0, 1] * 5000]
    ids = np.random.default_rng(0).integers(5, 1000, sum(lengths)).astype(np.int32)
    rows = tf.RaggedTensor.from_row_lengths(ids, lengths)
    texts = tf.constant(["a word " * 10_000 + "<e1>" * 10_000, "<e1>"])
    detokenize(rows[1:]), offsets(texts[1:])
    assert soak.peak(lambda: detokenize(rows)) < 100
    assert soak.peak(lambda: offsets(texts)) < 200
    decoded = [text.decode() for text in detokenize(rows).numpy()]
    assert decoded == [added.decode(row) for row in rows.to_list()]
    _, starts, limits = (row.numpy()[-10_000:] for row in [x[0] for x in offsets(texts)])
    assert starts.tolist() == list(range(70_000, 110_000, 4))
    assert limits.tolist() == list(range(70_004, 110_004, 4))


def test_choices_are_counted_with_the_questions_that_they_fill(exported):
    run = exported("multiple_choice").model.signatures["serving_default"]

    def choose(question, choices):
        return run(
            passage=tf.constant(["p"]),
            question=tf.constant([question]),
            choices=tf.constant([choices]),
        )

    for question, choices in [
        ("_ and " * 3000, ["word " * 1000, ""]),  # Each gap holds the choice.
        ("which " * 3000, ["x"] * 400),  # Each choice follows the question.
        ("_ ", ["\ufdfa" * 70_000] * 2),
    ]:
        with pytest.raises(tf.errors.InvalidArgumentError, match="more than 4194304 bytes"):
            choose(question, choices)
    assert choose("_ and " * 300, ["word " * 100, ""])["index"].numpy() == 0


def test_records_with_lists_of_different_lengths_are_not_padded_beyond_the_limit(exported):
    run = exported("multiple_choice").model.signatures["examples"]

    def record(count):
        example = tf.train.Example()
        for name, values in dict(passage=1, question=1, choices=count).items():
            example.features.feature[name].bytes_list.value.extend([b"a"] * values)
        return example.SerializeToString()

    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 65536 tokens"):
        run(tf.constant([record(20_000), *[record(1)] * 1000], tf.string))
    outputs = run(tf.constant([record(3), record(1)], tf.string))
    np.testing.assert_allclose(outputs["probabilities"], [[1 / 3] * 3, [1, 0, 0]], atol=1e-6)


def test_a_context_counts_once_for_each_window(exported):
    """Windows of 24 tokens begin at every fifth one, so a token is in up to four of them."""
    served = exported("question_answering")
    fits, beyond = (["a " * count] for count in (10_000, 30_000))
    run = served.model.signatures["serving_default"]
    assert run(question=tf.constant(["a"]), context=tf.constant(fits))["answer"].shape == [1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="65536 tokens.*each window"):
        run(question=tf.constant(["a"]), context=tf.constant(beyond))


def test_spans_of_a_long_window_are_compared_without_a_copy_of_each():
    windows = ["ab ab", "x" * 2_000_000, " ab"]
    texts = context_windows.Texts(tf.constant(windows), tf.constant([10, 20, 30], tf.int64))
    long = [(1, 20, 2_000_020)] * 299 + [(1, 20, 2_000_019)]
    spans = [(0, 10, 12), (0, 13, 15), (2, 30, 33), (0, 10, 11), (0, 12, 13), *long]
    dtypes = tf.int32, tf.int64, tf.int64
    keys = tf.function(lambda: texts.keys(*map(tf.constant, zip(*spans), dtypes)))
    added = soak.peak(keys)
    words = [windows[w][first - 10 * (w + 1) : last - 10 * (w + 1)] for w, first, last in spans]
    numbers = {word.strip(): key for word, key in zip(words, keys().numpy())}
    assert [numbers[word.strip()] for word in words] == keys().numpy().tolist()
    assert numbers.pop("") == -1 and len(set(numbers.values())) == len(numbers) == 4
    assert min(numbers.values()) >= 0
    assert added < 200  # All texts have 600 MB.


# === Slices ===
def test_rows_of_many_slices_have_the_answers_of_single_requests(served):
    rows = [GOOD[0], "", GOOD[1], "1,000 words", "a [MASK]"]
    many = [row for row, _ in zip(itertools.cycle(rows), range(700))]
    alone = ask(served, "serving_default", texts(served, *rows))
    together = ask(served, "serving_default", texts(served, *many))
    assert {len(value) for value in together.values()} == {700}
    for begin in (0, 340, 345, 680, 695):  # A slice has 341 rows of 24 tokens.
        assert_rows(together, begin, alone)


def test_ids_of_many_slices_have_the_answers_of_single_requests(served):
    inputs = tokens(served, 9, 23, 7)
    alone = ask(served, "tokens", {n: tf.constant(x) for n, x in inputs.items()})
    many = {n: tf.constant(np.concatenate([x] * 400)) for n, x in inputs.items()}
    together = ask(served, "tokens", many)
    size = len(inputs["input_ids"])
    for index in (0, 113, 118, 399):
        assert_rows(together, index * size, alone)


def test_a_function_never_gets_more_rows_than_fit():
    sizes = []

    def double(x, ragged):
        sizes.append((len(x), ragged.to_list()))
        return {"x": 2 * x}

    rows = tf.ragged.constant([[1, 2], [], [3], [4, 5, 6], [7]])
    outputs = in_parts(
        double, [tf.range(5), rows], {"x": tf.TensorSpec([None], tf.int32)}, tf.constant(2)
    )
    assert outputs["x"].numpy().tolist() == [0, 2, 4, 6, 8]
    assert sizes == [(2, [[1, 2], []]), (2, [[3], [4, 5, 6]]), (1, [[7]])]


# === Settings ===
def test_limits_of_an_export_are_in_its_manifest_card_and_graph(source, tmp_path):
    limits = Limits.parse("tokens=400, answers=500,bytes=70000")
    settings = Settings(pooling="cls", seq_length=20, limits=limits)
    path = task_model.export(source, tmp_path / "m", settings=settings, check=False)
    assert manifest.read(path)["limits"] == dict(bytes=70000, tokens=400, answers=500)
    card = (path / "README.md").read_text()
    assert "| limits of a request | 70,000 bytes of text, 400 tokens, including" in card
    model = tf.saved_model.load(str(path))
    assert len(soak.texts(model, ["a"] * 50).send(model)["embedding"]) == 50
    for request, message in [
        (soak.texts(model, ["a"] * 200), "not have more than 400 tokens"),
        (soak.texts(model, ["a" * 70001]), "not have more than 70000 bytes"),
    ]:
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            request.send(model)


def test_limits_have_the_names_and_numbers_that_are_documented():
    assert Limits.parse("") == LIMITS
    assert Limits.parse("tokens=7") == dataclasses.replace(LIMITS, tokens=7)
    for text, message in [
        ("token=7", "Unknown limit of requests. Received 'token'. .*tokens"),
        ("tokens", "whole number of at most 18 digits. Received 'tokens'. Write tokens=N"),
        ("tokens=-1", "Received 'tokens=-1'"),
        ("bytes=1e6", "Received 'bytes=1e6'"),
        ("answers=" + "9" * 19, "Received 'answers=9999"),
        ("=4", "Received ''"),
    ]:
        with pytest.raises(InputError, match=message):
            Limits.parse(text)


@pytest.mark.parametrize("text", ["tokens=319", "answers=319", "bytes=65535"])
def test_limits_must_admit_the_requests_of_warmup(source, tmp_path, text):
    settings = Settings(pooling="cls", seq_length=20, limits=Limits.parse(text))
    name, _, least = text.partition("=")
    with pytest.raises(InputError, match=f"{text} with a sequence .* Pass {name}={int(least) + 1}"):
        task_model.export(source, tmp_path / "m", settings=settings)
    assert not (tmp_path / "m").exists()


# === Encoders and preprocessors ===
@pytest.fixture(scope="module")
def encoder(exports):
    return tf.saved_model.load(str(exports / "encoder"))


@pytest.fixture(scope="module")
def preprocessor(exports):
    return tf.saved_model.load(str(exports / "preprocessor"))


def encoder_inputs(names, rows, length):
    ids = tf.fill([rows, length], 7)
    return dict(zip(names, (ids, tf.ones_like(ids), tf.zeros_like(ids))))


@pytest.mark.parametrize("name", ["serving_default", "tokens", "sop"])
def test_signatures_of_an_encoder_limit_the_tokens_of_a_request(encoder, name):
    run, fits = encoder.signatures[name], encoder_inputs(TF1_HUB, 8192, 8)
    one = run(**encoder_inputs(TF1_HUB, 1, 8))["pooled_output"][0]
    np.testing.assert_allclose(run(**fits)["pooled_output"][-1], one, atol=1e-5)
    for rows, length, received in [(8193, 8, 65544), (65537, 1, 65537), (65537, 0, 65537)]:
        with pytest.raises(
            tf.errors.InvalidArgumentError,
            match=rf"must not have more than 65536 tokens.*--limits tokens=N. .*\[{received}\]",
        ):
            run(**encoder_inputs(TF1_HUB, rows, length))


def test_positions_to_predict_count_as_tokens(encoder):
    run, inputs = encoder.signatures["mlm"], encoder_inputs(TF1_HUB, 2, 9)
    logits = run(**inputs, mlm_positions=tf.zeros([2, 32759], tf.int32))["mlm_logits"]
    assert logits.shape == [2 * 32759, 200]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"65536 tokens.*\[65538\]"):
        run(**inputs, mlm_positions=tf.zeros([2, 32760], tf.int32))


def test_positions_to_predict_count_as_more_tokens_with_a_large_vocabulary(source):
    config = AlbertConfig.from_json_file(source / "albert_config.json")
    model = AlbertPretrainer(dataclasses.replace(config, vocab_size=5000))
    shared, assets = SharedModel(model.encoder, model.masked_lm), {"a": source / "small.model"}
    module = HubEncoder(shared, True, assets, limits=Limits(tokens=100))
    run, inputs = module.signatures()["mlm"], list(encoder_inputs(TF1_HUB, 2, 9).values())
    assert run(*inputs, tf.zeros([2, 16], tf.int32))["mlm_logits"].shape == [32, 5000]
    # 18 tokens, and 34 predictions of 5000 / 2048 tokens each.
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"more than 100 tokens.*\[101\]"):
        run(*inputs, tf.zeros([2, 17], tf.int32))


def test_the_signature_of_a_preprocessor_limits_texts_and_rows(preprocessor):
    run = preprocessor.signatures["serving_default"]
    one = run(texts=tf.constant(["a word"]))["input_word_ids"][0]
    many = run(texts=tf.constant(["a word"] * 3640))["input_word_ids"]  # 18 ids each.
    np.testing.assert_array_equal(many, np.tile(one, [3640, 1]))
    for rows, limit in [
        (["a word"] * 3641, "65536 tokens"),
        (["x" * (LIMITS.bytes + 1)], "4194304 bytes"),
        (["\ufdfa" * (LIMITS.bytes // 33 + 1)], "4194304 bytes"),
    ]:
        with pytest.raises(
            tf.errors.InvalidArgumentError,
            match=rf"not have more than {limit}\b.*--limits {limit.split()[1]}=N",
        ):
            run(texts=tf.constant(rows))


def test_calls_of_modules_have_no_limits(encoder, preprocessor):
    inputs = encoder_inputs(TEXT_ENCODER, 8193, 8)
    assert encoder(inputs)["pooled_output"].shape == [8193, 32]
    positions = {"masked_lm_positions": tf.zeros([8193, 1], tf.int32)}
    assert encoder.mlm({**inputs, **positions})["mlm_logits"].shape == [8193, 1, 200]
    assert preprocessor(tf.constant(["a word"] * 3641))["input_mask"].shape == [3641, 18]
    assert preprocessor.tokenize(tf.constant(["x " * LIMITS.bytes])).shape[0] == 1


def test_limits_of_encoders_and_preprocessors_are_in_manifest_card_and_graph(source, tmp_path):
    limits = Limits(tokens=400, bytes=65536)
    path = preprocessor_export.export(source, tmp_path / "p", 20, check=False, limits=limits)
    assert manifest.read(path)["limits"] == dict(bytes=65536, tokens=400)
    card = (path / "README.md").read_text()
    assert "| limits of a request to the signature | 65,536 bytes of text, 400 tokens, inc" in card
    run = tf.saved_model.load(str(path)).signatures["serving_default"]
    assert run(texts=tf.constant(["a"] * 20))["input_mask"].shape == [20, 20]
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 400 tokens"):
        run(texts=tf.constant(["a"] * 21))
    limits = Limits(tokens=16 * 40)  # tf1_tiny has 40 positions.
    path = hub_encoder.export(source, tmp_path / "e", check=False, limits=limits)
    assert manifest.read(path)["limits"] == dict(tokens=640)
    card = (path / "README.md").read_text()
    assert "| limits of a request to a signature | 640 tokens, including" in card
    run = tf.saved_model.load(str(path)).signatures["tokens"]
    assert run(**encoder_inputs(TF1_HUB, 32, 20))["pooled_output"].shape == [32, 32]
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 640 tokens"):
        run(**encoder_inputs(TF1_HUB, 33, 20))


@pytest.mark.parametrize(
    "export",
    [hub_encoder.export, functools.partial(preprocessor_export.export, seq_length=20)],
)
def test_limits_of_encoders_and_preprocessors_must_admit_some_texts(source, tmp_path, export):
    with pytest.raises(InputError, match="must admit 16 texts of .* Received tokens=319 with"):
        export(source, tmp_path / "m", limits=Limits(tokens=319))
    assert not (tmp_path / "m").exists()


# === Load ===
def test_good_answers_stay_the_same_and_memory_flat_among_hostile_requests(exported):
    models = {kind: exported(kind).model for kind in soak.KINDS}
    soak.soak(models, 50, threads=8)
    result = soak.soak(models, 150, threads=8, seed=1)
    assert result.faults == []
    assert result.good > 70 and result.refused > 15 and result.answered > 5
    assert result.after - result.before < 300
