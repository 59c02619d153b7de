"""`Int8Product`: the product of float32 rows and int8 weights, for inference on CPUs.

- Weights are int8 with a scale for each output channel.
- Each row of activations is quantised to uint8 by its own range when it arrives, so that a row has
  the same product in any batch.
- Sums are int32 and exact. Bias and activation are float32.

The product is TensorFlow's op `_QuantizedMatMul`, oneDNN's kernel for products of quantised
matrices. It is part of TensorFlow's builds for x86, and of TensorFlow Serving's, and runs with
`TF_ENABLE_ONEDNN_OPTS=0` too. Letters: T rows, K inputs and M outputs of a product.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_def_library

from albert_tf.modeling.layers import Activation, LayerNorm

# Neither is in `tf.raw_ops`.
OPS = PRODUCT_OP, NORM_OP = "_QuantizedMatMul", "_MklLayerNorm"
NORM_ROWS = 256  # From so many rows on, `NORM_OP` is faster than TensorFlow's public operations.
# Processors without VNNI add the products of two neighbouring inputs in 16 bits, which saturate.
# With uint8 activations, the sum is exact if the magnitudes of the two weights add up to at most
# 128: 255 * 128 < 2**15.
PAIR = 128
# The activations of a row are uint8. They lie around 128, or, if they are outputs of GELU, between
# the least output of GELU, above -0.171, and the largest in the row.
CENTRE, HALF_RANGE, RANGE = 128, 127, 255
_TINY = 1e-30  # The least range of a row, so that a row of zeros has a scale.
# `scaled_gelu` takes numbers multiplied by the first and returns them multiplied by the second.
GELU_INPUT, GELU_OUTPUT = math.sqrt(0.5), math.sqrt(2)
GELU_SHIFT = 0.171 * GELU_OUTPUT


class Int8Product(tf.Module):
    """The product of rows and int8 weights, with bias and activation.

    Input: float32 [T, K]. Output: float32 [T, M].

    Args:
      kernel: float [K, M].
      bias: float [M].
      activation: applied to the result, if given.
      shift: if given, inputs are at least `-shift`, and use the whole range of uint8.
      name: the name of the variables.

    Attributes:
      variables: `values` int8 [K, M], and `ranges` (127 times the scales), `offset` and `bias`,
        float32 [M].
    """

    def __init__(
        self,
        kernel: np.ndarray,
        bias: np.ndarray,
        activation: Activation | None = None,
        shift: float | None = None,
        name: str = "product",
    ) -> None:
        super().__init__()
        values, scales = quantise(kernel)
        sums = values.sum(axis=0, dtype=np.int64)  # [M]
        if shift is None:
            offset = -CENTRE * sums * scales
        else:
            offset, bias = 0.0 * scales, bias - shift * sums * scales
        self._activation, self._shift = activation, shift
        # oneDNN keeps compiled products by the address of their ranges. A variable has the same in
        # each call, but an address may be used again after another version of a model was unloaded.
        # So the lower limit of the inputs, which has no other effect, differs between products.
        digest = hashlib.sha256(values.tobytes() + scales.tobytes()).digest()
        self._lower_limit = -RANGE * (1 + int.from_bytes(digest[:4], "big")) / 2.0**33

        def constant(values: np.ndarray, what: str, dtype: tf.DType = tf.float32) -> tf.Variable:
            return tf.Variable(values, trainable=False, dtype=dtype, name=f"{name}/int8/{what}")

        self.values = constant(values, "values", tf.int8)
        self.ranges = constant(HALF_RANGE * scales, "ranges")
        self.offset = constant(offset, "offset")
        self.bias = constant(bias, "bias")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the product of the rows [T, K] and the weights, [T, M]."""
        levels, steps = self._quantised(x)
        sums = quantised_product(levels, self.values, self.offset, self.ranges, self._lower_limit)
        # Without rows, `sums` [1, M] times `steps` [0, 1] is [0, M].
        y = tf.nn.bias_add(sums * steps, self.bias)  # [T, M]
        return y if self._activation is None else self._activation(y)

    def _quantised(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns uint8 [T, K] and the size of a step in each row, float32 [T, 1]."""
        if self._shift is None:
            largest = tf.reduce_max(tf.abs(x), axis=-1, keepdims=True)  # [T, 1]
            steps = tf.maximum(largest, _TINY) * (1 / HALF_RANGE)
            zero = CENTRE
        else:
            steps = (tf.reduce_max(x, axis=-1, keepdims=True) + self._shift) * (1 / RANGE)
            zero = self._shift / steps
        levels = x * (1.0 / steps) + (zero + 0.5)
        return tf.cast(levels, tf.uint8), steps  # The cast cuts off the fraction.


def quantise(kernel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns int8 [K, M] and float32 scales [M] for a kernel [K, M].

    The magnitudes of each two neighbouring inputs of a channel add up to at most `PAIR`.
    """
    kernel = np.asarray(kernel, np.float64)
    magnitudes = np.abs(np.concatenate([kernel, np.zeros([len(kernel) % 2, kernel.shape[1]])]))
    pairs = magnitudes.reshape([-1, 2, kernel.shape[1]]).sum(axis=1)  # [K / 2, M]
    # Rounding may add a half to each of the two.
    scales = np.maximum(pairs.max(axis=0) / (PAIR - 1), magnitudes.max(axis=0) / 127)
    scales = np.maximum(scales, np.finfo(np.float32).tiny).astype(np.float32)  # [M]
    return np.rint(kernel / scales).astype(np.int8), scales


def quantised_product(
    levels: tf.Tensor,
    values: tf.Tensor | tf.Variable,
    offset: tf.Tensor | tf.Variable,
    ranges: tf.Tensor | tf.Variable,
    lower_limit: float = 0.0,
) -> tf.Tensor:
    """Returns `ranges / 127 * (levels @ values) + offset`, float32 [T, M]. Call it in a graph.

    Without rows, it returns one for a row of zeros.

    Args:
      levels: uint8 [T, K].
      values: int8 [K, M]; constant, as the op keeps a copy in its own layout.
      offset: float32 [M].
      ranges: float32 [M].
      lower_limit: above -255; see `Int8Product`.
    """
    # The op ends the process if it has no rows.
    missing = tf.cast(tf.equal(tf.shape(levels), 0), tf.int32)  # [1, 0] without rows
    levels = tf.pad(levels, tf.stack([tf.zeros_like(missing), missing], axis=1))
    device_inputs = [
        tf.bitcast(levels, tf.quint8),
        tf.bitcast(tf.convert_to_tensor(values), tf.qint8),
        tf.convert_to_tensor(offset),
    ]
    # Of the lower and upper limits of the weights, the larger magnitude counts.
    ranges = tf.convert_to_tensor(ranges)
    limits = [tf.constant(lower_limit, tf.float32), tf.constant(float(RANGE)), ranges, ranges]
    product = _internal_op(
        PRODUCT_OP,
        device_inputs=device_inputs,
        host_inputs=limits,
        T1=tf.quint8,
        T2=tf.qint8,
        Tbias=tf.float32,
        U=tf.float32,
        Tout=tf.float32,
        Tdevice_outputs=[tf.float32],
        Thost_outputs=[],
        transpose_a=False,
        transpose_b=False,
        is_weight_const=True,
        is_bias_const=True,
        fused_ops=["BiasAdd", "Dequantize"],
        input_quant_mode="SCALED",
        output_quant_mode="SCALED",
        leakyrelu_alpha=0.2,
    )
    product.set_shape([None, values.shape[1]])
    return product


def normalised(norm: LayerNorm, x: tf.Tensor) -> tf.Tensor:
    """Returns the layer norm of rows [T, H] in inference. Call it in a graph.

    oneDNN's kernel reads and writes the rows once, but takes as long for one row as for a hundred.
    """

    def by_kernel() -> tf.Tensor:
        gamma, beta = tf.convert_to_tensor(norm.gamma), tf.convert_to_tensor(norm.beta)
        y = _internal_op(NORM_OP, x=x, scale=gamma, offset=beta, epsilon=norm.epsilon)
        y.set_shape(x.shape)
        return y

    return tf.cond(tf.shape(x)[0] < NORM_ROWS, lambda: norm(x), by_kernel)


def _internal_op(op: str, **arguments: Any) -> tf.Tensor:
    """Adds an op to the graph that has no function in Python, and returns its only output.

    Attributes that have defaults are given too: nothing adds them for an op whose name begins with
    an underscore, and the kernel reads all of them.
    """
    name = op.strip("_")
    return op_def_library._apply_op_helper(op, name=name, **arguments)[2].outputs[0]


def scaled_gelu(y: tf.Tensor) -> tf.Tensor:
    """Returns `GELU_OUTPUT * gelu(x)` for `y = GELU_INPUT * x`, in three operations.

    This is the exact form of GELU. Its tanh approximation, which most models use, takes five and
    differs from it by 5e-4 at most, a fraction of a step of the result in uint8.
    """
    return y * (tf.math.erf(y) + 1.0)


@functools.cache
def is_exact() -> bool:
    """Returns whether the products of this processor equal those of int64.

    Compares products of several sizes and numbers of rows, with random weights and with the
    neighbours that a sum in 16 bits would cut off first.
    """
    rng = np.random.default_rng(0)
    for inputs, outputs in ((768, 2304), (3072, 768), (130, 67)):
        values = rng.integers(-PAIR // 2, PAIR // 2 + 1, [inputs, outputs], np.int8)
        values[:, 0] = PAIR // 2
        values[:, 1] = np.where(np.arange(inputs) % 2, 127, 1)

        product = _product_with(values)
        for rows in (1, 3, 40):
            levels = rng.integers(0, RANGE + 1, [rows, inputs], np.uint8)
            levels[0] = RANGE
            exact = levels.astype(np.int64) @ values.astype(np.int64)
            if not np.array_equal(product(tf.constant(levels)).numpy(), exact.astype(np.float32)):
                return False
    return True


def _product_with(values: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function of uint8 [T, K] that multiplies with int8 [K, M]."""
    ones = np.ones(values.shape[1], np.float32)

    def product(levels: tf.Tensor) -> tf.Tensor:
        return quantised_product(levels, tf.constant(values), 0 * ones, HALF_RANGE * ones)

    specs = [tf.TensorSpec([None, values.shape[0]], tf.uint8)]
    return tf.function(product, input_signature=specs, autograph=False).get_concrete_function()
