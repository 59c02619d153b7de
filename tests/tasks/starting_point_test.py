"""Loading initial weights: which parts are loaded, which stay new, and which are rejected."""

import numpy as np
import pytest

from albert_tf import AlbertClassifier, AlbertConfig, AlbertPretrainer, AlbertTokenizer
from albert_tf.errors import InputError
from albert_tf.formats import load
from albert_tf.tasks import model_config, starting_point
from tests.support.paths import TESTDATA

TF1 = TESTDATA / "tf1_tiny"
VOCAB = TESTDATA / "tokenization/spm.model"


@pytest.fixture(scope="module")
def source():
    return load.load(TF1)


def test_a_pretrainer_loads_encoder_and_heads(source):
    model = AlbertPretrainer(source.config)
    text = starting_point.load_weights(model, str(TF1))
    assert "encoder 25 of 25, masked_lm 5 of 5, sentence_order 2 of 2" in text and "new" not in text
    expected = AlbertPretrainer.from_pretrained(TF1)
    for ours, theirs in zip(model.variables, expected.variables):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.name)


def test_a_task_model_loads_the_encoder_and_keeps_a_new_head(source):
    model = AlbertClassifier(source.config, num_classes=3)
    before = model.head.kernel.numpy()
    text = starting_point.load_weights(model, str(TF1))
    assert "encoder 25 of 25" in text and "masked_lm" not in text and "; new: " in text
    np.testing.assert_array_equal(model.head.kernel, before)
    table = source.weights["encoder/embeddings/word_embeddings/embeddings"]
    np.testing.assert_array_equal(model.encoder.get_embedding_table(), table)


def test_a_head_missing_from_the_source_stays_new():
    path = TESTDATA / "kerashub_tiny"
    model = AlbertPretrainer(load.load(path).config)
    before = model.sentence_order.variables[0].numpy()
    text = starting_point.load_weights(model, str(path))
    assert "sentence_order 0 of 2" in text and "; new: " in text
    np.testing.assert_array_equal(model.sentence_order.variables[0], before)


def test_the_config_can_be_taken_from_the_weights(source):
    config = model_config.from_pretrained(str(TF1), hidden_dropout_prob=0.1).to_albert_config()
    assert config == AlbertConfig(**{**source.config.to_dict(), "hidden_dropout_prob": 0.1})
    starting_point.check_weights(str(TF1), config, AlbertTokenizer(VOCAB))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(num_hidden_layers=4), "num_hidden_layers=4 here, 3 there.*model_config.from_pre"),
        (dict(hidden_act="relu"), "hidden_act='relu' here, 'gelu' there"),
        (dict(vocab_size=201, embedding_size=8), "vocab_size=201 here, 200 there; embedding_size"),
    ],
)
def test_a_different_config_is_an_error(changes, message, source):
    config = AlbertConfig(**{**source.config.to_dict(), **changes})
    with pytest.raises(InputError, match=message):
        starting_point.check_weights(str(TF1), config, AlbertTokenizer(VOCAB))


def test_a_different_vocabulary_is_an_error(tmp_path, source):
    folder = tmp_path / "source"
    folder.mkdir()
    for path in TF1.iterdir():
        (folder / path.name).symlink_to(path)
    models = sorted((TESTDATA / "tokenization").glob("*.model"))
    (folder / "vocab.model").symlink_to(models[0])
    same, other = AlbertTokenizer(models[0]), AlbertTokenizer(models[1])
    starting_point.check_weights(str(folder), source.config, same)
    with pytest.raises(
        InputError, match="the weights were trained with, .* Received VOCAB=.*maps id .*Set VOCAB"
    ):
        starting_point.check_weights(str(folder), source.config, other)


def test_missing_weights_are_an_error(source):
    with pytest.raises(InputError, match="Received 'nowhere', which does not exist"):
        starting_point.check_weights("nowhere", source.config, AlbertTokenizer(VOCAB))
