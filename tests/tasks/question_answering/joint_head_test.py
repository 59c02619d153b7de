import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf.tasks.question_answering.joint_head import JointSpanHead, answer_positions

# Sequences of 7, hidden size 6, beams of 3 starts and 2 ends: every axis differs.
TYPES = np.array([[0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 0, 0]], np.int32)
ALLOWED = np.array([[1, 0, 0, 1, 1, 1, 0], [1, 0, 1, 1, 0, 0, 0]], bool)


@pytest.fixture(scope="module")
def head():
    initializer = tf_keras.initializers.RandomNormal(stddev=0.5, seed=3)
    head = JointSpanHead(6, initializer, start_n_top=3, end_n_top=2)
    head.build(None)
    rng = np.random.default_rng(5)
    for variable in head.variables:
        variable.assign(rng.normal(size=variable.shape))
    return head


@pytest.fixture(scope="module")
def sequence():
    return np.random.default_rng(7).normal(size=[2, 7, 6]).astype(np.float32)


def log_softmax(logits, allowed):
    logits = np.where(allowed, logits, -np.inf)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def dense(layer, x):
    return x @ layer.kernel.numpy() + (layer.bias.numpy() if layer.use_bias else 0.0)


def reference_ends(head, sequence, row, start):
    """Follows the original: concatenates the start vector to every token, then a dense layer."""
    both = np.concatenate([sequence[row], np.tile(sequence[row, start], [7, 1])], -1)
    hidden = np.tanh(dense(head.end_hidden, both))
    mean, variance = hidden.mean(-1, keepdims=True), hidden.var(-1, keepdims=True)
    gamma, beta = head.end_norm.gamma.numpy(), head.end_norm.beta.numpy()
    hidden = (hidden - mean) / np.sqrt(variance + 1e-12) * gamma + beta
    return log_softmax(dense(head.end, hidden)[:, 0], ALLOWED[row])


def reference_starts(head, sequence):
    return log_softmax(dense(head.start, sequence)[..., 0], ALLOWED)


def test_answers_may_be_in_the_context_or_at_cls():
    np.testing.assert_array_equal(answer_positions(tf.constant(TYPES)), ALLOWED)


def test_training_scores_ends_given_the_true_start(head, sequence):
    outputs = head(sequence, tf.constant(ALLOWED), tf.constant([4, 0]), training=True)
    assert set(outputs) == {"impossible_logits", "start_log_probs", "end_log_probs"}
    ends = np.stack([reference_ends(head, sequence, 0, 4), reference_ends(head, sequence, 1, 0)])
    starts = reference_starts(head, sequence)
    for name, wanted in (("start_log_probs", starts), ("end_log_probs", ends)):
        scores = outputs[name].numpy()
        np.testing.assert_allclose(scores[ALLOWED], wanted[ALLOWED], atol=1e-5)
        assert (scores[~ALLOWED] < -1e29).all()


def test_beams_are_the_best_starts_and_the_best_ends_of_each_start(head, sequence):
    outputs = head(sequence, tf.constant(ALLOWED))
    starts = reference_starts(head, sequence)
    for row in range(2):
        best = np.argsort(-starts[row])[:3]
        np.testing.assert_array_equal(outputs["start_top_index"][row], best)
        np.testing.assert_allclose(
            outputs["start_top_log_probs"][row], starts[row][best], atol=1e-5
        )
        for beam, start in enumerate(best):
            ends = reference_ends(head, sequence, row, start)
            best_ends = np.argsort(-ends)[:2]
            np.testing.assert_array_equal(outputs["end_top_index"][row, beam], best_ends)
            np.testing.assert_allclose(
                outputs["end_top_log_probs"][row, beam], ends[best_ends], atol=1e-5
            )


def test_the_no_answer_score_depends_on_cls_and_the_expected_start(head, sequence):
    expected = np.einsum("bs,bsh->bh", np.exp(reference_starts(head, sequence)), sequence)
    hidden = np.tanh(dense(head.impossible_hidden, np.concatenate([expected, sequence[:, 0]], -1)))
    np.testing.assert_allclose(
        head(sequence, tf.constant(ALLOWED))["impossible_logits"],
        dense(head.impossible, hidden)[:, 0],
        atol=1e-5,
    )


def test_beams_are_not_wider_than_the_sequence(head, sequence):
    outputs = head(sequence[:, :2], tf.constant(ALLOWED[:, :2]))
    assert outputs["start_top_index"].shape == (2, 2)
    assert outputs["end_top_index"].shape == (2, 2, 2)
