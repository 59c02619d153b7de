"""Word tables grow in Python: old ids keep their outputs, and a saved model has the new size."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf import AlbertEncoder, AlbertPretrainer
from albert_tf.errors import InputError
from albert_tf.modeling.embeddings import Table
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.fill_mask.model import AlbertMaskedLM
from tests.support.keras_models import CONFIG, MODELS, batch, make

V, MORE = CONFIG.vocab_size, CONFIG.vocab_size + 11


def arrays(outputs, old_ids=False):
    """All outputs as arrays; with `old_ids`, logits of the old vocabulary only."""
    flat = [np.asarray(value) for value in tf.nest.flatten(outputs)]
    return [a[..., :V] if old_ids and a.shape[-1] == MORE else a for a in flat]


@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
def test_old_ids_keep_their_outputs_and_a_saved_model_has_the_size(cls, tmp_path):
    model, features = make(cls), batch(cls)
    before = arrays(model(features))
    count = len(model.weights)
    table = model.resize_token_embeddings(MORE)
    assert table is model.encoder.get_embedding_layer() and table.embeddings.shape[0] == MORE
    assert model.albert_config.vocab_size == MORE and len(model.weights) == count
    for one, two in zip(before, arrays(model(features), old_ids=True), strict=True):
        np.testing.assert_array_equal(one, two)
    features["input_word_ids"][0, ..., 1] = MORE - 1
    after = arrays(model(features))
    model.save_pretrained(tmp_path / "saved")
    model.save(tmp_path / "model.keras")
    again = cls.from_pretrained(tmp_path / "saved")
    keras = tf_keras.models.load_model(tmp_path / "model.keras")
    for loaded in (again, keras):
        for one, two in zip(after, arrays(loaded(features)), strict=True):
            np.testing.assert_array_equal(one, two)


def test_new_rows_are_drawn_and_new_biases_are_zero():
    model = make(AlbertPretrainer)
    old = model.encoder.get_embedding_table().numpy(), model.masked_lm.output_bias.numpy()
    model.resize_token_embeddings(V + 4000)
    table = model.encoder.get_embedding_table().numpy()
    bias = model.masked_lm.output_bias.numpy()
    np.testing.assert_array_equal(table[:V], old[0])
    np.testing.assert_array_equal(bias, np.concatenate([old[1], np.zeros(4000)]))
    # The standard deviation of a truncated normal is 0.88 of that of the normal.
    assert 0.85 < table[V:].std() / CONFIG.initializer_range < 0.91
    assert model.encoder.get_config()["vocab_size"] == V + 4000


def test_a_resized_model_is_trained():
    model = make(AlbertMaskedLM)
    model.resize_token_embeddings(MORE)
    features = batch(AlbertMaskedLM)
    features["input_word_ids"][0, 1] = MORE - 1
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(features)[..., -1])
    gradients = tape.gradient(loss, model.trainable_variables)
    names = [v.name for v, g in zip(model.trainable_variables, gradients) if g is None]
    assert not any("embeddings" in name or "bias" in name for name in names), names
    shapes = [v.shape for v in model.trainable_variables if V in v.shape]
    assert shapes == []


def test_an_encoder_is_resized_and_equal_sizes_change_nothing():
    encoder = AlbertEncoder.from_albert_config(CONFIG)
    table = encoder.get_embedding_table()
    assert encoder.resize_token_embeddings(V).embeddings is table
    ids = tf.constant([[2, 7, 3]])
    before = encoder(ids)["sequence_output"]
    encoder.resize_token_embeddings(MORE)
    np.testing.assert_array_equal(encoder(ids)["sequence_output"], before)
    encoder(tf.constant([[MORE - 1]]))
    with pytest.raises(Exception, match="input_word_ids must lie in"):
        encoder(tf.constant([[MORE]]))


@pytest.mark.parametrize("rows", [V - 1, 0, -3, "9", 1e6, True, None])
def test_a_table_does_not_shrink(rows):
    encoder = AlbertEncoder.from_albert_config(CONFIG)
    with pytest.raises(InputError, match=f"can only grow, .* for a table of {V} rows"):
        encoder.resize_token_embeddings(rows)


def test_tables_from_elsewhere_and_compiled_models_are_refused():
    table = Table(V, CONFIG.embedding_size, "ids", "zeros")
    table.build(None)
    sizes = CONFIG.to_dict()
    encoder = AlbertEncoder(V, sizes["embedding_size"], embedding_layer=table)
    with pytest.raises(InputError, match="embedding_layer of type Table. Pass one with more rows"):
        encoder.resize_token_embeddings(MORE)
    model = make(AlbertClassifier)
    model.compile("adam")
    with pytest.raises(InputError, match="resized before it is compiled"):
        model.resize_token_embeddings(MORE)
