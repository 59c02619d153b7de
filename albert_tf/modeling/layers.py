"""The small parts that every layer of the model uses: activations, layer norm, dropout, building.

TensorFlow's stateful random numbers restart in every process: a resumed run would draw other
dropout masks than an uninterrupted one, and a recomputed layer other masks than its first pass.
Inside `seeded(seed)` every mask is a function of that seed and of the order of the calls.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
import tf_keras

from albert_tf.config import ACTIVATIONS, LAYER_NORM_EPSILON
from albert_tf.errors import InputError, closest

Activation = Callable[[tf.Tensor], tf.Tensor]


@tf_keras.utils.register_keras_serializable(package="albert_tf")
def gelu(x: tf.Tensor) -> tf.Tensor:
    """The tanh form, which all released models were trained with."""
    return tf.nn.gelu(x, approximate=True)


@tf_keras.utils.register_keras_serializable(package="albert_tf")
def gelu_erf(x: tf.Tensor) -> tf.Tensor:
    """The exact form."""
    return tf.nn.gelu(x, approximate=False)


# "gelu" in a released config is the tanh form (original modeling.py:gelu), although tf_keras
# gives that name to the exact one.
_BY_NAME: dict[str, Activation] = {
    "gelu": gelu,
    "gelu_erf": gelu_erf,
    "relu": tf_keras.activations.relu,
    "tanh": tf_keras.activations.tanh,
    "linear": tf_keras.activations.linear,
}
assert tuple(_BY_NAME) == ACTIVATIONS


def get_activation(activation: str | Activation) -> Activation:
    """Returns the function for a name of `config.ACTIVATIONS`, or the function given.

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
    """Returns what `deserialize_activation` turns into the same function again."""
    if isinstance(activation, str):
        return activation
    return {"tf_keras": tf_keras.activations.serialize(activation)}


def deserialize_activation(value: str | dict | Activation) -> str | Activation:
    """The inverse of `serialize_activation`; functions and names pass unchanged."""
    return tf_keras.activations.get(value["tf_keras"]) if isinstance(value, dict) else value


def layer_norm(name: str) -> tf_keras.layers.LayerNormalization:
    """Returns a layer norm over the last axis, computed in float32 under any policy."""
    return tf_keras.layers.LayerNormalization(
        axis=-1, epsilon=LAYER_NORM_EPSILON, dtype=tf.float32, name=name
    )


class _Scope(threading.local):  # Replicas of one process are traced in threads of their own.
    seed: tf.Tensor | None = None
    drawn: int = 0


_scope = _Scope()


@contextlib.contextmanager
def seeded(seed: tf.Tensor | None) -> Iterator[None]:
    """Makes the masks of the model calls in this block a function of `seed`.

    Args:
      seed: int32 [2], such as `step_seed` gives it; None leaves masks to TensorFlow's own state.
    """
    before = _scope.seed, _scope.drawn
    _scope.seed, _scope.drawn = seed, 0
    try:
        yield
    finally:
        _scope.seed, _scope.drawn = before


def step_seed(seed: int, step: tf.Tensor) -> tf.Tensor:
    """Returns the seed of this replica at a training step, int32 [2]."""
    replica = tf.distribute.get_replica_context()
    index = replica.replica_id_in_sync_group if replica else 0
    seeds = tf.stack([tf.constant(seed, tf.int32), tf.cast(step, tf.int32)])
    return tf.random.experimental.stateless_fold_in(seeds, tf.cast(index, tf.int32))


def draw() -> tf.Tensor | None:
    """Returns the next seed of the block, int32 [2], or None outside of one."""
    if _scope.seed is None:
        return None
    _scope.drawn += 1
    return tf.random.experimental.stateless_fold_in(_scope.seed, _scope.drawn)


class Dropout(tf_keras.layers.Dropout):
    """Keras's layer, with masks from `seeded` where that is in force."""

    def call(self, inputs: tf.Tensor, training: Any = None) -> tf.Tensor:
        seed = draw() if self.rate and training else None
        if seed is None:
            return super().call(inputs, training=training)
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, seed)


def build_parts(*parts: tuple[tf_keras.layers.Layer | None, int | None]) -> None:
    """Builds each (layer, input width) that is not built yet inside a name scope of its own name.

    Models then own all their variables from the start, and a variable's name is its path:
    `encoder/stack/group_0_inner_0/attention/query/kernel`. A part that is None is passed over.
    """
    for layer, width in parts:
        if layer is not None and not layer.built:
            with tf.name_scope(layer.name):
                layer.build(tf.TensorShape([None, width]))
