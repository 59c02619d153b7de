"""Early exit with int8 products."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf import AlbertClassifier, AlbertConfig
from albert_tf.modeling.precision import ReducedPrecision

SIZES = dict(
    vocab_size=60,
    embedding_size=24,
    hidden_size=48,
    num_hidden_layers=5,
    num_attention_heads=4,
    intermediate_size=96,
    max_position_embeddings=16,
    initializer_range=0.2,
)


@pytest.fixture(scope="module")
def model():
    tf_keras.utils.set_random_seed(1)
    return AlbertClassifier(AlbertConfig(**SIZES), labels=["a", "b", "c"], early_exit="joint")


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(2)
    mask = np.arange(13) < rng.integers(1, 14, [7, 1])
    arrays = dict(input_word_ids=rng.integers(1, 60, [7, 13]), input_mask=mask)
    return {name: tf.constant(array.astype(np.int32)) for name, array in arrays.items()}


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_texts_leave_where_the_heads_of_the_int8_layers_are_sure(model, features, share):
    reduced = ReducedPrecision(model.encoder, "int8")

    def in_int8(function, *arguments):
        with reduced.replaced():
            return tf.function(lambda: function(features, *arguments), autograph=False)()

    of_layers = in_int8(model.layer_logits).numpy()  # [B, L, C]
    sure = tf.nn.softmax(of_layers).numpy().max(axis=-1)  # [B, L]
    threshold = share if share in (0.0, 1.0) else float(np.median(sure[:, 0]))
    answers = in_int8(model.early, threshold)
    used = answers["layers"].numpy()
    assert (len(set(used)) > 1) == (share == 0.5)
    # A difference of 1e-7 may round an activation to the next level.
    expected = of_layers[np.arange(len(used)), used - 1]
    np.testing.assert_allclose(answers["logits"], expected, atol=2e-2)
    for row, count in zip(sure, used):
        assert count == SIZES["num_hidden_layers"] or row[count - 1] > threshold - 0.02
        assert (row[: count - 1] <= threshold + 0.02).all()
