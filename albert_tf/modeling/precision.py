"""Encoders with products of less precision: int8 or bfloat16 weights instead of float32."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
import tf_keras

from albert_tf.errors import InputError, closest
from albert_tf.modeling import int8
from albert_tf.modeling.encoder import AlbertEncoder
from albert_tf.modeling.layers import Activation, gelu, gelu_erf, replaced_by

FLOAT32, BFLOAT16, INT8 = PRECISIONS = ("float32", "bfloat16", "int8")


def check(precision: str) -> None:
    """Raises `InputError` if the name is not in `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise InputError(
            f"--precision must be one of {', '.join(PRECISIONS)}. Received {precision!r:.80}. "
            f"{closest(precision[:80], PRECISIONS)}"
        )


class Bfloat16Product(tf.Module):
    """The product of rows and bfloat16 weights; bias and activation are float32.

    Input: float32 [T, K]. Output: float32 [T, M].

    Args:
      kernel: float [K, M].
      bias: float [M].
      activation: applied to the result, if given.
      name: the name of the variables.
    """

    def __init__(
        self,
        kernel: np.ndarray,
        bias: np.ndarray,
        activation: Activation | None = None,
        name: str = "product",
    ) -> None:
        super().__init__()
        name = f"{name}/bfloat16"
        kernel = tf.cast(kernel, tf.bfloat16)
        self.kernel = tf.Variable(kernel, trainable=False, name=f"{name}/kernel")
        self.bias = tf.Variable(bias, trainable=False, dtype=tf.float32, name=f"{name}/bias")
        self._activation = activation or tf.identity

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Returns the product of the rows [T, K] and the weights, [T, M]."""
        y = tf.cast(tf.matmul(tf.cast(x, tf.bfloat16), self.kernel), tf.float32)  # [T, M]
        return self._activation(tf.nn.bias_add(y, self.bias))


class ReducedPrecision:
    """Products of less precision for the blocks and the embedding projection of an encoder.

    Everything else stays in float32: norms, residuals, attention, the pooler and the heads.

    Args:
      encoder: the encoder, whose weights are read now.
      precision: "int8" or "bfloat16".

    Attributes:
      variables: the variables of the products.
      replaced_variables: the variables of the encoder that are not read inside `replaced()`.
    """

    def __init__(self, encoder: AlbertEncoder, precision: str) -> None:
        layers: dict[tf_keras.layers.Layer, list[tf_keras.layers.Dense]] = {}
        projection = encoder.embeddings_layer.projection
        if projection is not None:
            layers[projection] = [projection]
        for block in encoder.stack.blocks:
            attention = block.attention
            layers[attention] = [attention.query, attention.key, attention.value]
            for layer in (
                attention.attention_output,
                block.intermediate,
                block.feed_forward_output,
            ):
                layers[layer] = [layer]
        blocks = [b for b in encoder.stack.blocks if b.intermediate.activation in (gelu, gelu_erf)]
        before_gelu = {block.intermediate for block in blocks}
        after_gelu = {block.feed_forward_output for block in blocks}
        self._products = {}
        for layer, parts in layers.items():
            kernel = np.concatenate([part.kernel.numpy() for part in parts], axis=1)
            bias = np.concatenate([part.bias.numpy() for part in parts])
            name = layer.variables[0].name.rpartition("/")[0]
            activation, shift = getattr(layer, "activation", None), None
            if precision == BFLOAT16:
                self._products[layer] = Bfloat16Product(kernel, bias, activation, name)
                continue
            if layer in before_gelu:
                kernel, bias = kernel * int8.GELU_INPUT, bias * int8.GELU_INPUT
                activation = int8.scaled_gelu
            elif layer in after_gelu:
                kernel, shift = kernel / int8.GELU_OUTPUT, int8.GELU_SHIFT
            self._products[layer] = int8.Int8Product(kernel, bias, activation, shift, name)
        self._norms = {}
        if precision == INT8:
            blocks = encoder.stack.blocks
            norms = [norm for b in blocks for norm in (b.attention_norm, b.output_norm)]
            self._norms = {norm: functools.partial(int8.normalised, norm) for norm in norms}
        self.variables = [v for product in self._products.values() for v in product.variables]
        self.replaced_variables = [
            variable for parts in layers.values() for part in parts for variable in part.variables
        ]

    @contextlib.contextmanager
    def replaced(self) -> Iterator[None]:
        """Graphs that are traced in this block compute with these products."""
        with replaced_by({**self._products, **self._norms}):
            yield


def replaced(reduced: ReducedPrecision | None) -> contextlib.AbstractContextManager[None]:
    """Returns `reduced.replaced()`, or a context that changes nothing without it."""
    return reduced.replaced() if reduced else contextlib.nullcontext()
