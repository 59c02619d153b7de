"""Answers of served tasks in memory; tests/export/task_requests_test.py tests their exports."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.classification.served import ServedClassifier
from albert_tf.tasks.multiple_choice import data as multiple_choice
from albert_tf.tasks.multiple_choice.model import AlbertMultipleChoice
from albert_tf.tasks.multiple_choice.served import ServedMultipleChoice
from albert_tf.tasks.question_answering.joint_model import AlbertJointSpanLabeler
from albert_tf.tasks.question_answering.model import AlbertSpanLabeler
from albert_tf.tasks.question_answering.served import (
    ServedJointQuestionAnswering,
    ServedQuestionAnswering,
    SpanSettings,
)
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.paths import TESTDATA
from tests.support.small_config import SMALL

VOCAB = TESTDATA / "tokenization/spm.model"
CONFIG = dataclasses.replace(
    SMALL, vocab_size=1000, max_position_embeddings=40, initializer_range=0.5
)
LABELS = ("bad", "fair", "good")
TEXTS = ["one line of text", "", "two words, and 1,000 more than that"]


@pytest.fixture(autouse=True)
def same_weights():
    tf_keras.utils.set_random_seed(7)


@pytest.fixture(scope="module")
def tokenizer():
    return AlbertTokenizer(VOCAB)


def test_a_served_classifier_gives_the_class_of_the_model(tokenizer):
    model = AlbertClassifier(CONFIG, labels=LABELS)
    run = ServedClassifier(model, tokenizer, seq_length=32).signatures()["serving_default"]
    outputs = run(tf.constant(TEXTS))
    logits = model(tokenizer(TEXTS, padding="longest")).numpy()
    np.testing.assert_allclose(outputs["logits"], logits, atol=1e-5)
    exponentials = np.exp(logits)
    shares = exponentials / exponentials.sum(1, keepdims=True)
    np.testing.assert_allclose(outputs["probabilities"], shares, atol=1e-5)
    assert outputs["label_index"].numpy().tolist() == logits.argmax(1).tolist()
    labels = [label.decode() for label in outputs["label"].numpy()]
    assert labels == [LABELS[index] for index in logits.argmax(1)]


@pytest.mark.parametrize("finder", [ServedQuestionAnswering, ServedJointQuestionAnswering])
def test_empty_long_and_invalid_contexts_are_answered(tokenizer, finder):
    labeler = AlbertSpanLabeler if finder is ServedQuestionAnswering else AlbertJointSpanLabeler
    settings = SpanSettings(128, 9, n_best=3, max_answer_length=30, null_threshold=None)
    run = finder(labeler(CONFIG), tokenizer, 32, settings).signatures()["serving_default"]
    questions = ["", "which " * 50, "what", "why", " \u0301"]
    contexts = ["", TEXTS[2], b"\xff \xfe", "word " * 2000, TEXTS[2]]
    outputs = run(tf.constant(questions), tf.constant(contexts))
    assert outputs["n_best_answers"].shape == [5, 3]
    assert outputs["answer"][0] == b"" and outputs["score"][0] == 0.0
    assert np.all(np.isfinite(outputs["n_best_scores"])) and np.all(
        np.isfinite(outputs["null_odds"])
    )
    # A blank question gets no answer, as in evaluation.
    assert set(outputs["n_best_answers"][4].numpy()) == {b""} and outputs["score"][4] == 0.0
    for index in (1, 3):
        answer, begin, end = (outputs[n][index].numpy() for n in ("answer", "start", "end"))
        assert contexts[index][begin:end].strip() == answer.decode() != ""


@pytest.fixture(scope="module")
def choose(tokenizer):
    return ServedMultipleChoice(AlbertMultipleChoice(CONFIG), tokenizer, 32).signatures()[
        "serving_default"
    ]


def test_empty_choices_are_never_chosen(choose):
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
    outputs = choose(passages, tf.constant(questions), tf.constant(choices))
    joined = [multiple_choice.joined(q, row) for q, row in zip(questions, choices)]
    expected = choose(passages, tf.constant([""] * len(questions)), tf.constant(joined))
    # The "_" of a joined choice is no longer a gap.
    np.testing.assert_allclose(outputs["logits"], expected["logits"], atol=1e-6)
    assert len(np.unique(np.round(outputs["logits"][:, 0], 5))) == len(questions)
