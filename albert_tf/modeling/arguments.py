"""The arguments of `AlbertEncoder`: other names for them, and checks of names and values."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from albert_tf.config import ENCODER_ARGUMENTS, AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.modeling.layers import get_activation

# The names of arguments in Model Garden's BertEncoder, where they differ.
ALIASES = {
    "inner_dim": "intermediate_size",
    "inner_activation": "activation",
    "output_dropout": "dropout_rate",
    "attention_dropout": "attention_dropout_rate",
    "return_word_embeddings": "return_embedding_output",
}
_OF_KERAS = ("name", "dtype", "trainable", "dynamic", "autocast", "batch_input_shape")


def with_aliases(init: Callable[..., None]) -> Callable[..., None]:
    """Lets a constructor take arguments by the names of Model Garden's BertEncoder as well.

    Raises:
      InputError: raised by the constructor if an argument is given under two names or is unknown.
    """
    signature = inspect.signature(init)
    known = {*signature.parameters, *ALIASES, *_OF_KERAS} - {"self", "kwargs"}

    @functools.wraps(init)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        given = signature.bind_partial(self, *args, **kwargs).arguments
        # It changes only the list of outputs.
        if kwargs.pop("return_all_encoder_outputs", False) and not given.get("dict_outputs", True):
            raise InputError(
                "encoder_outputs are returned in a dict only. Received "
                "return_all_encoder_outputs=True, dict_outputs=False. Set dict_outputs=True."
            )
        for name in kwargs:
            if name == "sequence_length":
                raise InputError(
                    "An encoder takes sequences of any length up to a limit. Received "
                    "sequence_length=. Set max_sequence_length instead."
                )
            if name not in known:
                raise InputError(
                    f"An encoder takes known arguments only. Received {name}=. "
                    f"{closest(name, known)}"
                )
            if ALIASES.get(name) in given:
                raise InputError(
                    f"An argument can be given under one name only. Received {name}= and "
                    f"{ALIASES[name]}=, which mean the same. Leave one of them out."
                )
        init(self, *args, **{ALIASES.get(name, name): value for name, value in kwargs.items()})

    return wrapped


def check(config: Mapping[str, Any]) -> None:
    """Checks the values of the arguments that determine the sizes of the model.

    Raises:
      InputError: for the first bad one.
    """
    if config["max_sequence_length"] is None:
        raise InputError(
            "The position table needs a size. Received max_sequence_length=None. Set it to the "
            "length of the longest sequence, such as 512."
        )
    activation = config["activation"]
    get_activation(activation)  # its error names the argument
    sizes = {field: config[name] for name, field in ENCODER_ARGUMENTS.items()}
    if not isinstance(activation, str):
        sizes["hidden_act"] = "linear"  # AlbertConfig takes names only, so any valid one will do
    AlbertConfig(**sizes)
