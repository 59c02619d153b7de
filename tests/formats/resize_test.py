"""Longer tables of a source: new words, and more positions, next to NumPy's interpolation."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from albert_tf import AlbertClassifier, AlbertEncoder, AlbertPretrainer
from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.formats import resize
from albert_tf.formats.load import load
from albert_tf.formats.source import Stored, Weights
from albert_tf.modeling import pretrained
from albert_tf.tokenization.settings import Preprocessing
from tests.support.paths import TESTDATA

WORDS = "encoder/embeddings/word_embeddings/embeddings"
POSITIONS = "encoder/embeddings/position_embeddings/embeddings"
FOLDER = TESTDATA / "tf1_tiny"


@pytest.fixture(scope="module")
def source():
    return load(FOLDER)


def extended(source, first, pieces, **arguments):
    return resize.with_words(source, first, pieces, Preprocessing(), **arguments)


def test_new_rows_and_biases_are_means_of_the_pieces(source):
    rows = source.config.vocab_size
    result = extended(source, rows, [[5, 9], [7, 7, 1], [3]])
    assert result.config.vocab_size == rows + 3 == result.weights.shape(WORDS)[0]
    for name in (WORDS, "masked_lm/output_bias"):
        old, new = source.weights[name], result.weights[name]
        np.testing.assert_array_equal(new[:rows], old)
        expected = [(old[5] + old[9]) / 2, (2 * old[7] + old[1]) / 3, old[3]]
        np.testing.assert_allclose(new[rows:], expected, rtol=1e-6, atol=1e-9)
    others = set(source.weights) - {WORDS, "masked_lm/output_bias"}
    assert all(np.array_equal(source.weights[n], result.weights[n]) for n in others)


def test_noise_is_a_truncated_normal_and_depends_on_the_seed(source):
    rows, deviation = source.config.vocab_size, source.config.initializer_range
    first, again, other = (
        extended(source, rows, [[5]] * 3000, init="noise", seed=s).weights[WORDS][rows:]
        for s in (1, 1, 2)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert np.abs(first).max() <= 2 * deviation and 0.85 < first.std() / deviation < 0.91


def test_padding_rows_are_taken_first(source):
    rows = source.config.vocab_size
    table = source.weights[WORDS]
    result = extended(source, rows - 2, [[5], [6], [7]])
    assert result.config.vocab_size == rows + 1
    np.testing.assert_array_equal(result.weights[WORDS][rows - 2 :], table[[5, 6, 7]])
    result = extended(source, rows - 5, [[5], [6]])
    assert result.config.vocab_size == rows
    expected = np.concatenate([table[: rows - 5], table[[5, 6]], table[rows - 3 :]])
    np.testing.assert_array_equal(result.weights[WORDS], expected)


def test_a_table_smaller_than_the_vocabulary_and_unknown_inits_are_refused(source):
    rows = source.config.vocab_size
    with pytest.raises(InputError, match=f"Received {rows} rows for {rows + 1} pieces"):
        extended(source, rows + 1, [[5]])
    with pytest.raises(InputError, match="init must be known. Received 'means'. Closest: mean"):
        extended(source, rows, [[5]], init="means")


def test_repeated_positions_keep_outputs_bit_for_bit(source):
    rows = source.config.max_position_embeddings
    long = AlbertPretrainer.from_pretrained(FOLDER, max_position_embeddings=2 * rows + 3)
    short = AlbertPretrainer.from_pretrained(FOLDER)
    table = long.encoder.embeddings_layer.position_embeddings.embeddings.numpy()
    old = source.weights[POSITIONS]
    np.testing.assert_array_equal(table, np.concatenate([old, old, old[:3]]))
    ids = np.random.default_rng(0).integers(5, source.config.vocab_size, [2, rows])
    features = dict(
        input_word_ids=tf.constant(ids, tf.int32), masked_lm_positions=tf.constant([[1], [2]])
    )
    for name, value in short(features).items():
        np.testing.assert_array_equal(long(features)[name], value, err_msg=name)
    ids = tf.constant(np.tile(ids, [1, 2]), tf.int32)
    assert long(dict(input_word_ids=ids))["sequence_output"].shape[1] == 2 * rows
    with pytest.raises(InputError, match="must not be longer than the position table"):
        short(dict(input_word_ids=ids))


@pytest.mark.parametrize("length", [35, 64, 97])
def test_interpolated_positions_equal_numpys(source, length):
    rows = source.config.max_position_embeddings
    length = rows + length
    result = resize.with_positions(source, length, "interpolated")
    old = source.weights[POSITIONS].astype(np.float64)
    places = np.linspace(0, rows - 1, length)
    expected = np.stack([np.interp(places, np.arange(rows), c) for c in old.T], 1)
    np.testing.assert_allclose(result.weights[POSITIONS], expected, rtol=1e-5, atol=1e-8)
    assert result.weights[POSITIONS].dtype == np.float32


def test_one_position_is_interpolated(source):
    name = POSITIONS
    one = dataclasses.replace(
        source, config=dataclasses.replace(source.config, max_position_embeddings=1)
    )
    first = source.weights[name][:1]
    one = dataclasses.replace(one, weights=_Single(source.weights, name, first))
    result = resize.with_positions(one, 4, "interpolated").weights[name]
    np.testing.assert_array_equal(result, np.repeat(first, 4, 0))


class _Single(type(load(FOLDER).weights)):
    """Weights with one array replaced."""

    def __init__(self, weights, name, array):
        super().__init__(weights._stored)
        self._name, self._array = name, array

    def __getitem__(self, name):
        return self._array if name == self._name else super().__getitem__(name)

    def shape(self, name):
        return self._array.shape if name == self._name else super().shape(name)


@pytest.mark.parametrize("to", ["tf1", "hugging_face", "keras_hub", "model_garden", "checkpoint"])
def test_every_format_stores_more_positions(source, to, tmp_path):
    length = source.config.max_position_embeddings + 9
    longer = resize.with_positions(source, length, "interpolated")
    convert(longer, to, tmp_path / "there", allow_partial=True)
    again = load(tmp_path / "there")
    assert again.config.max_position_embeddings == length
    np.testing.assert_array_equal(again.weights[POSITIONS], longer.weights[POSITIONS])


def test_task_models_and_encoders_read_longer_texts(source, tmp_path):
    length = source.config.max_position_embeddings + 5
    model = AlbertClassifier.from_pretrained(
        FOLDER, num_classes=3, max_position_embeddings=length, positions="interpolated"
    )
    model.save_pretrained(tmp_path / "saved")
    again = AlbertClassifier.from_pretrained(tmp_path / "saved")
    ids = tf.constant(np.full([1, length], 7), tf.int32)
    np.testing.assert_array_equal(again(ids), model(ids))
    encoder = AlbertEncoder.from_pretrained(
        tmp_path / "saved", max_position_embeddings=length + 1, remove_padding=True
    )
    assert encoder.remove_padding and encoder.get_config()["max_sequence_length"] == length + 1


@pytest.mark.parametrize("length", [1, 31])
def test_fewer_positions_are_refused(source, length):
    rows = source.config.max_position_embeddings
    message = f"can only become longer; .*max_position_embeddings={length} for .* with {rows}"
    with pytest.raises(InputError, match=message):
        AlbertEncoder.from_pretrained(FOLDER, max_position_embeddings=length)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(positions="repeat"), "positions must be known. Received 'repeat'. Closest: repeated"),
        (dict(positions=7), "positions must be known. Received 7"),
        (dict(max_position_embeddings="1024"), "must be an integer of at least 1"),
        (dict(max_position_embeddings=0), "must be an integer of at least 1. Received 0"),
        (dict(max_position_embeddings=10**9), "must be at most 1000000"),
    ],
)
def test_invalid_arguments_are_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        AlbertEncoder.from_pretrained(FOLDER, **arguments)


def grouped(layers, groups, inner=2):
    """Returns a source with weights that tell their group."""
    config = dataclasses.replace(
        load(FOLDER).config,
        num_hidden_layers=layers,
        num_hidden_groups=groups,
        inner_group_num=inner,
    )
    model = AlbertEncoder.from_albert_config(config)
    for group, blocks in enumerate(model.stack.groups):
        for block in blocks:
            for variable in block.variables:
                variable.assign(tf.random.stateless_normal(variable.shape, [group, 3], stddev=0.1))
    stored = pretrained._variables(model, config, None)
    weights = {n: Stored(tuple(v.shape), lambda v=v: v.numpy()) for n, v in stored.items()}
    return model, dataclasses.replace(load(FOLDER), config=config, weights=Weights(weights))


@pytest.mark.parametrize(
    ("layers", "groups", "count", "kept"),
    [
        (6, 1, 3, [0, 0, 0]),
        (6, 2, 4, [0, 0, 1, 1]),
        (6, 2, 1, [1]),
        (6, 6, 3, [1, 3, 5]),
        (7, 6, 5, [0, 1, 2, 3, 5]),
        (5, 5, 5, [0, 1, 2, 3, 4]),
    ],
)
def test_fewer_layers_run_groups_that_are_spread_evenly(layers, groups, count, kept):
    full, source = grouped(layers, groups)
    fewer = resize.with_layers(source, count)
    model = AlbertEncoder.from_pretrained(fewer)
    assert len(model.transformer_layers) == 2 * count == 2 * fewer.config.num_hidden_layers
    ids = tf.constant([[2, 48, 25, 3, 17], [2, 9, 3, 0, 0]])
    inputs = {"input_word_ids": ids, "input_mask": tf.cast(ids > 0, tf.int32)}
    # An encoder whose layers are those of the full one, in the order that is expected.
    monkey = full.stack
    order = [block for group in kept for block in monkey.groups[group]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(monkey), "applications", property(lambda _: order))
        expected = full(inputs)["sequence_output"]
    np.testing.assert_allclose(model(inputs)["sequence_output"], expected, atol=1e-6)


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("count", [0, -1, 4, True, 1.5, "2"])
def test_a_number_of_layers_that_there_cannot_be_is_an_error(count, groups):
    _, source = grouped(3, groups)
    message = (
        f"a number of layers, from 1 to the 3 of the initial weights. Received .*={count!r} for"
    )
    with pytest.raises(InputError, match=message):
        resize.with_layers(source, count)


def test_more_layers_run_the_same_groups_more_often():
    _, source = grouped(2, 2)
    more = resize.with_layers(source, 5, more=True)
    assert (more.config.num_hidden_layers, more.config.num_hidden_groups) == (5, 2)
    assert set(more.weights) == set(source.weights)
    with pytest.raises(InputError, match="a number of layers, 1 or more. Received NUM_LAYERS=0"):
        resize.with_layers(source, 0, more=True)
