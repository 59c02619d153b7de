import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.tasks.classification.model import AlbertClassifier

SIZES = dict(
    vocab_size=90,
    embedding_size=8,
    hidden_size=12,
    num_attention_heads=3,
    intermediate_size=20,
    max_position_embeddings=16,
    initializer_range=0.2,
)
LENGTHS = (9, 1, 16, 4, 0, 13, 2)


def new_model(layers=5, groups=1, inner=1, **kwargs):
    tf_keras.utils.set_random_seed(3)
    config = AlbertConfig(
        **SIZES, num_hidden_layers=layers, num_hidden_groups=groups, inner_group_num=inner
    )
    model = AlbertClassifier(config, labels=["a", "b", "c", "d"], early_exit="joint", **kwargs)
    for kernel in (model.head.kernel, model.head.exits.kernel):
        kernel.assign(tf.random.normal(kernel.shape, seed=1))
    return model


def features_of(lengths=LENGTHS):
    rng = np.random.default_rng(1)
    shape = (len(lengths), 16)
    mask = np.arange(16) < np.reshape(lengths, (-1, 1))
    values = {
        "input_word_ids": rng.integers(1, 90, shape) * mask,
        "input_mask": mask,
        "input_type_ids": (np.arange(16) > 5) & mask,
    }
    return {n: tf.constant(x.astype(np.int32)) for n, x in values.items()}


def sure(logits, several=False):
    """Confidences in float64, without TensorFlow."""
    logits = np.asarray(logits, np.float64)
    if several:
        shares = 1 / (1 + np.exp(-logits))
        return np.maximum(shares, 1 - shares).min(-1)
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return (shares / shares.sum(-1, keepdims=True)).max(-1)


def expected(layer_logits, threshold, several=False):
    """The logits and layers of [R, L, C] with a threshold."""
    logits, layers = [], []
    for row in np.asarray(layer_logits):
        leaves = [*(sure(row, several)[:-1] > threshold), True]
        layers.append(leaves.index(True) + 1)
        logits.append(row[layers[-1] - 1])
    return np.array(logits), np.array(layers)


def middle(model, layer_logits):
    """A threshold with which texts use different numbers of layers."""
    several = model.problem == "multi_label"
    values = np.sort(sure(layer_logits, several)[:, :-1].ravel())
    gaps = np.diff(values)[len(values) // 2 : -2]
    best = len(values) // 2 + gaps.argmax()
    return float(values[best : best + 2].mean())


KINDS = {
    "shared": {},
    "groups": dict(layers=6, groups=2, inner=2),
    "each its own": dict(layers=4, groups=4),
    "two layers": dict(layers=2),
    "mean": dict(pooling="mean"),
    "several labels": dict(problem="multi_label"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_leave_with_the_logits_of_their_layer(kind):
    model, features = new_model(**KINDS[kind]), features_of()
    layer_logits = model.layer_logits(features).numpy()  # [B, L, C]
    threshold = middle(model, layer_logits)
    logits, layers = expected(layer_logits, threshold, kind == "several labels")
    assert len(set(layers)) > 1
    for call in (model.early, tf.function(model.early)):
        found = call(features, threshold)
        np.testing.assert_array_equal(found["layers"], layers)
        np.testing.assert_allclose(found["logits"], logits, rtol=0, atol=1e-5)


def test_texts_that_are_sure_before_the_batch_shrinks_keep_their_first_answer():
    lengths = np.array([1 + i % 7 for i in range(60)])
    model, features = new_model(), features_of(lengths)
    exits = model.head.exits.kernel
    exits.assign(tf.repeat(exits[:1], exits.shape[0], axis=0))
    layer_logits = model.layer_logits(features).numpy()  # [B, L, C]
    confidences = sure(layer_logits)
    threshold = float(np.quantile(confidences[:, :2], 0.96))
    early = confidences[:, :2] > threshold
    assert early.all(axis=1).any()  # A text is sure twice, and would be answered twice.
    assert lengths[early.any(axis=1)].sum() < lengths.sum() / 8
    logits, layers = expected(layer_logits, threshold)
    found = model.early(features, threshold)
    np.testing.assert_array_equal(found["layers"], layers)
    np.testing.assert_allclose(found["logits"], logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_threshold_that_never_fires_gives_the_logits_of_the_plain_model(kind):
    model, features = new_model(**KINDS[kind]), features_of()
    found = model.early(features, 1.0)
    np.testing.assert_allclose(found["logits"], model(features), rtol=0, atol=1e-5)
    count = model.albert_config.num_hidden_layers
    np.testing.assert_array_equal(found["layers"], [count] * len(LENGTHS))


def test_all_rows_leave_after_the_first_layer_with_threshold_0():
    model, features = new_model(), features_of()
    found = model.early(features, 0.0)
    np.testing.assert_array_equal(found["layers"], [1] * len(LENGTHS))
    first = model.layer_logits(features)[:, 0]
    np.testing.assert_allclose(found["logits"], first, rtol=0, atol=1e-5)


def test_the_head_of_a_layer_reads_what_a_model_of_so_many_layers_computes():
    model, features = new_model(), features_of()
    kernels, biases = model.head.exits.get_weights()
    for layer in range(4):
        config = AlbertConfig(**SIZES, num_hidden_layers=layer + 1)
        encoder = AlbertEncoder.from_albert_config(config)
        encoder.set_weights(model.encoder.get_weights())
        pooled = encoder(features)["pooled_output"].numpy()
        wanted = pooled @ kernels[layer] + biases[layer]
        found = model.layer_logits(features)[:, layer]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("lengths", [(), (7,), (0,), (0, 0, 0)])
def test_empty_batches_batches_of_one_and_rows_of_padding(lengths):
    model, features = new_model(), features_of(lengths)
    layer_logits, early = model.layer_logits(features), tf.function(model.early)
    for threshold in (0.0, 0.6, 1.0):
        logits, layers = expected(layer_logits, threshold)
        found = early(features, tf.constant(threshold))
        np.testing.assert_array_equal(found["layers"], layers.reshape(-1))
        np.testing.assert_allclose(found["logits"], logits.reshape(-1, 4), rtol=0, atol=1e-5)


def test_rows_do_not_depend_on_rows_that_left():
    model, features = new_model(), features_of()
    together = model.early(features, middle(model, model.layer_logits(features)))
    threshold = middle(model, model.layer_logits(features))
    for row in range(len(LENGTHS)):
        alone = model.early({n: x[row : row + 1] for n, x in features.items()}, threshold)
        assert alone["layers"][0] == together["layers"][row]
        np.testing.assert_allclose(alone["logits"][0], together["logits"][row], rtol=0, atol=1e-5)


@pytest.mark.parametrize("windows", ["mean", "max"])
@pytest.mark.parametrize("removes", [True, False])
def test_windows_leave_alone_and_their_logits_are_pooled(windows, removes):
    model = new_model(windows=windows)
    model.encoder.remove_padding = removes
    rows = features_of((9, 3, 16, 4, 0, 0, 13, 2, 0))
    features = {n: tf.reshape(x, [3, 3, 16]) for n, x in rows.items()}
    layer_logits = model.layer_logits(features).numpy()  # [B, W, L, C]
    assert layer_logits.shape == (3, 3, 5, 4)
    plain = new_model()
    alone = plain.layer_logits(rows).numpy().reshape(layer_logits.shape)
    exists = rows["input_mask"][:, 0].numpy().reshape(3, 3) > 0
    np.testing.assert_allclose(layer_logits[exists], alone[exists], rtol=0, atol=1e-5)
    threshold = middle(model, alone[exists])
    found = model.early(features, threshold)
    pool = {"mean": np.mean, "max": np.max}[windows]
    for document in range(3):
        logits, layers = expected(alone[document][exists[document]], threshold)
        np.testing.assert_allclose(found["logits"][document], pool(logits, 0), rtol=0, atol=1e-5)
        assert found["layers"][document] == layers.max()
    model.dropout.rate = 0.0
    pooled = [pool(rows[real], 0) for rows, real in zip(alone, exists)]
    trained = model.layer_logits(features, training=True)  # [B, L, C]
    np.testing.assert_allclose(trained, pooled, rtol=0, atol=1e-5)


def test_a_graph_contains_a_shared_block_at_most_twice():
    graph = tf.function(new_model(layers=12).early).get_concrete_function(features_of(), 0.9).graph
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    erf = [n for n in nodes if n.op == "Tanh" and "intermediate" in n.name]
    assert 1 <= len(erf) <= 2


def test_saved_weights_and_settings_are_read_back(tmp_path):
    model, features = new_model(pooling="mean"), features_of()
    model.settings["exit_threshold"] = 0.7
    model.save_pretrained(tmp_path / "saved")
    again = AlbertClassifier.from_pretrained(tmp_path / "saved")
    assert (again.early_exit, again.settings["exit_threshold"]) == ("joint", 0.7)
    np.testing.assert_array_equal(again.layer_logits(features), model.layer_logits(features))
    model.save(tmp_path / "model.keras")
    again = tf_keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.layer_logits(features), model.layer_logits(features))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(early_exit="jiont"), "EARLY_EXIT must be joint or after"),
        (dict(early_exit=True), "EARLY_EXIT must be joint or after"),
        (dict(early_exit=["joint"]), "EARLY_EXIT must be joint or after"),
        (dict(early_exit="joint", problem="regression"), "EARLY_EXIT needs classes or labels"),
        (dict(early_exit="after", layers=1), "Received a model with 1 layer"),
    ],
)
def test_models_that_cannot_leave_early_are_refused(arguments, message):
    layers = arguments.pop("layers", 3)
    config = AlbertConfig(**SIZES, num_hidden_layers=layers)
    with pytest.raises(InputError, match=message):
        AlbertClassifier(config, 2, **arguments)


def test_a_model_trained_afterwards_has_gradients_of_its_exits_only():
    model = new_model()
    model.early_exit = "after"
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model.layer_logits(features_of(), training=True) ** 2)
    gradients = tape.gradient(loss, model.trainable_variables)
    moved = [v.name for v, g in zip(model.trainable_variables, gradients) if g is not None]
    assert moved == ["classifier/exits/kernel:0", "classifier/exits/bias:0"]
