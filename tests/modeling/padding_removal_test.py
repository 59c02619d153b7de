"""An encoder with padding removal gives the same outputs as one that computes all positions."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from albert_tf import AlbertEncoder
from albert_tf.errors import InputError
from albert_tf.modeling.layers import seeded
from albert_tf.modeling.padding_removal import PaddedLayout, TokenRows, UnpaddedLayout

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
    """Returns masks [B, S], keyed by the case that each of them covers."""
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
        padding_only_columns=np.pad(prefixes, ((0, 0), (0, 2))),
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
    """Returns outputs and gradients as functions: padded; unpadded in training and in inference."""
    model = encoder()
    direction = tf.constant(np.random.default_rng(5).normal(size=[B, S + 2, H]), tf.float32)

    def run(features, remove_padding, training):
        mask = computed_positions(features["input_mask"])[..., tf.newaxis]
        with tf.GradientTape() as tape:
            outputs = model(features, training=training, remove_padding=remove_padding)
            real = tf.where(mask, outputs["sequence_output"], 0.0)
            shape = tf.shape(real)
            loss = tf.reduce_sum(real * direction[: shape[0], : shape[1]])
            loss += tf.reduce_sum(outputs["pooled_output"] * direction[: shape[0], 0])
        return outputs, tape.gradient(loss, model.trainable_variables)

    specs = [{name: tf.TensorSpec([None, None], tf.int32) for name in model.inputs}]
    return [
        tf.function(functools.partial(run, **options), input_signature=specs, autograph=False)
        for options in (
            dict(remove_padding=False, training=True),
            dict(remove_padding=True, training=True),
            dict(remove_padding=True, training=False),
        )
    ]


def computed_positions(mask):
    """Returns where outputs are computed: attended positions, and all of a fully masked row."""
    return (mask != 0) | ~tf.reduce_any(mask != 0, axis=1, keepdims=True)


@pytest.mark.parametrize("training", [True, False])
def test_real_positions_are_unchanged_and_padding_is_zero(traced, features, training):
    padded, padded_gradients = traced[0](features)
    unpadded, gradients = traced[1 if training else 2](features)
    real = computed_positions(features["input_mask"]).numpy()
    np.testing.assert_allclose(unpadded["pooled_output"], padded["pooled_output"], atol=1e-5)
    zero = ~real
    zero[:, 0] = False  # the pooler reads it, so it is computed
    for ours, wanted in zip(unpadded["encoder_outputs"], padded["encoder_outputs"]):
        assert ours.shape == wanted.shape == (*real.shape, H)
        np.testing.assert_allclose(ours.numpy()[real], wanted.numpy()[real], atol=1e-5)
        assert not ours.numpy()[zero].any()
    np.testing.assert_array_equal(unpadded["sequence_output"], unpadded["encoder_outputs"][-1])
    for ours, wanted in zip(gradients, padded_gradients):
        ours, wanted = (tf.convert_to_tensor(x).numpy() for x in (ours, wanted))
        scale = max(1.0, np.abs(wanted).max())
        np.testing.assert_allclose(ours / scale, wanted / scale, atol=1e-5)


@pytest.mark.parametrize(
    ("output_range", "options"), [(1, {}), (3, {"norm_first": True}), (50, {"recompute": True})]
)
def test_output_range_works_with_padding_removal(features, output_range, options):
    model = encoder(**options)
    wanted = model(features)
    actual = model(features, training=True, output_range=output_range, remove_padding=True)
    real = computed_positions(features["input_mask"]).numpy()[:, :output_range]
    assert actual["sequence_output"].shape == (*real.shape, H)
    np.testing.assert_allclose(actual["pooled_output"], wanted["pooled_output"], atol=1e-5)
    np.testing.assert_allclose(
        actual["sequence_output"].numpy()[real],
        wanted["sequence_output"].numpy()[:, :output_range][real],
        atol=1e-5,
    )


def test_head_mask_position_ids_and_embedding_output_work_with_padding_removal(features):
    model = encoder(return_embedding_output=True, remove_padding=True)
    features = dict(features, head_mask=np.linspace(0.5, 1.0, N, dtype=np.float32))
    features["position_ids"] = np.broadcast_to(
        np.arange(S, -2, -1)[: features["input_mask"].shape[1]], features["input_mask"].shape
    ).clip(0)
    actual, wanted = model(features), model(features, remove_padding=False)
    real = computed_positions(features["input_mask"]).numpy()
    for name in ("sequence_output", "embedding_output"):
        values, references = actual[name].numpy()[real], wanted[name].numpy()[real]
        np.testing.assert_allclose(values, references, atol=1e-5)


@pytest.mark.parametrize("features", ["holes"], indirect=True)
def test_dropout_is_active_and_follows_the_seed(features):
    model = encoder(dropout_rate=0.3, attention_dropout_rate=0.3, remove_padding=True)

    def run(seed):
        with seeded(tf.constant([seed, 0])):
            return model(features, training=True)["pooled_output"].numpy()

    np.testing.assert_array_equal(run(1), run(1))
    assert np.abs(run(1) - run(2)).max() > 1e-3


def test_attention_scores_are_not_available_with_padding_removal():
    rule = "not available with padding removal. Received .*remove_padding=True. Turn one"
    with pytest.raises(InputError, match=rule):
        encoder(return_attention_scores=True, remove_padding=True)
    with pytest.raises(InputError, match=rule):
        encoder(return_attention_scores=True)(tf.constant([[1]]), remove_padding=True)


def attention(qkv, bias):
    query, key, value = tf.unstack(qkv)
    probabilities = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) + bias)
    return probabilities @ value, probabilities


@pytest.mark.parametrize("mask", masks().values(), ids=masks())
@pytest.mark.parametrize("step", [1, 4])
def test_slots_without_a_token_are_not_attended_to(mask, step):
    x = tf.constant(np.random.default_rng(6).normal(size=[mask.size, 3 * H]), tf.float32)
    mask = tf.constant(mask)
    padded = PaddedLayout(mask, tf.float32, N).attend(x, attention, None)[0]  # [B*S, H]
    layout = UnpaddedLayout(mask, tf.float32, N)
    rows = TokenRows(layout.tokens, layout.count, tf.float32, N, step)
    received = rows.attend(layout.pack(x), attention, None)[0]
    np.testing.assert_allclose(received, layout.pack(padded), atol=1e-6)
