"""LAMB, AdamW, their schedule and the pretraining loss, compared with the original code."""

import numpy as np
import pytest
import tensorflow as tf
from official.core import base_task

from albert_tf import AlbertPretrainer
from albert_tf.errors import InputError
from albert_tf.formats import names
from albert_tf.pretraining.task import PretrainingConfig, PretrainingTask
from albert_tf.training import optimization
from albert_tf.training.optimizers import AdamWeightDecay, Lamb, WarmupPolynomialDecay
from tests.support.paths import TESTDATA


def batch():
    arrays = dict(np.load(TESTDATA / "lamb_training/batch.npz"))
    arrays["input_word_ids"] = arrays.pop("input_ids")
    arrays["input_type_ids"] = arrays.pop("segment_ids")
    return {name: tf.constant(array) for name, array in arrays.items()}


def original_values(golden, after):
    """Yields the original's variables after that many steps, with our names and in our layout."""
    prefix = f"var_after_{after}/"
    for weight in names.weights(
        AlbertPretrainer.from_pretrained(TESTDATA / "tf1_tiny").albert_config
    ):
        place = weight.places["tf1"]
        value = golden[prefix + place.name]
        yield (
            weight.ours,
            value.T if value.shape[0] == 2 and "output_weights" in place.name else value,
        )


@pytest.mark.parametrize("name", ["lamb", "adamw"])
def test_twenty_steps_equal_those_of_the_original(name):
    golden = np.load(TESTDATA / f"lamb_training/{name}_onehot.npz")
    model = AlbertPretrainer.from_pretrained(TESTDATA / "tf1_tiny")
    config = optimization.config(name, learning_rate=0.01, train_steps=20, warmup_steps=5)
    optimizer = base_task.Task.create_optimizer(config)  # Model Garden's factory builds it
    task = PretrainingTask(PretrainingConfig())
    step = tf.function(lambda features: task.train_step(features, model, optimizer)["loss"])
    losses = []
    for count in range(1, 21):
        losses.append(float(step(batch())))
        if count in (2, 20):
            ours = {v.name.split(":")[0]: v.numpy() for v in model.variables}
            for variable, value in original_values(golden, count):
                if "key/bias" in variable:  # its true gradient is 0; Adam scales rounding noise
                    continue
                np.testing.assert_allclose(ours[variable], value, atol=1e-4, err_msg=variable)
    np.testing.assert_allclose(losses, golden["total_loss"].reshape(-1)[:20], atol=1e-4)


def test_the_schedule_equals_the_original():
    golden = np.load(TESTDATA / "lamb_training/lamb_onehot.npz")
    schedule = WarmupPolynomialDecay(0.01, decay_steps=20, warmup_steps=5)
    np.testing.assert_allclose([schedule(s) for s in range(20)], golden["learning_rate"], rtol=1e-6)
    assert float(schedule(25)) == 0.0
    no_warmup = WarmupPolynomialDecay(0.5, decay_steps=4, end_learning_rate=0.1, power=2.0)
    np.testing.assert_allclose([no_warmup(0), no_warmup(2)], [0.5, 0.1 + 0.4 / 4], rtol=1e-6)


def test_only_norms_and_biases_are_excluded_from_weight_decay():
    optimizer = Lamb()
    model = AlbertPretrainer.from_pretrained(TESTDATA / "tf1_tiny")
    excluded = {v.name.split(":")[0] for v in model.variables if not optimizer.decays(v.name)}
    wanted = {v.name.split(":")[0] for v in model.variables}
    wanted = {n for n in wanted if n.split("/")[-1] in ("bias", "gamma", "beta", "output_bias")}
    assert excluded == wanted and len(excluded) == 19


def test_sparse_gradients_update_all_rows_like_dense_ones():
    dense, sparse = tf.Variable(tf.ones([4, 3])), tf.Variable(tf.ones([4, 3]))
    slices = tf.IndexedSlices(tf.ones([2, 3]), tf.constant([1, 1]), tf.constant([4, 3]))
    for variable, gradient in ((dense, tf.convert_to_tensor(slices)), (sparse, slices)):
        optimizer = AdamWeightDecay(0.1)
        for _ in range(2):
            optimizer.apply_gradients([(gradient, variable)])
    np.testing.assert_allclose(sparse, dense, rtol=1e-6)


def test_an_optimizer_can_be_restored_from_its_config():
    optimizer = Lamb(WarmupPolynomialDecay(0.1, 10, 2), weight_decay_rate=0.2, beta_1=0.8)
    again = Lamb.from_config(optimizer.get_config() | {"learning_rate": 0.1})
    assert again.weight_decay_rate == 0.2 and again.beta_1 == 0.8
    assert optimizer.get_config()["learning_rate"]["config"]["warmup_steps"] == 2


def test_the_learning_rate_scales_with_the_square_root_of_the_batch_size():
    scaled = optimization.config(
        learning_rate=0.00176, train_steps=9, warmup_steps=0, batch_size=64, scale_rate=True
    )
    assert scaled.learning_rate.get().initial_learning_rate == pytest.approx(0.00022)
    with pytest.raises(InputError, match="needs a positive batch_size. Received batch_size=None"):
        optimization.config(learning_rate=0.1, train_steps=9, warmup_steps=0, scale_rate=True)


@pytest.mark.parametrize(
    ("optimizer", "rate", "batch_size", "warns"),
    [
        ("lamb", 0.00176, 4096, False),
        ("lamb", 0.00176, 512, True),  # reported to stay flat at this size
        ("lamb", 0.00176 / 8**0.5, 512, False),
        ("lamb", 1e-5, 4096, True),
        ("adamw", 0.00176, 64, False),
    ],
)
def test_a_lamb_rate_far_from_the_papers_causes_a_warning(
    optimizer, rate, batch_size, warns, caplog
):
    with caplog.at_level("WARNING", logger="absl"):
        optimization.config(
            optimizer, learning_rate=rate, train_steps=9, warmup_steps=0, batch_size=batch_size
        )
    assert ("times the paper's rate for that batch" in caplog.text) == warns


def test_wrong_settings_are_errors():
    with pytest.raises(
        InputError, match="optimizer must be a known name. Received 'lamp'. Closest: lamb"
    ):
        optimization.config("lamp", learning_rate=1.0, train_steps=1, warmup_steps=0)
    with pytest.raises(InputError, match="train_steps must be at least 1.*warmup_steps=3"):
        optimization.config(learning_rate=1.0, train_steps=2, warmup_steps=3)


def changes(name, steps=1, **settings):
    """Returns how much each variable changed in each of the first steps, by name."""
    model = AlbertPretrainer.from_pretrained(TESTDATA / "tf1_tiny")
    config = optimization.config(
        name, learning_rate=0.01, train_steps=20, warmup_steps=0, **settings
    )
    optimizer = base_task.Task.create_optimizer(config)
    task = PretrainingTask(PretrainingConfig())
    step = tf.function(lambda features: task.train_step(features, model, optimizer)["loss"])
    history = []
    for _ in range(steps):
        before = {v.name: v.numpy() for v in model.variables}
        step(batch())
        history.append({v.name: v.numpy() - before[v.name] for v in model.variables})
    return history


def moved(change, start):
    """Returns whether the variables whose names start so moved: (all of them, any of them)."""
    flags = [bool(np.any(value)) for name, value in change.items() if name.startswith(start)]
    assert flags
    return all(flags), any(flags)


@pytest.mark.parametrize("name", ["lamb", "adamw"])
def test_frozen_parts_keep_their_weights_and_others_change(name):
    (frozen,) = changes(name, freeze="encoder")
    assert not moved(frozen, "encoder/")[1] and moved(frozen, "masked_lm/")[0]
    (frozen,) = changes(name, freeze="embeddings")
    assert not moved(frozen, "encoder/embeddings/")[1] and moved(frozen, "encoder/stack/")[1]
    history = changes(name, steps=4, freeze="embeddings", freeze_steps=2)
    assert [moved(change, "encoder/embeddings/")[1] for change in history] == [0, 0, 1, 1]
    assert all(moved(change, "masked_lm/")[0] for change in history)


def test_the_encoder_can_have_a_lower_rate():
    (whole,), (half,) = changes("adamw"), changes("adamw", encoder_rate=0.5)
    for name, change in whole.items():
        factor = 0.5 if name.startswith("encoder/") else 1.0
        np.testing.assert_allclose(half[name], factor * change, rtol=1e-3, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    "settings", [dict(freeze="head"), dict(freeze_steps=-1), dict(encoder_rate=-0.1)]
)
def test_wrong_settings_of_parts_are_errors(settings):
    with pytest.raises(InputError, match="FREEZE must be empty or one of encoder, embeddings"):
        changes("lamb", **settings)
