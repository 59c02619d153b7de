"""`AlbertPretrainer.predictions` gives the same outputs and gradients as a full call."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf import AlbertPretrainer
from tests.support.pretraining_step import batch

SIZES = dict(
    vocab_size=200, embedding_size=12, hidden_size=20, num_hidden_layers=3, num_hidden_groups=2,
    inner_group_num=2, num_attention_heads=5, intermediate_size=28, max_position_embeddings=16,
)  # fmt: skip


@pytest.mark.parametrize("remove_padding", [False, True])
@pytest.mark.parametrize("recompute", [False, True])
def test_predictions_equal_a_full_call(remove_padding, recompute):
    tf_keras.utils.set_random_seed(2)
    model = AlbertPretrainer(SIZES, recompute=recompute)
    model.encoder.remove_padding = remove_padding
    directions = tf.random.normal([6, 4, 200]), tf.random.normal([6, 2])

    def computed(forward):
        with tf.GradientTape() as tape:
            outputs = forward(batch(), training=True)
            pairs = zip((outputs["mlm_logits"], outputs["sop_logits"]), directions)
            loss = tf.add_n([tf.reduce_sum(x * direction) for x, direction in pairs])
        gradients = tape.gradient(loss, model.trainable_variables)
        return outputs, [tf.convert_to_tensor(g).numpy() for g in gradients]

    (called, wanted), (predicted, gradients) = computed(model), computed(model.predictions)
    assert set(predicted) == {"mlm_logits", "sop_logits"}
    for name, logits in predicted.items():
        np.testing.assert_allclose(logits, called[name], atol=1e-5)
    for variable, gradient, value in zip(model.trainable_variables, gradients, wanted):
        scale = np.abs(value).max() + 1e-3
        np.testing.assert_allclose(
            gradient / scale, value / scale, atol=1e-5, err_msg=variable.name
        )
