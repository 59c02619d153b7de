"""Mixed precision, padding removal and XLA as set in the runtime config."""

import numpy as np
import pytest
import tf_keras
from official.core import config_definitions

from albert_tf.errors import InputError
from albert_tf.tasks.classification.config import ClassificationConfig
from albert_tf.training import runtime
from tests.support.pretraining_step import pretraining, train


def config(**changes):
    return config_definitions.RuntimeConfig(**{"distribution_strategy": "off", **changes})


@pytest.fixture(scope="module")
def plain():
    """Returns losses, variables and metrics of two training steps in float32."""
    return train("lamb", 1, updates=2)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_mixed_precision_trains_float32_variables(dtype, plain):
    with runtime.precision(config(mixed_precision_dtype=dtype)):
        losses, variables, metrics = train("lamb", 1, updates=2)
    assert tf_keras.mixed_precision.global_policy().name == "float32"  # restored
    np.testing.assert_allclose(losses, plain[0], rtol=0.01)
    assert losses != plain[0]  # it did compute with lower precision
    assert {value.dtype for value in variables.values()} == {np.dtype(np.float32)}
    assert metrics["gradient_norm"] == pytest.approx(plain[2]["gradient_norm"], rel=0.05)


def test_a_step_compiled_with_xla_gives_the_same_results(plain):
    task, model = pretraining()
    runtime.compile_step(task, config(enable_xla=True))
    losses, variables, metrics = train("lamb", updates=2, made=(task, model))
    np.testing.assert_allclose(losses, plain[0], rtol=1e-6)
    for name, value in plain[1].items():
        np.testing.assert_allclose(variables[name], value, atol=1e-5, err_msg=name)
    assert metrics == pytest.approx(plain[2], rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(mixed_precision_dtype="bfloat"), "Received 'bfloat'. Closest: bfloat16, float"),
        (dict(loss_scale=8.0), "requires float16.*Received loss_scale=8.0 with float32"),
        (
            dict(loss_scale="dynamik", mixed_precision_dtype="float16"),
            "must be a positive number or 'dynamic'. Received 'dynamik'",
        ),
    ],
)
def test_wrong_number_formats_and_loss_scales_are_errors(changes, message):
    with pytest.raises(InputError, match=message), runtime.precision(config(**changes)):
        pass


@pytest.mark.parametrize(
    ("setting", "bucketed", "runtime_changes", "result"),
    [
        (None, True, {}, True),
        (None, True, dict(distribution_strategy="mirrored"), True),
        (None, True, dict(enable_xla=True), False),
        (None, True, dict(distribution_strategy="tpu"), False),
        (None, False, {}, False),
        (True, False, {}, True),
        (False, True, {}, False),
    ],
)
def test_padding_is_removed_if_shapes_may_vary(setting, bucketed, runtime_changes, result):
    task = ClassificationConfig(remove_padding=setting)
    task.train_data.bucketed = bucketed
    runtime.decide_padding(task, config(**runtime_changes))
    assert task.remove_padding is result


def test_padding_removal_under_xla_is_an_error():
    task = ClassificationConfig(remove_padding=True)
    rule = "XLA and TPUs do not support. Received remove_padding=True with enable_xla=True.* Leave"
    with pytest.raises(InputError, match=rule):
        runtime.decide_padding(task, config(enable_xla=True))


def test_xla_on_several_cpu_devices_is_an_error():
    several = config_definitions.RuntimeConfig(distribution_strategy="mirrored", enable_xla=True)
    with pytest.raises(InputError, match="GPUs, a TPU or a single device. Received 'mirrored'"):
        runtime.compile_step(None, several)
