"""Activation functions by the names that ALBERT's configs use."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
import tf_keras

from albert_tf.config import ACTIVATIONS
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


def get(activation: str | Activation) -> Activation:
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


def serialize(activation: str | Activation) -> str | dict:
    """Returns what `deserialize` turns into the same function again."""
    if isinstance(activation, str):
        return activation
    return {"tf_keras": tf_keras.activations.serialize(activation)}


def deserialize(value: str | dict | Activation) -> str | Activation:
    """The inverse of `serialize`; functions and names pass unchanged."""
    return tf_keras.activations.get(value["tf_keras"]) if isinstance(value, dict) else value
