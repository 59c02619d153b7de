"""All models and layers in `tf.function`, XLA, mixed precision, checkpoints and SavedModels."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf import (
    AlbertClassifier,
    AlbertEncoder,
    AlbertMultipleChoice,
    AlbertPretrainer,
)
from albert_tf.modeling.heads import MaskedLMHead, SentenceOrderHead
from tests.support.small_config import SMALL

B, S, P, V = 2, 7, 3, SMALL.vocab_size
CONFIG = dataclasses.replace(SMALL, num_hidden_layers=4, num_hidden_groups=2, inner_group_num=2)


def features():
    rng = np.random.default_rng(5)
    mask = np.ones([B, S], np.int32)
    mask[1, 5:] = 0
    return {
        "input_word_ids": tf.constant(rng.integers(0, V, [B, S]), tf.int32),
        "input_mask": tf.constant(mask),
        "input_type_ids": tf.constant(rng.integers(0, 2, [B, S]), tf.int32),
    }


def hidden(width=12):
    return tf.constant(np.random.default_rng(6).normal(size=[B, S, width]), tf.float32)


def encoder(**changes):
    return AlbertEncoder.from_albert_config(CONFIG, name="encoder", **changes)


CASES = {
    "encoder": lambda: (encoder(), (features(),)),
    "encoder_norm_first": lambda: (encoder(norm_first=True), (features(),)),
    "encoder_output_range": lambda: (encoder(output_range=2), (features(),)),
    "encoder_scores": lambda: (encoder(return_attention_scores=True), (features(),)),
    "encoder_remove_padding": lambda: (encoder(remove_padding=True), (features(),)),
    "encoder_lists": lambda: (encoder(dict_outputs=False), (features(),)),
    "pretrainer": lambda: (
        AlbertPretrainer(CONFIG),
        ({**features(), "masked_lm_positions": tf.constant([[0, 4, 6], [1, 1, 2]])},),
    ),
    "classifier": lambda: (AlbertClassifier(CONFIG, labels=["a", "b", "c"]), (features(),)),
    "multiple_choice": lambda: (
        AlbertMultipleChoice(CONFIG),
        ({name: tf.stack([value, value[::-1]], 1) for name, value in features().items()},),
    ),
    "masked_lm_head": lambda: (
        MaskedLMHead(tf.Variable(tf.random.normal([V, 5], seed=1)), 12),
        (hidden(), tf.constant([[0, 4, 6], [1, 1, 2]])),
    ),
    "sentence_order_head": lambda: (SentenceOrderHead(12), (hidden()[:, 0],)),
}


def build(name):
    tf_keras.utils.set_random_seed(1)
    model, inputs = CASES[name]()
    model(*inputs)
    rng = np.random.default_rng(7)
    for variable in model.variables:
        center = 1.0 if "gamma" in variable.name else 0.0
        variable.assign(rng.normal(center, 0.2, variable.shape))
    return model, inputs


def assert_close(actual, wanted, tolerance):
    tf.nest.assert_same_structure(actual, wanted)
    for a, b in zip(tf.nest.flatten(actual), tf.nest.flatten(wanted)):
        a, b = tf.cast(a, tf.float32).numpy(), tf.cast(b, tf.float32).numpy()
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, b, atol=tolerance)


@pytest.fixture(params=CASES)
def case(request):
    return request.param


def test_tf_function_with_unknown_batch_size_and_length_equals_eager_calls(case):
    model, inputs = build(case)
    specs = tf.nest.map_structure(
        lambda x: tf.TensorSpec([None, None, *x.shape[2:]][: x.shape.rank], x.dtype), inputs
    )
    if case == "sentence_order_head":
        specs = (tf.TensorSpec([None, 12], tf.float32),)
    call = tf.function(lambda *a: model(*a), input_signature=specs)
    assert_close(call(*inputs), model(*inputs), 1e-5)
    one = tf.nest.map_structure(lambda x: x[:1], inputs)
    assert_close(call(*one), model(*one), 1e-5)


def test_xla_equals_eager_calls(case):
    if case == "encoder_remove_padding":
        pytest.skip("the number of real tokens is known only when the graph runs")
    model, inputs = build(case)
    assert_close(tf.function(model, jit_compile=True)(*inputs), model(*inputs), 1e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_close_to_float32(case, policy):
    wanted_model, inputs = build(case)
    wanted = wanted_model(*inputs)
    tf_keras.mixed_precision.set_global_policy(policy)
    try:
        model, _ = build(case)
        outputs = model(*inputs)
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    assert all(v.dtype == tf.float32 for v in model.variables)
    assert_close(outputs, wanted, 0.35 if policy == "mixed_bfloat16" else 0.05)
    if isinstance(outputs, dict):
        for name in ("mlm_logits", "sop_logits"):
            if name in outputs:
                assert outputs[name].dtype == tf.float32
        dtype = tf.bfloat16 if policy == "mixed_bfloat16" else tf.float16
        assert outputs["sequence_output"].dtype == dtype


def test_a_checkpoint_restores_all_variables(case, tmp_path):
    model, inputs = build(case)
    path = tf.train.Checkpoint(model=model).write(str(tmp_path / "c"))
    other, _ = build(case)
    for variable in other.variables:
        variable.assign(tf.zeros_like(variable))
    tf.train.Checkpoint(model=other).read(path).assert_consumed()
    assert_close(other(*inputs), model(*inputs), 0.0)


def test_gradients_reach_every_variable(case):
    model, inputs = build(case)
    with tf.GradientTape() as tape:
        outputs = tf.nest.flatten(
            model(*inputs, training=True) if "head" not in case else model(*inputs)
        )
        loss = tf.add_n([tf.reduce_sum(x**2 + x) for x in outputs])
    gradients = tape.gradient(loss, model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients):
        if "key/bias" not in variable.name:
            assert float(tf.reduce_max(tf.abs(tf.convert_to_tensor(gradient)))) > 0, variable.name


def test_a_keras_model_with_the_encoder_can_be_saved_and_loaded(tmp_path):
    layer, inputs = build("encoder")
    model = tf_keras.Model(layer.inputs, layer(layer.inputs))
    model.save(tmp_path / "m", save_format="tf")
    loaded = tf_keras.models.load_model(tmp_path / "m")
    assert_close(loaded(inputs[0])["pooled_output"], layer(*inputs)["pooled_output"], 1e-6)
