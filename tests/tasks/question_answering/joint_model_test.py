"""The joint model as users run it: configs, XLA, mixed precision, gradients."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf import AlbertEncoder, AlbertJointSpanLabeler
from albert_tf.task_types import TaskDescription
from tests.support.small_config import SMALL

FEATURES = {
    "input_word_ids": tf.constant([[2, 7, 3, 8, 9, 10, 3], [2, 9, 3, 30, 3, 0, 0]]),
    "input_mask": tf.constant([[1] * 7, [1] * 5 + [0] * 2]),
    "input_type_ids": tf.constant([[0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 0, 0]]),
    "start_positions": tf.constant([4, 0]),
}
BEAMS = dict(start_n_top=3, end_n_top=2)


@pytest.fixture
def model():
    tf_keras.utils.set_random_seed(1)
    return AlbertJointSpanLabeler(SMALL, dropout_rate=0.2, **BEAMS)


def test_a_model_can_be_rebuilt_from_its_config(model):
    again = AlbertJointSpanLabeler.from_config(model.get_config())
    again.set_weights(model.get_weights())
    outputs, wanted = again(FEATURES), model(FEATURES)
    assert outputs["end_top_index"].shape == (2, 3, 2) and again.dropout_rate == 0.2
    for name, value in wanted.items():
        np.testing.assert_array_equal(outputs[name], value, err_msg=name)


def test_a_description_sets_the_beam_sizes():
    description = TaskDescription("joint_question_answering", settings=BEAMS)
    model = AlbertJointSpanLabeler.from_description(SMALL, description)
    assert model(FEATURES)["end_top_log_probs"].shape == (2, 3, 2)


def test_the_model_consists_of_encoder_and_head(model):
    encoder = AlbertEncoder.from_albert_config(SMALL)
    encoder.set_weights(model.encoder.get_weights())
    sequence = encoder({n: v for n, v in FEATURES.items() if n != "start_positions"})
    allowed = tf.constant([[1, 0, 0, 1, 1, 1, 0], [1, 0, 0, 1, 0, 0, 0]]) == 1
    wanted = model.head(sequence["sequence_output"], allowed, FEATURES["start_positions"])
    for name, value in model(FEATURES).items():
        np.testing.assert_allclose(value, wanted[name], atol=1e-5, err_msg=name)


def test_xla_gives_the_same_outputs(model):
    outputs = tf.function(model, jit_compile=True)(FEATURES)
    for name, value in model(FEATURES).items():
        np.testing.assert_allclose(outputs[name], value, atol=1e-5, err_msg=name)


def test_scores_are_float32_under_mixed_precision(model):
    tf_keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        half = AlbertJointSpanLabeler(SMALL, **BEAMS)
        half.set_weights(model.get_weights())
        outputs = half(FEATURES)
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    for name in ("start_log_probs", "end_log_probs", "impossible_logits"):
        assert outputs[name].dtype == tf.float32
        np.testing.assert_allclose(outputs[name], model(FEATURES)[name], atol=0.02, err_msg=name)


def test_every_variable_gets_a_gradient(model):
    with tf.GradientTape() as tape:
        outputs = model(FEATURES, training=True)
        sides = [outputs[f"{side}_log_probs"] for side in ("start", "end")]
        loss = tf.reduce_sum(outputs["impossible_logits"]) - sum(s[0, 4] + s[1, 0] for s in sides)
    gradients = tape.gradient(loss, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients):
        # A constant added to all scores does not change the softmax, so it has no gradient.
        if variable.name.split(":")[0].endswith(("key/bias", "/start/bias", "/end/bias")):
            continue
        assert float(tf.reduce_max(tf.abs(tf.convert_to_tensor(gradient)))) > 0, variable.name
    assert not any("pooler" in variable.name for variable in model.trainable_variables)
