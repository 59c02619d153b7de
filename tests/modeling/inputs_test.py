"""The names and forms of the inputs, for the encoder and for every model with heads."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.core import config_definitions
from official.nlp.configs import bert
from official.nlp.modeling import models
from official.nlp.tasks import masked_lm

from albert_tf import AlbertEncoder
from albert_tf.errors import InputError
from albert_tf.modeling import inputs
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.multiple_choice.model import AlbertMultipleChoice
from albert_tf.tasks.question_answering.joint_model import AlbertJointSpanLabeler
from tests.support.keras_models import MODELS, B, P, S, batch, make, randomize

FAMILIES = [
    ("input_ids", "input_mask", "segment_ids"),
    ("token_ids", "padding_mask", "segment_ids"),
    ("input_ids", "attention_mask", "token_type_ids"),
]
LABELS = {
    "label": ["a", "b"],
    "masked_lm_ids": np.ones([B, P], np.int64),
    "masked_lm_weights": np.ones([B, P], np.float32),
    "next_sentence_labels": np.ones([B, 1], np.int32),
    "special_tokens_mask": np.ones([B, S], np.int32),
}


def equal(ours, theirs):
    for a, b in zip(tf.nest.flatten(ours), tf.nest.flatten(theirs), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def encoder():
    encoder = AlbertEncoder(31, 5, 12, num_layers=2, num_attention_heads=3, max_sequence_length=9)
    randomize(encoder)
    return encoder


@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
def test_a_model_takes_every_family_of_names_and_a_whole_batch(cls):
    model, features = make(cls), batch(cls)
    wanted = model(features)
    for family in FAMILIES:
        rest = {name: value for name, value in features.items() if name not in inputs.NAMES}
        equal(model({**dict(zip(family, features.values())), **rest, **LABELS}), wanted)
    ids = rest | dict(zip(("token_type_ids", "attention_mask"), list(features.values())[2:0:-1]))
    table = model.encoder.get_embedding_table().numpy()
    equal(model({**ids, "inputs_embeds": table[features["input_word_ids"]]}), wanted)


def test_models_take_a_list_of_the_three_inputs_too():
    model, features = make(AlbertClassifier), batch(AlbertClassifier)
    equal(model(list(features.values())), model(features))


def test_the_encoder_takes_every_family_of_names(encoder):
    features = batch(AlbertClassifier)
    wanted = encoder(features)
    for family in FAMILIES:
        equal(encoder({**dict(zip(family, features.values())), **LABELS}), wanted)
    as_bool = dict(token_ids=features["input_word_ids"], padding_mask=features["input_mask"] == 1)
    with_types = {**as_bool, "segment_ids": features["input_type_ids"]}
    equal(encoder(with_types), wanted)
    equal(encoder(with_types, remove_padding=True)["pooled_output"], wanted["pooled_output"])
    wide = {name: value.astype(np.int64) for name, value in features.items()}
    equal(encoder(wide), wanted)


def test_the_keras_mask_is_the_input_mask(encoder):
    ids, mask, types = batch(AlbertClassifier).values()
    wanted = encoder([ids, mask, types])
    unmasked = dict(input_word_ids=ids, input_type_ids=types)
    equal(encoder(unmasked, mask=mask == 1), wanted)
    equal(encoder(inputs=[ids, mask, types]), wanted)
    with pytest.raises(InputError, match="once only. Received mask= and the input 'input_mask'"):
        encoder(dict(input_ids=ids, attention_mask=mask), mask=mask)
    # A mask that Keras passes on from a layer before.
    words = tf_keras.layers.Embedding(31, 5, mask_zero=True)
    words.build(None)
    words.set_weights([encoder.get_embedding_table()])
    padded = np.where(mask == 1, np.maximum(ids, 1), 0)
    actual = encoder(dict(inputs_embeds=words(padded), input_type_ids=types))
    equal(actual, encoder([padded, mask, types]))


def test_an_input_given_under_two_names_is_an_error(encoder):
    ids = tf.constant([[2, 5, 3]])
    rule = "under one name only. Received {!r} and {!r}, which both mean {!r}. Leave one"
    pairs = [
        ("input_ids", "token_ids", "input_word_ids"),
        ("input_mask", "attention_mask", "input_mask"),
        ("segment_ids", "token_type_ids", "input_type_ids"),
    ]
    for first, second, meant in pairs:
        values = {"input_word_ids": ids} if meant != "input_word_ids" else {}
        with pytest.raises(InputError, match=rule.format(first, second, meant)):
            encoder({**values, first: ids, second: ids + 0})
    equal(inputs.named(dict(input_ids=ids, input_word_ids=ids)), dict(input_word_ids=ids))
    with pytest.raises(InputError, match="not both. Received 'token_ids' and 'inputs_embeds'"):
        encoder(dict(token_ids=ids, inputs_embeds=tf.zeros([1, 3, 5])))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("input_id", "known names. Received 'input_id'. Closest: input_ids"),
        ("inputs", "must include 'input_word_ids'. Received .'inputs', 'label'.. Closest: input"),
        ("tokens", "must include 'input_word_ids'. .* Closest: token_ids"),
        ("text", "must include 'input_word_ids'. Received .'label', 'text'.. Add the token ids"),
    ],
)
@pytest.mark.parametrize("make_model", [None, AlbertClassifier, AlbertMultipleChoice])
def test_a_misspelled_required_input_is_reported(encoder, make_model, name, hint):
    model = make(make_model) if make_model else encoder
    with pytest.raises(InputError, match=hint):
        model({name: tf.constant([[1, 2]]), "label": tf.constant([1])})


@pytest.mark.parametrize(
    "name", ["input_masks", "attention_masks", "token_type_id", "positions_ids"]
)
def test_a_misspelled_optional_input_is_reported(encoder, name):
    with pytest.raises(InputError, match=f"known names. Received '{name}'. Closest:"):
        encoder({"input_ids": tf.constant([[1, 2]]), name: tf.constant([[1, 1]])})


def test_wrong_shapes_are_errors(encoder):
    with pytest.raises(InputError, match=r"two axes.* Received shape \(2, 4, 7\)"):
        encoder(batch(AlbertMultipleChoice))
    with pytest.raises(
        InputError, match=r"width of the word table, 5. Received shape \(1, 2, 12\)"
    ):
        encoder(dict(inputs_embeds=tf.zeros([1, 2, 12])))


def test_the_joint_model_needs_type_ids():
    features = batch(AlbertJointSpanLabeler)
    del features["input_type_ids"]
    with pytest.raises(InputError, match="Received no input_type_ids, but .'input_mask'"):
        make(AlbertJointSpanLabeler)(features)


def test_model_garden_trains_the_encoder_on_its_whole_batch(encoder):
    """The step is compared with one on a batch that holds the inputs of the encoder only."""
    config = masked_lm.MaskedLMConfig(
        model=bert.PretrainerConfig(cls_heads=[]),
        train_data=config_definitions.DataConfig(),
    )
    config.train_data.use_next_sentence_label = False
    task = masked_lm.MaskedLMTask(config)
    rng = np.random.default_rng(5)
    features = {
        **batch(AlbertClassifier),
        "masked_lm_positions": rng.integers(0, S, [B, P]).astype(np.int32),
        "masked_lm_ids": rng.integers(0, 31, [B, P]).astype(np.int32),
        "masked_lm_weights": np.array([[1, 1, 0], [1, 0, 0]], np.float32),
    }
    model = models.BertPretrainerV2(encoder)
    with tf.GradientTape() as tape:
        known = {name: value for name, value in features.items() if "lm_i" not in name}
        del known["masked_lm_weights"]
        logits = tf.nn.log_softmax(model(known)["mlm_logits"])
        found = tf.gather(logits, features["masked_lm_ids"], batch_dims=2)
        wanted = -tf.reduce_sum(found * features["masked_lm_weights"]) / 3.0
    gradients = tape.gradient(wanted, model.trainable_variables)
    before = [v.numpy() for v in model.trainable_variables]
    optimizer = tf_keras.optimizers.SGD(0.5)
    logs = task.train_step(features, model, optimizer, task.build_metrics())
    assert float(logs["loss"]) == pytest.approx(float(wanted), rel=1e-6)
    moved = 0.0
    for variable, old, gradient in zip(model.trainable_variables, before, gradients, strict=True):
        if gradient is not None:
            step = tf.convert_to_tensor(gradient).numpy()
            np.testing.assert_allclose(variable, old - 0.5 * step, atol=1e-5)
            moved += np.abs(step).max()
    assert moved > 0.1
