"""Arguments of the encoder under Model Garden's names, and errors for wrong ones."""

import numpy as np
import pytest
import tensorflow as tf
from official.nlp.modeling import networks

from albert_tf import AlbertEncoder
from albert_tf.errors import InputError
from albert_tf.modeling.arguments import ALIASES

SIZES = dict(vocab_size=31, embedding_width=5, hidden_size=12, num_layers=2, num_attention_heads=3)
VALUES = dict(
    inner_dim=20,
    inner_activation="relu",
    output_dropout=0.2,
    attention_dropout=0.3,
    return_word_embeddings=True,
)


def test_an_alias_sets_the_argument():
    assert set(VALUES) == set(ALIASES)
    renamed = {ALIASES[name]: value for name, value in VALUES.items()}
    by_alias = AlbertEncoder(**SIZES, **VALUES, name="encoder")
    by_name = AlbertEncoder(**SIZES, **renamed, name="encoder")
    assert by_alias.get_config() == by_name.get_config()
    assert by_name.get_config() | renamed == by_name.get_config()


def test_every_argument_of_model_gardens_encoders_is_taken():
    encoder = networks.BertEncoderV2(100, hidden_size=12, num_layers=1, num_attention_heads=3)
    config = {**encoder.get_config(), "inner_activation": tf.nn.relu, "initializer": "zeros"}
    ours = AlbertEncoder(**config)
    assert ours.get_config()["intermediate_size"] == config["inner_dim"]
    AlbertEncoder(**config, dict_outputs=True, return_all_encoder_outputs=True)


def test_word_embeddings_are_the_embedding_output():
    encoder = AlbertEncoder(**SIZES, return_word_embeddings=True)
    outputs = encoder(tf.constant([[2, 5, 3]]))
    np.testing.assert_array_equal(outputs["word_embeddings"], outputs["embedding_output"])


@pytest.mark.parametrize("alias", ALIASES)
def test_an_argument_given_under_two_names_is_an_error(alias):
    # Also if one of the two values is the default.
    both = {alias: VALUES[alias], ALIASES[alias]: VALUES[alias]}
    for changes in (
        both,
        both | {ALIASES[alias]: AlbertEncoder(**SIZES).get_config()[ALIASES[alias]]},
    ):
        rule = f"under one name only. Received {alias}= and {ALIASES[alias]}=, which mean the same"
        with pytest.raises(InputError, match=rule):
            AlbertEncoder(**SIZES, **changes)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (dict(max_sequence_length=None), "needs a size. Received max_sequence_length=None. Set it"),
        (dict(sequence_length=5), "Received sequence_length=. Set max_sequence_length instead"),
        (
            dict(return_all_encoder_outputs=True, dict_outputs=False),
            "in a dict only. Received return_all_encoder_outputs=True.*Set dict_outputs=True",
        ),
        (dict(num_layer=3), "known arguments only. Received num_layer=. Closest: num_layers"),
        (dict(inner_dims=3), "known arguments only. Received inner_dims=. Closest: inner_dim"),
    ],
)
def test_a_wrong_argument_is_an_error(changes, error):
    with pytest.raises(InputError, match=error):
        AlbertEncoder(**SIZES, **changes)
