"""What clients of a served task may send, good and bad."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from small_config import SMALL

from albert_tf.data.labelled import multiple_choice
from albert_tf.modeling.classifier import AlbertClassifier
from albert_tf.modeling.joint_span_labeler import AlbertJointSpanLabeler
from albert_tf.modeling.multiple_choice import AlbertMultipleChoice
from albert_tf.modeling.span_labeler import AlbertSpanLabeler
from albert_tf.serving.choice_maker import ChoiceMaker
from albert_tf.serving.span_finder import JointSpanFinder, SpanFinder, SpanSettings
from albert_tf.serving.text_classifier import TextClassifier
from albert_tf.tokenization.tokenizer import AlbertTokenizer

VOCAB = Path(__file__).parents[1] / "testdata/tokenization/spm.model"
CONFIG = dataclasses.replace(
    SMALL, vocab_size=1000, max_position_embeddings=40, initializer_range=0.5
)
LABELS = ("bad", "fair", "good")
TEXTS = ["one line of text", "", "two words, and 1,000 more than that"]


@pytest.fixture(scope="module")
def tokenizer():
    return AlbertTokenizer(VOCAB)


@pytest.fixture(scope="module")
def model():
    tf.random.set_seed(4)
    return AlbertClassifier(CONFIG, labels=LABELS)


@pytest.fixture(scope="module")
def served(model, tokenizer):
    return TextClassifier(model, tokenizer, seq_length=32).signatures()


@pytest.fixture(scope="module")
def pairs(model, tokenizer):
    return TextClassifier(model, tokenizer, seq_length=32, pairs=True).signatures()


def logits(run, *inputs):
    outputs = run(*map(tf.constant, inputs))
    assert np.all(np.isfinite(outputs["logits"]))
    np.testing.assert_allclose(np.sum(outputs["probabilities"], 1), 1.0, atol=1e-6)
    best = np.argmax(outputs["logits"], 1)
    assert [label.decode() for label in outputs["label"].numpy()] == [LABELS[i] for i in best]
    return outputs["logits"].numpy()


@pytest.fixture(scope="module")
def good(served):
    return logits(served["serving_default"], TEXTS)


def test_texts_are_what_the_model_says_to_their_ids(good, model, tokenizer):
    ours = model(tokenizer(TEXTS, padding="longest"))
    np.testing.assert_allclose(good, ours, atol=1e-5)


@pytest.mark.parametrize(
    "text",
    [b"\xff\xfe\x80 text", b"\xed\xa0\x80", b"\x00", "\ufffd" * 9, "word " * 200_000, "x" * 2**20],
    ids=["not UTF-8", "a surrogate", "a null", "replacements", "1 MB of words", "1 MB word"],
)
def test_a_bad_text_is_answered_and_spoils_no_other(served, good, text):
    answers = logits(served["serving_default"], [TEXTS[0], text, TEXTS[2]])
    np.testing.assert_allclose(answers[[0, 2]], good[[0, 2]], atol=1e-5)


def test_no_text_at_all(served):
    outputs = served["serving_default"](tf.constant([], tf.string))
    assert outputs["logits"].shape == [0, 3] and outputs["label"].shape == [0]


def row(length, first=2):
    return [[first, *range(5, 3 + length), 3]]


@pytest.mark.parametrize(
    ("ids", "mask", "types", "message"),
    [
        ([[2, 1000, 3]], [[1] * 3], [[0] * 3], r"must lie in \[0, 1000\)"),
        ([[2, -1, 3]], [[1] * 3], [[0] * 3], r"must lie in \[0, 1000\)"),
        (row(41), [[1] * 41], [[0] * 41], "position table"),
        (row(5), [[1] * 4], [[0] * 5], "must have one shape"),
        (row(5), [[1] * 5] * 2, [[0] * 5], "must have one shape"),
        (row(5), [[1] * 5], [[2] * 5], r"\[0, 2\)"),
    ],
)
def test_wrong_ids_are_told_by_their_rule(served, ids, mask, types, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        served["tokens"](*map(tf.constant, (ids, mask, types)))


def test_a_row_of_padding_alone_gives_numbers(served):
    ids, zeros = row(5) + [[0] * 5], [[0] * 5] * 2
    both = logits(served["tokens"], ids, [[1] * 5, [0] * 5], zeros)
    alone = logits(served["tokens"], ids[:1], [[1] * 5], zeros[:1])
    np.testing.assert_allclose(both[:1], alone, atol=1e-5)


def test_rows_that_the_server_padded_have_the_answers_of_single_ones(served):
    short, long = row(4), row(9)
    padded = [[*short[0], *[2] * 5], long[0]]
    both = logits(served["tokens"], padded, [[1] * 9] * 2, [[0] * 9] * 2)
    for index, ids in enumerate((short, long)):
        size = len(ids[0])
        alone = logits(served["tokens"], ids, [[1] * size], [[0] * size])
        np.testing.assert_allclose(both[index : index + 1], alone, atol=1e-5)


def test_missing_inputs_are_named(served, pairs):
    with pytest.raises(TypeError, match="text_b"):
        pairs["serving_default"](tf.constant(["a"]))
    example = tf.train.Example().SerializeToString()
    with pytest.raises(tf.errors.InvalidArgumentError, match="Feature: text.*is required"):
        served["examples"](tf.constant([example]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse"):
        served["examples"](tf.constant(["no example"]))


def test_pairs_must_be_of_one_batch(pairs):
    with pytest.raises(tf.errors.InvalidArgumentError, match="text, text_b must have one batch"):
        pairs["serving_default"](tf.constant(["a"]), tf.constant(["b", "c"]))


def test_requests_of_many_threads_have_the_answers_of_single_ones(served):
    batches = [[text] * count for text in TEXTS for count in (1, 2, 3)]
    single = [logits(served["serving_default"], batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda b: logits(served["serving_default"], b), batches * 4))
    for ours, alone in zip(found, single * 4):
        np.testing.assert_allclose(ours, alone, atol=1e-6)


@pytest.mark.parametrize("finder", [SpanFinder, JointSpanFinder])
def test_contexts_without_an_answer_and_bad_ones(tokenizer, finder):
    labeler = AlbertSpanLabeler if finder is SpanFinder else AlbertJointSpanLabeler
    settings = SpanSettings(n_best=3, max_query_length=9)
    run = finder(labeler(CONFIG), tokenizer, 32, settings).signatures()["serving_default"]
    questions = ["", "which " * 50, "what", "why"]
    contexts = ["", TEXTS[2], b"\xff \xfe", "word " * 2000]
    outputs = run(tf.constant(questions), tf.constant(contexts))
    assert outputs["n_best_answers"].shape == [4, 3]
    assert outputs["answer"][0] == b"" and outputs["score"][0] == 0.0
    assert np.all(np.isfinite(outputs["n_best_scores"])) and np.all(
        np.isfinite(outputs["null_odds"])
    )
    for index in (1, 3):
        answer, begin, end = (outputs[n][index].numpy() for n in ("answer", "start", "end"))
        assert contexts[index][begin:end].strip() == answer.decode() != ""


@pytest.fixture(scope="module")
def choose(tokenizer):
    return ChoiceMaker(AlbertMultipleChoice(CONFIG), tokenizer, 32).signatures()["serving_default"]


def test_choices_that_are_not_there_are_never_chosen(choose):
    choices = [["", "this", ""], ["that", "this", ""], ["", "", ""]]
    outputs = choose(tf.constant(TEXTS), tf.constant(["", "why", ""]), tf.constant(choices))
    shares = outputs["probabilities"].numpy()
    assert outputs["answer"][0].numpy() == b"this" and shares[0].tolist() == [0.0, 1.0, 0.0]
    assert shares[1, 2] == 0.0 and shares[1, :2].sum() == pytest.approx(1.0)
    np.testing.assert_allclose(shares[2], 1 / 3)


def test_a_choice_fills_the_gaps_of_its_question_as_in_training(choose):
    questions = ["The _ is a file.", "_", "_ and_then _", "no gap", "at the end _"]
    choices = [["mouse", "1,000 _ lists"]] * len(questions)
    passages = tf.constant([TEXTS[2]] * len(questions))
    found = choose(passages, tf.constant(questions), tf.constant(choices))
    joined = [[multiple_choice.joined(q, c) for c in row] for q, row in zip(questions, choices)]
    alike = choose(passages, tf.constant([""] * len(questions)), tf.constant(joined))
    # The joined choices hold a "_" that is no gap any more.
    np.testing.assert_allclose(found["logits"], alike["logits"], atol=1e-6)
    assert len(np.unique(np.round(found["logits"][:, 0], 5))) == len(questions)
