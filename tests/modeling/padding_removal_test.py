"""An encoder that leaves padding out, against itself with all positions."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from albert_tf import AlbertEncoder
from albert_tf.errors import InputError
from albert_tf.modeling.layers import seeded

B, S, H, N, V = 6, 9, 12, 3, 31
SIZES = dict(
    vocab_size=V,
    embedding_width=5,
    hidden_size=H,
    num_layers=2,
    num_attention_heads=N,
    max_sequence_length=11,
    intermediate_size=20,
)


def encoder(**changes):
    made = AlbertEncoder(**{**SIZES, **changes}, name="encoder")
    rng = np.random.default_rng(1)
    for variable in made.variables:
        variable.assign(rng.normal(1.0 if "gamma" in variable.name else 0.0, 0.2, variable.shape))
    return made


def masks():
    """Masks [B, S] by what is special about them."""
    rng = np.random.default_rng(3)
    lengths = rng.integers(1, S + 1, [B, 1])
    prefixes = (np.arange(S) < lengths).astype(np.int32)
    holes = (rng.random([B, S]) < 0.6).astype(np.int32)
    holes[:, 0] = 1
    no_first = holes.copy()
    no_first[2, 0], no_first[2, 4] = 0, 1
    empty = prefixes.copy()
    empty[[1, 4]] = 0
    return dict(
        prefixes=prefixes,
        holes=holes,
        first_masked=no_first,
        empty_rows=empty,
        all_empty=np.zeros([B, S], np.int32),
        full=np.ones([B, S], np.int32),
        one_row=holes[:1],
        no_rows=holes[:0],
        fewer_rows_than_groups=prefixes[:3],
        tail_of_nothing=np.pad(prefixes, ((0, 0), (0, 2))),
    )


@pytest.fixture(params=masks())
def features(request):
    mask = masks()[request.param]
    rng = np.random.default_rng(4)
    return dict(
        input_word_ids=rng.integers(0, V, mask.shape).astype(np.int32),
        input_mask=mask,
        input_type_ids=rng.integers(0, 2, mask.shape).astype(np.int32),
    )


@pytest.fixture(scope="module")
def traced():
    """The encoder with its gradients as functions: dense, and real tokens in training and not."""
    model = encoder()
    direction = tf.constant(np.random.default_rng(5).normal(size=[B, S + 2, H]), tf.float32)

    def run(features, remove_padding, training):
        mask = computed(features["input_mask"])[..., tf.newaxis]
        with tf.GradientTape() as tape:
            outputs = model(features, training=training, remove_padding=remove_padding)
            chosen = tf.where(mask, outputs["sequence_output"], 0.0)
            shape = tf.shape(chosen)
            loss = tf.reduce_sum(chosen * direction[: shape[0], : shape[1]])
            loss += tf.reduce_sum(outputs["pooled_output"] * direction[: shape[0], 0])
        return outputs, tape.gradient(loss, model.trainable_variables)

    specs = [{name: tf.TensorSpec([None, None], tf.int32) for name in model.inputs}]
    return [
        tf.function(functools.partial(run, **how), input_signature=specs, autograph=False)
        for how in (
            dict(remove_padding=False, training=True),
            dict(remove_padding=True, training=True),
            dict(remove_padding=True, training=False),
        )
    ]


def computed(mask):
    """The positions that have numbers: attended ones, and all of an empty row."""
    return (mask != 0) | ~tf.reduce_any(mask != 0, axis=1, keepdims=True)


@pytest.mark.parametrize("training", [True, False])
def test_numbers_are_those_of_all_positions_and_padding_is_zero(traced, features, training):
    dense, dense_gradients = traced[0](features)
    found, gradients = traced[1 if training else 2](features)
    real = computed(features["input_mask"]).numpy()
    np.testing.assert_allclose(found["pooled_output"], dense["pooled_output"], atol=1e-5)
    zero = ~real
    zero[:, 0] = False  # is pooled, and therefore computed
    for ours, wanted in zip(found["encoder_outputs"], dense["encoder_outputs"]):
        assert ours.shape == wanted.shape == (*real.shape, H)
        np.testing.assert_allclose(ours.numpy()[real], wanted.numpy()[real], atol=1e-5)
        assert not ours.numpy()[zero].any()
    np.testing.assert_array_equal(found["sequence_output"], found["encoder_outputs"][-1])
    for ours, wanted in zip(gradients, dense_gradients):
        ours, wanted = (tf.convert_to_tensor(x).numpy() for x in (ours, wanted))
        scale = max(1.0, np.abs(wanted).max())
        np.testing.assert_allclose(ours / scale, wanted / scale, atol=1e-5)


@pytest.mark.parametrize(
    ("output_range", "options"), [(1, {}), (3, {"norm_first": True}), (50, {"recompute": True})]
)
def test_first_positions_of_the_last_block(features, output_range, options):
    model = encoder(**options)
    wanted = model(features)
    found = model(features, training=True, output_range=output_range, remove_padding=True)
    real = computed(features["input_mask"]).numpy()[:, :output_range]
    assert found["sequence_output"].shape == (*real.shape, H)
    np.testing.assert_allclose(found["pooled_output"], wanted["pooled_output"], atol=1e-5)
    np.testing.assert_allclose(
        found["sequence_output"].numpy()[real],
        wanted["sequence_output"].numpy()[:, :output_range][real],
        atol=1e-5,
    )


def test_head_mask_positions_and_embedding_output(features):
    model = encoder(return_embedding_output=True, remove_padding=True)
    features = dict(features, head_mask=np.linspace(0.5, 1.0, N, dtype=np.float32))
    features["position_ids"] = np.broadcast_to(
        np.arange(S, -2, -1)[: features["input_mask"].shape[1]], features["input_mask"].shape
    ).clip(0)
    found, wanted = model(features), model(features, remove_padding=False)
    real = computed(features["input_mask"]).numpy()
    for name in ("sequence_output", "embedding_output"):
        np.testing.assert_allclose(found[name].numpy()[real], wanted[name].numpy()[real], atol=1e-5)


@pytest.mark.parametrize("features", ["holes"], indirect=True)
def test_dropout_is_live_and_follows_a_seed(features):
    model = encoder(dropout_rate=0.3, attention_dropout_rate=0.3, remove_padding=True)

    def run(seed):
        with seeded(tf.constant([seed, 0])):
            return model(features, training=True)["pooled_output"].numpy()

    np.testing.assert_array_equal(run(1), run(1))
    assert np.abs(run(1) - run(2)).max() > 1e-3


def test_scores_of_padding_are_not_to_be_had():
    rule = "attention_scores are those of all positions. Received .*remove_padding=True. Turn one"
    with pytest.raises(InputError, match=rule):
        encoder(return_attention_scores=True, remove_padding=True)
    with pytest.raises(InputError, match=rule):
        encoder(return_attention_scores=True)(tf.constant([[1]]), remove_padding=True)
