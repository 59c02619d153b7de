"""Products in int8, compared with sums in int64 and with float64 products by NumPy."""

import functools
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf.modeling import int8
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.int8 import PAIR, Int8Product, quantise, quantised_product
from albert_tf.modeling.layers import LayerNorm, gelu
from albert_tf.modeling.precision import ReducedPrecision
from tests.support.paths import ROOT


def in_graph(function, *arguments):
    specs = [tf.TensorSpec([None, a.shape[1]], a.dtype) for a in arguments]
    traced = tf.function(function, input_signature=specs, autograph=False)
    return traced(*(tf.constant(a) for a in arguments)).numpy()


@pytest.mark.parametrize("inputs", [1, 2, 7, 64, 128, 769, 3072])
@pytest.mark.parametrize("outputs", [1, 5, 33])
def test_products_equal_sums_in_int64(inputs, outputs):
    rng = np.random.default_rng(inputs * 100 + outputs)
    kernel = rng.standard_t(2, [inputs, outputs])  # long tails
    values, _ = quantise(kernel)
    ones = np.ones(outputs, np.float32)
    for rows in (1, 2, 17, 130):
        levels = rng.integers(0, 256, [rows, inputs], np.uint8)
        levels[0] = 255
        exact = levels.astype(np.int64) @ values.astype(np.int64)
        product = in_graph(lambda x: quantised_product(x, values, 0 * ones, 127 * ones), levels)
        np.testing.assert_array_equal(product, exact.astype(np.float32))


# Instruction sets of oneDNN; those without VNNI add neighbours in 16 bits. The test above runs with
# that of this processor.
SETS = ("SSE41", "AVX2", "AVX2_VNNI", "AVX512_CORE")
PROGRAM = """
from albert_tf.modeling import int8
from tests.modeling.int8_test import norm_error
print("exact" if int8.is_exact() and norm_error(int8.NORM_ROWS) < 1e-5 else "inexact")
"""


def norm_error(rows, epsilon=1e-12):
    """The largest difference of `normalised` from a layer norm in float64."""
    rng = np.random.default_rng(rows)
    norm = LayerNorm("norm")
    norm.build([None, 48])
    gamma, beta = rng.normal(size=[2, 48])
    norm.set_weights([gamma, beta])
    norm.epsilon = epsilon
    x = rng.normal(1, 3, size=[rows, 48]).astype(np.float32)
    x[-1] *= 1e-3
    received = in_graph(functools.partial(int8.normalised, norm), x)
    x = x.astype(float)
    deviation = np.sqrt(x.var(axis=1, keepdims=True) + epsilon)
    return np.abs(received - (x - x.mean(axis=1, keepdims=True)) / deviation * gamma - beta).max()


@pytest.mark.parametrize("rows", [1, int8.NORM_ROWS - 1, int8.NORM_ROWS, int8.NORM_ROWS + 7])
@pytest.mark.parametrize("epsilon", [1e-12, 0.1])
def test_norms_equal_those_of_float64(rows, epsilon):
    assert norm_error(rows, epsilon) < 1e-5


def test_no_rows_are_normalised_to_none():
    function = functools.partial(int8.normalised, LayerNorm("norm"))
    assert in_graph(function, np.zeros([0, 5], np.float32)).shape == (0, 5)


def test_many_rows_are_normalised_by_the_kernel_of_onednn():
    norm = LayerNorm("norm")
    specs = [tf.TensorSpec([None, 48])]
    function = tf.function(functools.partial(int8.normalised, norm), input_signature=specs)
    nodes = [n.op for f in function.get_concrete_function().graph.as_graph_def().library.function
             for n in f.node_def]  # fmt: skip
    assert nodes.count(int8.NORM_OP) == 1


@pytest.mark.clean_process
@pytest.mark.parametrize("instructions", SETS)
def test_products_are_exact_with_the_kernels_of_every_processor(instructions):
    environment = {"ONEDNN_MAX_CPU_ISA": instructions, "TF_CPP_MIN_LOG_LEVEL": "2"}
    # One of them also runs without oneDNN's optimizations.
    environment["TF_ENABLE_ONEDNN_OPTS"] = "0" if instructions == "AVX2" else "1"
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert finished.stdout.split() == ["exact"], finished.stderr[-2000:]


@pytest.mark.parametrize(
    "kernel",
    [
        np.full([6, 3], 0.7),
        np.array([[1.0], [1.0], [0.001], [-1.0]]),
        np.array([[1.0], [0.0], [0.0], [-1.0], [0.5]]),
        np.zeros([4, 2]),
        np.array([[1e-30, 3e30], [-1e-30, 0.0]]),
    ],
)
def test_neighbouring_weights_fit_into_16_bits(kernel):
    values, scales = quantise(kernel)
    magnitudes = np.abs(values.astype(int))
    magnitudes = np.concatenate([magnitudes, np.zeros([len(values) % 2, values.shape[1]], int)])
    assert (magnitudes[::2] + magnitudes[1::2]).max() <= PAIR
    np.testing.assert_allclose(values * scales.astype(float), kernel, atol=np.max(scales) * 0.51)


def test_a_lone_weight_uses_the_whole_range():
    assert quantise(np.array([[5.0], [0.0], [0.1], [0.2]]))[0].max() == 127


@pytest.mark.parametrize("activation", [None, gelu, tf.nn.relu])
@pytest.mark.parametrize("shift", [None, int8.GELU_SHIFT])
def test_products_are_near_those_of_float64(activation, shift):
    rng = np.random.default_rng(1)
    kernel, bias = rng.normal(size=[96, 40]) * 0.1, rng.normal(size=[40])
    x = rng.normal(size=[7, 96]).astype(np.float32)
    x = x if shift is None else int8.GELU_OUTPUT * gelu(3 * x).numpy()
    expected = x.astype(float) @ kernel + bias
    if activation is not None:
        expected = activation(tf.constant(expected)).numpy()
    product = Int8Product(kernel, bias, activation, shift)
    received = in_graph(product, x)
    error = np.linalg.norm(received - expected) / np.linalg.norm(expected)
    assert error < 1.5e-2
    # A quantiser with half the levels would make twice the error.
    assert error > 1e-4


def test_scaled_gelu_is_gelu():
    x = np.concatenate([np.linspace(-12, 12, 1001), [-1e4, -300, 0, 300, 1e4]]).astype(np.float32)
    received = int8.scaled_gelu(tf.constant(x * np.float32(int8.GELU_INPUT))).numpy()
    exact = [value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x.tolist()]
    np.testing.assert_allclose(received, int8.GELU_OUTPUT * np.array(exact), rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(received, int8.GELU_OUTPUT * gelu(x), rtol=2e-6, atol=8e-4)
    assert received.min() > -int8.GELU_SHIFT


def test_a_row_has_the_same_product_in_any_batch():
    rng = np.random.default_rng(2)
    product = Int8Product(rng.normal(size=[130, 33]), rng.normal(size=[33]))
    rows = rng.normal(size=[5, 130]).astype(np.float32)
    outlier = rows[:1] * 1000
    alone = np.concatenate([in_graph(product, rows[i : i + 1]) for i in range(5)])
    together = in_graph(product, np.concatenate([outlier, rows, 0 * rows[:2]]))
    np.testing.assert_array_equal(together[1:6], alone)


def test_rows_of_zeros_tiny_and_huge_values_are_finite():
    rng = np.random.default_rng(3)
    kernel, bias = rng.normal(size=[8, 3]), rng.normal(size=[3])
    product = Int8Product(kernel, bias)
    rows = np.stack([np.zeros(8), np.full(8, 1e-36), np.full(8, 1e30), -np.arange(8.0)])
    received = in_graph(product, rows.astype(np.float32))
    np.testing.assert_allclose(received[:2], np.stack([bias, bias]), atol=1e-6)
    assert np.isfinite(received).all()


def test_no_rows_have_no_product():
    product = Int8Product(np.ones([8, 3]), np.zeros(3))
    assert in_graph(product, np.zeros([0, 8], np.float32)).shape == (0, 3)


def test_a_row_with_nan_has_the_product_nan_and_others_do_not():
    product = Int8Product(np.ones([4, 3]), np.zeros(3))
    rows = np.array([[1, 2, 3, 4], [1, np.nan, 3, 4]], np.float32)
    received = in_graph(product, rows)
    np.testing.assert_allclose(received[0], [10, 10, 10], rtol=0.02)
    assert np.isnan(received[1]).all()


def test_two_products_do_not_share_the_scales_that_onednn_keeps():
    # The same addresses may hold the scales of one model after another.
    rng = np.random.default_rng(4)
    x = rng.normal(size=[3, 64]).astype(np.float32)
    for scale in (1.0, 3.0, 7.0, 0.1):
        kernel = scale * rng.normal(size=[64, 16])
        received = in_graph(Int8Product(kernel, np.zeros(16)), x)
        np.testing.assert_allclose(received, x @ kernel, atol=scale * 0.4)


@pytest.fixture(scope="module")
def encoder():
    tf_keras.utils.set_random_seed(5)
    sizes = dict(embedding_width=24, hidden_size=48, num_layers=3, num_attention_heads=4)
    return AlbertEncoder(50, **sizes, max_sequence_length=20, intermediate_size=96)


def outputs(encoder, reduced=None, remove_padding=True):
    rng = np.random.default_rng(6)
    ids = rng.integers(1, 50, [4, 11], np.int32)
    mask = (np.arange(11) < [[11], [3], [7], [1]]).astype(np.int32)

    def run(ids, mask):
        features = dict(input_word_ids=ids, input_mask=mask)
        return encoder(features, remove_padding=remove_padding)["sequence_output"]

    if reduced is None:
        return in_graph(run, ids, mask)
    with reduced.replaced():
        return in_graph(run, ids, mask)


@pytest.mark.parametrize(
    ("precision", "least", "most"), [("int8", 1e-3, 3e-2), ("bfloat16", 1e-4, 1e-2)]
)
@pytest.mark.parametrize("remove_padding", [True, False])
def test_an_encoder_has_near_outputs_and_keeps_its_weights(
    encoder, precision, least, most, remove_padding
):
    expected = outputs(encoder, remove_padding=remove_padding)
    received = outputs(encoder, ReducedPrecision(encoder, precision), remove_padding)
    drift = np.linalg.norm(received - expected) / np.linalg.norm(expected)
    assert least < drift < most
    np.testing.assert_array_equal(outputs(encoder, remove_padding=remove_padding), expected)


def test_replaced_weights_are_all_those_of_the_products(encoder):
    reduced = ReducedPrecision(encoder, "int8")
    shapes = sorted(tuple(v.shape) for v in reduced.replaced_variables if len(v.shape) == 2)
    assert shapes == [(24, 48), (48, 48), (48, 48), (48, 48), (48, 48), (48, 96), (96, 48)]
    stored = sorted(tuple(v.shape) for v in reduced.variables if v.dtype == tf.int8)
    assert stored == [(24, 48), (48, 48), (48, 96), (48, 144), (96, 48)]
