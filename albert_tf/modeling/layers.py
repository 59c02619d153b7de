"""Building blocks that all layers share: activations, layer norm, dtypes, seeded dropout, building.

TensorFlow's stateful random numbers restart in every process. With them, a resumed run would draw
different dropout masks from an uninterrupted one, and a recomputed layer different masks from its
first pass. Inside `seeded(seed)`, masks depend only on the seed and on the order of the calls.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.config import ACTIVATIONS, LAYER_NORM_EPSILON
from albert_tf.errors import InputError, closest

Activation = Callable[[tf.Tensor], tf.Tensor]
Function = Callable[[tf.Tensor], tf.Tensor]


@tf_keras.utils.register_keras_serializable(package="albert_tf")
def gelu(x: tf.Tensor) -> tf.Tensor:
    """GELU in its tanh approximation, with which all released models were trained."""
    return tf.nn.gelu(x, approximate=True)


@tf_keras.utils.register_keras_serializable(package="albert_tf")
def gelu_erf(x: tf.Tensor) -> tf.Tensor:
    """GELU in its exact form."""
    return tf.nn.gelu(x, approximate=False)


# "gelu" in a released config means the tanh approximation (original modeling.py:gelu), whereas
# "gelu" in tf_keras is the exact form.
_BY_NAME: dict[str, Activation] = {
    "gelu": gelu,
    "gelu_erf": gelu_erf,
    "relu": tf_keras.activations.relu,
    "tanh": tf_keras.activations.tanh,
    "linear": tf_keras.activations.linear,
}
assert tuple(_BY_NAME) == ACTIVATIONS


def get_activation(activation: str | Activation) -> Activation:
    """Returns the activation function for a name in `config.ACTIVATIONS`; functions pass through.

    Raises:
      InputError: the name is unknown.
    """
    if callable(activation):
        return activation
    if activation not in _BY_NAME:
        raise InputError(
            "activation must be a function or a known name. "
            f"Received {activation!r}. {closest(str(activation), _BY_NAME)}"
        )
    return _BY_NAME[activation]


def serialize_activation(activation: str | Activation) -> str | dict:
    """Returns a JSON-compatible value from which `deserialize_activation` restores the function."""
    if isinstance(activation, str):
        return activation
    return {"tf_keras": tf_keras.activations.serialize(activation)}


def deserialize_activation(value: str | dict | Activation) -> str | Activation:
    """Restores the result of `serialize_activation`; functions and names pass through."""
    return tf_keras.activations.get(value["tf_keras"]) if isinstance(value, dict) else value


class LayerNorm(tf_keras.layers.LayerNormalization):
    """A layer norm over the last axis, computed in float32 under any policy.

    It has the variables of Keras's layer, and takes less time on a CPU, as it does not multiply
    `gamma` with the deviation of each row, which would write one matrix more.
    """

    def __init__(self, name: str) -> None:
        super().__init__(epsilon=LAYER_NORM_EPSILON, dtype=tf.float32, name=name)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        centred = inputs - tf.reduce_mean(inputs, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        return centred * tf.math.rsqrt(variance + self.epsilon) * self.gamma + self.beta


def norms(layer: tf_keras.layers.Layer) -> list[LayerNorm]:
    """Returns all layer norms in a layer. `assign` sets their epsilon to that of the source."""
    return [module for module in layer.submodules if isinstance(module, LayerNorm)]


@contextlib.contextmanager
def policy_of(layer: tf_keras.layers.Layer) -> Iterator[None]:
    """Gives all layers that are made in this block the dtype policy of `layer`."""
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy(layer.dtype_policy)
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(before)


class _Scope(threading.local):  # TensorFlow traces each replica of a process in its own thread.
    seed: tf.Tensor | None = None
    drawn: int = 0


_scope = _Scope()


@contextlib.contextmanager
def seeded(seed: tf.Tensor | None) -> Iterator[None]:
    """Makes the dropout masks of all model calls in this block a function of `seed`.

    Args:
      seed: int32 [2], such as the result of `step_seed`. None uses TensorFlow's stateful random
        numbers.
    """
    before = _scope.seed, _scope.drawn
    _scope.seed, _scope.drawn = seed, 0
    try:
        yield
    finally:
        _scope.seed, _scope.drawn = before


def step_seed(seed: int, step: tf.Tensor) -> tf.Tensor:
    """Returns the seed for the current replica at a training step, int32 [2]."""
    replica = tf.distribute.get_replica_context()
    index = replica.replica_id_in_sync_group if replica else 0
    seeds = tf.stack([tf.constant(seed, tf.int32), tf.cast(step, tf.int32)])
    return tf.random.experimental.stateless_fold_in(seeds, tf.cast(index, tf.int32))


def draw() -> tf.Tensor | None:
    """Returns the next seed of the enclosing `seeded` block, int32 [2], or None outside of one."""
    if _scope.seed is None:
        return None
    _scope.drawn += 1
    return tf.random.experimental.stateless_fold_in(_scope.seed, _scope.drawn)


@tf_keras.utils.register_keras_serializable(package="albert_tf")
class Dropout(tf_keras.layers.Dropout):
    """Keras's dropout layer, which draws its masks from the enclosing `seeded` block, if any."""

    def call(self, inputs: tf.Tensor, training: Any = None) -> tf.Tensor:
        seed = draw() if self.rate and training else None
        if seed is None:
            return super().call(inputs, training=training)
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, seed)


def build_parts(*parts: tuple[tf_keras.layers.Layer | None, int | None]) -> None:
    """Builds each (layer, input width) that is not built yet, in a name scope named after it.

    Models thus own all their variables from the start, and the name of a variable is its path, as
    in `encoder/stack/group_0_inner_0/attention/query/kernel`. Parts that are None are skipped.
    """
    for layer, width in parts:
        if layer is not None and not layer.built:
            with tf.name_scope(layer.name):
                layer.build(tf.TensorShape([None, width]))


_replacements: contextvars.ContextVar[Mapping[tf_keras.layers.Layer, Function]]
_replacements = contextvars.ContextVar("replacements")


@contextlib.contextmanager
def replaced_by(functions: Mapping[tf_keras.layers.Layer, Function]) -> Iterator[None]:
    """In this block, `function_of` returns these functions instead of the layers."""
    token = _replacements.set(functions)
    try:
        yield
    finally:
        _replacements.reset(token)


def function_of(layer: tf_keras.layers.Layer) -> Function:
    """Returns the function that computes a layer: its replacement, or the layer itself."""
    return _replacements.get({}).get(layer, layer)
