import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf.errors import InputError
from albert_tf.formats import load
from albert_tf.modeling.pretrainer import AlbertPretrainer
from tests.support.goldens import TESTDATA


def training_checkpoint(model, folder, **items):
    """Saves what a training run saves: the model, its parts, the optimizer with slots, the step."""
    optimizer = tf_keras.optimizers.legacy.Adam(0.0)
    optimizer.apply_gradients([(tf.zeros_like(v), v) for v in model.trainable_variables])
    checkpoint = tf.train.Checkpoint(
        model=model,
        optimizer=optimizer,
        global_step=tf.Variable(7, dtype=tf.int64),
        **model.checkpoint_items,
        **items,
    )
    model.albert_config.to_json_file(folder / "albert_config.json")
    return checkpoint.save(str(folder / "ckpt"))


@pytest.fixture(scope="module", params=["tf1_groups", "tf1_nofactor"])
def model(request):
    return AlbertPretrainer.from_pretrained(TESTDATA / request.param)


def test_loading_a_training_folder_restores_its_weights(model, tmp_path):
    training_checkpoint(model, tmp_path)
    source = load.load(tmp_path)
    assert source.format == "checkpoint"
    assert source.config == model.albert_config
    assert source.heads == ("masked_lm", "sentence_order")
    assert source.step == 7
    assert source.unread == ()
    # Two slots per variable, the iteration count and four hyperparameters of Adam.
    assert source.skipped["optimizer variables"] >= 2 * len(model.trainable_variables) + 1
    again = AlbertPretrainer.from_pretrained(tmp_path)
    for before, after in zip(model.variables, again.variables, strict=True):
        assert before.name == after.name
        np.testing.assert_array_equal(before, after)


def test_the_latest_checkpoint_is_read_after_the_folder_was_moved(model, tmp_path):
    (tmp_path / "run").mkdir()
    training_checkpoint(model, tmp_path / "run")
    pooler = model.encoder.pooler_layer.bias
    before = pooler.numpy()
    pooler.assign(before + 1)
    tf.train.Checkpoint(model=model).save(str(tmp_path / "run" / "other"))
    pooler.assign(before)
    shutil.move(tmp_path / "run", tmp_path / "moved")
    bias = load.load(tmp_path / "moved").weights["encoder/pooler/bias"]
    np.testing.assert_array_equal(bias, before + 1)


def test_weights_that_the_model_lacks_are_unread(model, tmp_path):
    training_checkpoint(model, tmp_path, classifier=tf.Variable([1.0], name="classifier"))
    with pytest.raises(InputError, match=r"1 weight unused \(classifier/"):
        AlbertPretrainer.from_pretrained(tmp_path)
    again = AlbertPretrainer.from_pretrained(tmp_path, allow_partial=True)
    np.testing.assert_array_equal(again.encoder.pooler_layer.bias, model.encoder.pooler_layer.bias)


def test_several_checkpoints_without_a_checkpoint_file_are_rejected(model, tmp_path):
    training_checkpoint(model, tmp_path)
    tf.train.Checkpoint(model=model).write(str(tmp_path / "other"))
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(InputError, match="must contain a file 'checkpoint' that names the one"):
        load.load(tmp_path)
