"""Differences between other implementations and ALBERT, and how this package handles them.

- Projection. If the embedding width equals the hidden size, the original has no projection after
  the embeddings, and neither does this package. Hugging Face and KerasHub always have one. For
  them, an identity projection is written; it is dropped again when such a model is read.
- Groups. Layer i uses group `i * groups // layers`. Other implementations round differently and
  use another group for some combinations, such as 22 layers with 22 groups. No released model is
  affected; a model that would be is rejected.
- Epsilon. Some formats cannot store the epsilon of a layer norm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from albert_tf.config import LAYER_NORM_EPSILON, AlbertConfig, layer_to_group
from albert_tf.errors import InputError
from albert_tf.formats import names
from albert_tf.formats.source import Source, Stored


def has_no_projection(config: AlbertConfig) -> bool:
    """Whether this package builds the model without a projection."""
    return config.embedding_size == config.hidden_size


def identity_projection(column: str, config: AlbertConfig) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the name and value of an identity kernel and a zero bias, named as in `column`."""
    if has_no_projection(config):
        kernel, bias = _names(column)
        yield kernel, np.eye(config.hidden_size, dtype=np.float32)
        yield bias, np.zeros(config.hidden_size, np.float32)


def without_identity_projection(
    column: str, stored: Mapping[str, Stored], config: AlbertConfig
) -> dict[str, Stored]:
    """Returns the arrays without the projection if this package builds the model without it.

    Raises:
      InputError: the projection is not the identity.
    """
    if not has_no_projection(config):
        return dict(stored)
    for name, expected in identity_projection(column, config):
        if name in stored and not np.array_equal(stored[name].read(), expected):
            raise InputError(
                "If embedding_size equals hidden_size, ALBERT has no projection after the "
                "embeddings, so a stored projection must be the identity. Received other values "
                f"for {name!r}. This package cannot build such a model."
            )
    return {name: array for name, array in stored.items() if name not in _names(column)}


def _names(column: str) -> tuple[str, str]:
    places = {row.ours: row.places[column].name for row in names.TABLE if column in row.places}
    return places[f"{names.PROJECTION}/kernel"], places[f"{names.PROJECTION}/bias"]


_RULES = {
    # transformer_model in the original modeling.py.
    "tf1": lambda i, layers, groups: int(i / layers * groups),
    # AlbertTransformer.forward in transformers.
    "hugging_face": lambda i, layers, groups: int(i / (layers / groups)),
    # AlbertBackbone in keras_hub: each group is used by layers // groups consecutive layers.
    "keras_hub": lambda i, layers, groups: i // (layers // groups),
}


def check_groups(format_name: str, config: AlbertConfig) -> None:
    """Checks that another implementation assigns layers to the same groups as this package.

    Raises:
      InputError: the assignments differ.
    """
    layers, groups = config.num_hidden_layers, config.num_hidden_groups
    rule = _RULES[format_name]
    theirs = [rule(i, layers, groups) for i in range(layers)]
    ours = [layer_to_group(i, layers, groups) for i in range(layers)]
    if theirs != ours:
        layer = next(i for i in range(layers) if theirs[i] != ours[i])
        raise InputError(
            f"{format_name} must assign layers to the same groups as albert_tf. Received "
            f"num_hidden_layers={layers} and num_hidden_groups={groups}, where layer {layer} uses "
            f"group {theirs[layer]} in {format_name} but {ours[layer]} in albert_tf. Choose a "
            "number of layers that is a multiple of the number of groups."
        )


def check_epsilon(
    format_name: str,
    source: Source,
    encoder: float = LAYER_NORM_EPSILON,
    masked_lm: float = LAYER_NORM_EPSILON,
) -> tuple[str, ...]:
    """Returns notes on the differences that a format's fixed epsilons cause.

    The epsilon of the head may differ: the head's inputs are not small, and using 1e-5 instead of
    1e-12 changes logits by 2e-5. In the encoder, embeddings are so small that the same change
    would move outputs by 4e-3.

    Args:
      format_name: the target format.
      source: the model to write.
      encoder: the epsilon of the encoder's layer norms in that format.
      masked_lm: the epsilon of the masked-LM head's layer norm in that format.

    Raises:
      InputError: the epsilon of the encoder differs.
    """
    theirs = source.epsilon.get("encoder", LAYER_NORM_EPSILON)
    if theirs != encoder:
        raise InputError(
            f"The encoder's layer norms have epsilon {encoder} in {format_name}. Received "
            f"{theirs} in '{source.path}'. Convert to hugging_face, which can store it."
        )
    head = source.epsilon.get("masked_lm", LAYER_NORM_EPSILON)
    if head == masked_lm or "masked_lm" not in source.heads:
        return ()
    return (
        f"the layer norm of the masked_lm head has epsilon {head} in the source and {masked_lm} in "
        f"{format_name}, which alone changes logits by about 1e-5",
    )
