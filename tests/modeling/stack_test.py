"""A graph contains a shared block only once, however many layers apply it."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf.modeling.encoder import AlbertEncoder

NAMES = ("input_word_ids", "input_mask", "input_type_ids")
GROUPS, LAYERS = 2, 5


@pytest.fixture(scope="module")
def encoder():
    tf_keras.utils.set_random_seed(5)
    return AlbertEncoder(
        vocab_size=31,
        embedding_width=6,
        hidden_size=12,
        num_layers=LAYERS,
        num_attention_heads=3,
        max_sequence_length=9,
        intermediate_size=20,
        num_hidden_groups=GROUPS,
    )


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(3)
    mask = (np.arange(7) < np.array([[7], [3]])).astype(np.int32)
    ids = rng.integers(0, 31, mask.shape, np.int32)
    return dict(zip(NAMES, map(tf.constant, (ids, mask, 1 - mask))))


@pytest.mark.parametrize(
    ("arguments", "softmaxes"),
    [
        ({}, GROUPS),
        ({"output_range": 1}, GROUPS + 1),  # the last application is a different computation
        ({"training": True}, LAYERS),
    ],
)
def test_a_graph_contains_each_block_once(encoder, features, arguments, softmaxes):
    graph = tf.function(encoder, autograph=False).get_concrete_function(features, **arguments).graph
    graph = graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    assert sum(node.op == "Softmax" for node in nodes) == softmaxes


@pytest.mark.parametrize("xla", [False, True])
def test_outputs_and_gradients_equal_those_of_eager_calls(encoder, features, xla):
    def run():
        with tf.GradientTape() as tape:
            outputs = encoder(features)
            loss = sum(tf.reduce_sum(outputs[n] ** 3) for n in ("pooled_output", "sequence_output"))
        gradients = tape.gradient(loss, encoder.trainable_variables)
        return outputs["sequence_output"], [tf.convert_to_tensor(g) for g in gradients]

    wanted, gradients = run()
    actual, graph_gradients = tf.function(run, autograph=False, jit_compile=xla)()
    np.testing.assert_allclose(actual, wanted, atol=1e-5)
    for gradient, graph_gradient in zip(gradients, graph_gradients, strict=True):
        scale = 1.0 + np.max(np.abs(gradient))
        np.testing.assert_allclose(graph_gradient, gradient, atol=1e-5 * scale, rtol=0.0)
