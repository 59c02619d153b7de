"""The encoder compared with a NumPy reference. Every axis has a different size."""

import inspect

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.modeling import hyperparams
from official.nlp.configs import encoders
from official.nlp.modeling import layers, models

from albert_tf import AlbertEncoder
from albert_tf.config import layer_to_group
from albert_tf.errors import InputError
from albert_tf.modeling.layers import seeded, step_seed
from tests.support import numpy_albert

B, S, H, E, N, V, INNER, P = 2, 7, 12, 5, 4, 31, 20, 9
SIZES = dict(
    vocab_size=V,
    embedding_width=E,
    hidden_size=H,
    num_layers=6,
    num_attention_heads=N,
    max_sequence_length=P,
    intermediate_size=INNER,
    num_hidden_groups=3,
    inner_group_num=2,
)


def make(**changes):
    """Returns an encoder with random values in every variable, so that a missing term shows."""
    encoder = AlbertEncoder(**{**SIZES, **changes}, name="encoder")
    rng = np.random.default_rng(1)
    for variable in encoder.variables:
        variable.assign(rng.normal(1.0 if "gamma" in variable.name else 0.0, 0.3, variable.shape))
    return encoder


def weights(encoder):
    return {v.name.removeprefix("encoder/").split(":")[0]: v.numpy() for v in encoder.variables}


def batch():
    rng = np.random.default_rng(2)
    mask = np.ones([B, S], np.int32)
    mask[1, 4:6] = 0  # a hole
    return dict(
        input_word_ids=rng.integers(0, V, [B, S]).astype(np.int32),
        input_mask=mask,
        input_type_ids=rng.integers(0, 2, [B, S]).astype(np.int32),
    )


def expected(encoder, features, **changes):
    sizes = dict(layers=6, groups=3, inner=2, heads=N)
    return numpy_albert.encode(weights(encoder), *features.values(), **{**sizes, **changes})


def test_the_epsilon_of_the_layer_norms_is_an_argument(monkeypatch):
    monkeypatch.setattr(numpy_albert, "EPSILON", 0.3)
    encoder, features = make(layer_norm_epsilon=0.3), batch()
    sequence, *_ = expected(encoder, features)
    np.testing.assert_allclose(encoder(features)["sequence_output"], sequence, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("width", [E, H])
def test_all_outputs_equal_the_reference(norm_first, width):
    encoder = make(norm_first=norm_first, embedding_width=width, return_attention_scores=True)
    features = batch()
    sequence, pooled, outputs, scores = expected(encoder, features, norm_first=norm_first)
    actual = encoder(features)
    np.testing.assert_allclose(actual["sequence_output"], sequence, rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(actual["pooled_output"], pooled, rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(np.stack(actual["encoder_outputs"]), outputs, rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(np.stack(actual["attention_scores"]), scores, rtol=2e-5, atol=1e-5)
    assert len(actual["encoder_outputs"]) == 12


def test_outputs_as_a_list_have_the_scores_too():
    encoder, features = make(return_attention_scores=True, dict_outputs=False), batch()
    sequence, pooled, _, wanted = expected(encoder, features)
    outputs = encoder(features)
    for actual, value in zip(outputs[:2], (sequence, pooled)):
        np.testing.assert_allclose(actual, value, rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(np.stack(outputs[2]), wanted, rtol=2e-5, atol=1e-5)
    assert len(outputs) == 3 and len(make(dict_outputs=False)(features)) == 2


@pytest.mark.parametrize("shape", [[None, None], [None, S], [B, None], [B, S]])
@pytest.mark.parametrize("function", [False, True])
def test_outputs_have_the_static_shapes_of_the_inputs(shape, function):
    encoder = make(return_attention_scores=True, return_embedding_output=True)
    if function:
        spec = dict.fromkeys(encoder.inputs, tf.TensorSpec(shape, tf.int32))
        outputs = tf.function(encoder).get_concrete_function(spec).structured_outputs
    else:
        ids = tf_keras.Input(shape[1:], shape[0], dtype=tf.int32)
        outputs = encoder(dict.fromkeys(encoder.inputs, ids))
    batch_size, length = shape
    for output in [outputs["embedding_output"], *outputs["encoder_outputs"]]:
        assert output.shape.as_list() == [batch_size, length, H]
    assert outputs["sequence_output"].shape.as_list() == [batch_size, length, H]
    assert outputs["pooled_output"].shape.as_list() == [batch_size, H]
    for scores in outputs["attention_scores"]:
        assert scores.shape.as_list() == [batch_size, N, length, length]


def test_outputs_without_padding_have_the_static_shapes_of_the_inputs():
    ids = tf_keras.Input([S], dtype=tf.int32)
    positions = tf_keras.Input([3], dtype=tf.int32)
    outputs = make(remove_padding=True)(ids, output_positions=positions)
    assert outputs["sequence_output"].shape.as_list() == [None, 3, H]
    assert outputs["pooled_output"].shape.as_list() == [None, H]
    assert outputs["encoder_outputs"][0].shape.as_list() == [None, S, H]


def test_tf_function_with_unknown_batch_size_and_length_equals_the_reference():
    encoder, features = make(), batch()
    spec = {name: tf.TensorSpec([None, None], tf.int32) for name in features}
    call = tf.function(encoder).get_concrete_function(spec)
    sequence, *_ = expected(encoder, features)
    actual = call({name: tf.constant(value) for name, value in features.items()})
    np.testing.assert_allclose(actual["sequence_output"], sequence, rtol=2e-5, atol=1e-5)


def test_aliases_lists_and_defaults_are_equivalent_inputs():
    encoder, features = make(), batch()
    ids, mask, types = features.values()
    wanted = encoder(features)["sequence_output"]
    aliases = dict(input_ids=ids, input_mask=mask, segment_ids=types)
    np.testing.assert_array_equal(encoder(aliases)["sequence_output"], wanted)
    np.testing.assert_array_equal(encoder([ids, mask, types])["sequence_output"], wanted)
    plain = encoder([ids, np.ones_like(mask), np.zeros_like(types)])["pooled_output"]
    np.testing.assert_array_equal(encoder(dict(input_word_ids=ids))["pooled_output"], plain)
    np.testing.assert_array_equal(encoder(tf.constant(ids))["pooled_output"], plain)


def test_output_range_gives_the_first_positions():
    full, features = make(), batch()
    cut = make(output_range=3)
    wanted = full(features)
    actual = cut(features)
    np.testing.assert_allclose(
        actual["sequence_output"], wanted["sequence_output"][:, :3], atol=1e-6
    )
    np.testing.assert_allclose(actual["pooled_output"], wanted["pooled_output"], atol=1e-6)


def test_word_embeddings_can_be_given_instead_of_ids():
    encoder, features = make(), batch()
    vectors = encoder.get_embedding_table().numpy()[features["input_word_ids"]]
    given = {**features, "input_word_embeddings": vectors}
    del given["input_word_ids"]
    np.testing.assert_array_equal(
        encoder(given)["sequence_output"], encoder(features)["sequence_output"]
    )


def test_dense_inputs_are_appended_to_the_words():
    encoder = make(with_dense_inputs=True)
    features = batch()
    table = encoder.get_embedding_table().numpy()
    cut = {name: value[:, :4] for name, value in features.items()}
    cut["dense_inputs"] = table[features["input_word_ids"][:, 4:]]
    cut["dense_mask"] = features["input_mask"][:, 4:]
    cut["dense_type_ids"] = features["input_type_ids"][:, 4:]
    np.testing.assert_allclose(
        encoder(cut)["sequence_output"], encoder(features)["sequence_output"], atol=1e-6
    )
    assert encoder.inputs["dense_inputs"].shape[-1] == E


def test_a_fully_masked_row_gives_finite_outputs():
    features = batch()
    features["input_mask"][0] = 0
    encoder = make()
    sequence, *_ = expected(encoder, features)
    actual = encoder(features)["sequence_output"]
    np.testing.assert_allclose(actual[1], sequence[1], rtol=2e-5, atol=1e-5)
    assert np.isfinite(actual).all()


def test_dropout_is_active_in_training_only():
    encoder = make(dropout_rate=0.3, attention_dropout_rate=0.3)
    features = batch()
    plain = encoder(features)["pooled_output"]
    np.testing.assert_array_equal(encoder(features, training=False)["pooled_output"], plain)
    trained = [encoder(features, training=True)["pooled_output"].numpy() for _ in range(2)]
    assert np.abs(trained[0] - trained[1]).max() > 1e-3


def test_gradients_reach_every_variable():
    encoder = make()
    with tf.GradientTape() as tape:
        outputs = encoder(batch(), training=True)
        loss = tf.reduce_sum(outputs["pooled_output"] ** 2)
    gradients = tape.gradient(loss, encoder.trainable_variables)
    for variable, gradient in zip(encoder.trainable_variables, gradients):
        gradient = tf.convert_to_tensor(gradient)
        if "key/bias" not in variable.name:  # the softmax cancels it
            assert float(tf.reduce_max(tf.abs(gradient))) > 0, variable.name


def test_weights_of_a_group_are_shared_and_counted_once():
    encoder = make()
    assert [layer_to_group(i, 6, 3) for i in range(6)] == [0, 0, 1, 1, 2, 2]
    assert [layer_to_group(i, 22, 22) for i in range(22)] == list(range(22))
    layers = encoder.transformer_layers
    assert len(layers) == 12 and len({id(layer) for layer in layers}) == 6
    assert layers[0] is layers[2] and layers[0] is not layers[1]
    per_block = 4 * (H * H + H) + 2 * H * INNER + INNER + H + 4 * H
    embeddings = (V + P + 2) * E + 2 * E + E * H + H
    assert sum(v.shape.num_elements() for v in encoder.variables) == (
        6 * per_block + embeddings + H * H + H
    )


def test_config_round_trip_keeps_every_argument():
    changed = dict(
        type_vocab_size=3,
        activation="relu",
        dropout_rate=0.2,
        attention_dropout_rate=0.3,
        initializer=tf_keras.initializers.RandomNormal(stddev=0.05),
        dict_outputs=False,
        output_range=2,
        norm_first=True,
        with_dense_inputs=True,
        return_attention_scores=True,
        return_embedding_output=True,
        layer_norm_epsilon=1e-5,
    )
    encoder = AlbertEncoder(**SIZES, **changed)
    again = AlbertEncoder.from_config(encoder.get_config())
    assert again.get_config() == encoder.get_config()
    arguments = set(inspect.signature(AlbertEncoder.__init__).parameters) - {"self", "kwargs"}
    assert arguments <= set(encoder.get_config())
    defaults = AlbertEncoder(vocab_size=V, hidden_size=H, num_attention_heads=N).get_config()
    switches = dict(recompute=True, remove_padding=True)
    assert switches.items() <= AlbertEncoder(**SIZES, **switches).get_config().items()
    for name in arguments - {"embedding_layer", *switches}:
        if name not in ("hidden_size", "num_attention_heads", "vocab_size"):
            assert encoder.get_config()[name] != defaults[name], f"{name} is not varied here"


def test_position_ids_select_rows_of_the_position_table():
    encoder, features = make(), batch()
    plain = encoder(features)["sequence_output"]
    given = {**features, "position_ids": np.tile(np.arange(S, dtype=np.int32), [B, 1])}
    np.testing.assert_allclose(encoder(given)["sequence_output"], plain, atol=1e-6)
    # A row shifted by one position equals the same row behind a masked first token.
    shifted = {name: value[:, :-1] for name, value in features.items()}
    shifted["position_ids"] = given["position_ids"][:, 1:]
    front = {name: np.pad(value[:, :-1], ((0, 0), (1, 0))) for name, value in features.items()}
    np.testing.assert_allclose(
        encoder(shifted)["sequence_output"], encoder(front)["sequence_output"][:, 1:], atol=1e-5
    )
    with pytest.raises(InputError, match=r"Positions must lie in \[0, 9\)"):
        encoder({**features, "position_ids": np.full([B, S], 9)})


def test_masking_a_head_equals_removing_its_output():
    encoder, features = make(return_attention_scores=True), batch()
    mask = np.ones([12, N], np.float32)
    mask[:, 2] = 0.0
    masked = encoder({**features, "head_mask": mask})["sequence_output"]
    np.testing.assert_array_equal(
        encoder({**features, "head_mask": mask[0]})["sequence_output"], masked
    )
    cut = make()
    size = H // N
    for block in cut.stack.blocks:  # the rows of the output kernel that read head 2
        kernel = block.attention.attention_output.kernel
        kept = np.ones([H, 1], np.float32)
        kept[2 * size : 3 * size] = 0.0
        kernel.assign(kernel * kept)
    np.testing.assert_allclose(masked, cut(features)["sequence_output"], atol=1e-5)


def test_embedding_output_is_the_input_of_the_first_block():
    features = batch()
    encoder = make(return_embedding_output=True, num_layers=1, num_hidden_groups=1)
    w = {name: np.float64(value) for name, value in weights(encoder).items()}
    x = w["embeddings/word_embeddings/embeddings"][features["input_word_ids"]]
    x = x + w["embeddings/position_embeddings/embeddings"][:S]
    x = x + w["embeddings/type_embeddings/embeddings"][features["input_type_ids"]]
    x = numpy_albert.layer_norm(
        x, w["embeddings/layer_norm/gamma"], w["embeddings/layer_norm/beta"]
    )
    x = x @ w["embeddings/projection/kernel"] + w["embeddings/projection/bias"]
    np.testing.assert_allclose(encoder(features)["embedding_output"], x, atol=1e-5)


@pytest.mark.parametrize(("head_mask", "rate"), [(False, 0.0), (True, 0.3)])
def test_recomputation_gives_the_same_gradients(head_mask, rate):
    features = batch()
    if head_mask:
        features["head_mask"] = np.linspace(0.5, 1.0, N, dtype=np.float32)

    direction = np.random.default_rng(4).normal(size=[B, S, H]).astype(np.float32)

    def gradients(encoder):
        # Large weights would amplify rounding errors a thousandfold at this depth, even under XLA.
        for variable in encoder.variables:
            if "gamma" not in variable.name:
                variable.assign(variable * 0.3)

        @tf.function
        def compute():
            with tf.GradientTape() as tape, seeded(step_seed(5, 7)):
                outputs = encoder(features, training=True)
                loss = tf.reduce_sum(outputs["sequence_output"] * direction)
            return tape.gradient(loss, encoder.trainable_variables)

        result = compute()
        names = [v.name for v in encoder.trainable_variables]
        pairs = [(n, g) for n, g in zip(names, result) if g is not None]
        ops = [op.type for op in compute.get_concrete_function().graph.get_operations()]
        return {n: tf.convert_to_tensor(g).numpy() for n, g in pairs}, ops.count("Softmax")

    rates = dict(dropout_rate=rate, attention_dropout_rate=rate)
    plain, few = gradients(make(**rates))
    again, more = gradients(make(recompute=True, **rates))
    assert set(plain) == set(again) and more > few
    for name, gradient in plain.items():
        if "key/bias" in name:  # rounding noise around 0
            continue
        scale = np.abs(gradient).max() + 1e-3
        np.testing.assert_allclose(again[name] / scale, gradient / scale, atol=1e-5, err_msg=name)


def test_model_garden_models_accept_the_encoder():
    encoder, features = make(), batch()
    assert models.BertSpanLabeler(encoder)(features)[0].shape == (B, S)
    assert models.BertTokenClassifier(encoder, 6)(features)["logits"].shape == (B, S, 6)
    head = layers.ClassificationHead(inner_dim=8, num_classes=2, name="next_sentence")
    pretrainer = models.BertPretrainerV2(encoder, classification_heads=[head])
    outputs = pretrainer({**features, "masked_lm_positions": np.zeros([B, 3], np.int32)})
    assert outputs["mlm_logits"].shape == (B, 3, V) and outputs["next_sentence"].shape == (B, 2)


def test_a_model_garden_encoder_config_builds_the_encoder():
    class Sizes(hyperparams.Config):
        pass

    def builder(config):
        return make()

    hyperparams.bind(Sizes)(builder)
    built = encoders.build_encoder(encoders.EncoderConfig(type="any", any=Sizes()))
    np.testing.assert_array_equal(built(batch())["pooled_output"], make()(batch())["pooled_output"])


def test_the_model_garden_classifier_accepts_the_encoder():
    encoder, features = make(), batch()
    classifier = models.BertClassifier(encoder, num_classes=3)
    assert classifier(features).shape == (B, 3)
    names = {v.name for v in classifier.trainable_variables}
    assert {v.name for v in encoder.trainable_variables} <= names


@pytest.mark.parametrize("eager", [True, False])
def test_ids_outside_the_vocabulary_are_an_error(eager):
    encoder = make()
    call = encoder if eager else tf.function(encoder)
    error = InputError if eager else tf.errors.InvalidArgumentError
    with pytest.raises(error, match=r"input_word_ids must lie in \[0, 31\).*same vocabulary") as e:
        call(tf.constant([[1, 31]]))
    assert "31" in str(e.value)
    with pytest.raises(error, match=r"input_type_ids must lie in \[0, 2\)"):
        call([tf.constant([[1]]), tf.constant([[1]]), tf.constant([[2]])])


def test_a_sequence_longer_than_the_position_table_is_an_error():
    encoder = make()
    rule = "must not be longer than the position table, which has 9 rows.*larger max_sequence_len"
    with pytest.raises(InputError, match=f"(?s){rule}.*10"):
        encoder(tf.zeros([1, 10], tf.int32))
    unknown = tf.function(encoder, input_signature=[tf.TensorSpec([None, None], tf.int32)])
    with pytest.raises(tf.errors.InvalidArgumentError, match=rule):
        unknown(tf.zeros([1, 10], tf.int32))


def test_wrong_inputs_and_sizes_are_errors():
    encoder = make()
    with pytest.raises(InputError, match="known names. Received 'input_id'. Closest: input_ids"):
        encoder(dict(input_id=[[1]]))
    with pytest.raises(InputError, match="must include 'input_word_ids'. Received .'input_mask'"):
        encoder(dict(input_mask=tf.constant([[1]])))
    with pytest.raises(
        InputError, match="multiple of num_attention_heads. Received hidden_size=13"
    ):
        make(hidden_size=13)
    with pytest.raises(InputError, match="activation must be .* Received 'gellu'. Closest: gelu"):
        make(activation="gellu")
