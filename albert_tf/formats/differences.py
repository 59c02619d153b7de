"""Where other implementations compute something else than ALBERT, and what that means here.

- Projection. The original has no projection behind the embeddings where embedding width and hidden
  size are equal, and neither has this package; Hugging Face and KerasHub always have one. It is
  written there as the identity, and left out again when it is read back.
- Groups. Layer i uses group `i * groups // layers`. Others compute this in floating point and miss
  it for a few pairs of layers and groups, such as 22 of 22. No released model is among them; a
  model of such a pair is refused.
- Epsilons. Some formats cannot store the epsilon of a layer norm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from albert_tf.config import LAYER_NORM_EPSILON, AlbertConfig, layer_to_group
from albert_tf.errors import InputError
from albert_tf.formats import names
from albert_tf.formats.source import Source, Stored


def has_no_projection(config: AlbertConfig) -> bool:
    """Whether the model has no projection here."""
    return config.embedding_size == config.hidden_size


def identity_projection(column: str, config: AlbertConfig) -> Iterator[tuple[str, np.ndarray]]:
    """Yields kernel and bias that change nothing, by the names of a column of the table."""
    if has_no_projection(config):
        kernel, bias = _names(column)
        yield kernel, np.eye(config.hidden_size, dtype=np.float32)
        yield bias, np.zeros(config.hidden_size, np.float32)


def without_identity_projection(
    column: str, stored: Mapping[str, Stored], config: AlbertConfig
) -> dict[str, Stored]:
    """Returns the arrays without the projection, if the model has none here.

    Raises:
      InputError: the projection changes something.
    """
    if not has_no_projection(config):
        return dict(stored)
    for name, expected in identity_projection(column, config):
        if name in stored and not np.array_equal(stored[name].read(), expected):
            raise InputError(
                "Where embedding_size equals hidden_size, the projection behind the embeddings "
                f"must be the identity, as ALBERT has none there. Received {name!r} with other "
                "values. Such a model cannot be built here."
            )
    return {name: array for name, array in stored.items() if name not in _names(column)}


def _names(column: str) -> tuple[str, str]:
    places = {row.ours: row.places[column].name for row in names.TABLE if column in row.places}
    return places[f"{names.PROJECTION}/kernel"], places[f"{names.PROJECTION}/bias"]


_RULES = {
    # Original modeling.py:transformer_model.
    "tf1": lambda i, layers, groups: int(i / layers * groups),
    # transformers' AlbertTransformer.forward.
    "hugging_face": lambda i, layers, groups: int(i / (layers / groups)),
    # keras_hub's AlbertBackbone: each group has layers // groups layers, in turn.
    "keras_hub": lambda i, layers, groups: i // (layers // groups),
}


def check_groups(format_name: str, config: AlbertConfig) -> None:
    """Checks that layers use the same groups in another implementation as here.

    Raises:
      InputError: they do not.
    """
    layers, groups = config.num_hidden_layers, config.num_hidden_groups
    rule = _RULES[format_name]
    theirs = [rule(i, layers, groups) for i in range(layers)]
    ours = [layer_to_group(i, layers, groups) for i in range(layers)]
    if theirs != ours:
        layer = next(i for i in range(layers) if theirs[i] != ours[i])
        raise InputError(
            f"Layers must use the same groups in {format_name} as here. Received "
            f"num_hidden_layers={layers}, num_hidden_groups={groups}, for which layer {layer} uses "
            f"group {theirs[layer]} there, but {ours[layer]} here. Use numbers of layers and "
            "groups that divide."
        )


def check_epsilon(
    format_name: str,
    source: Source,
    encoder: float = LAYER_NORM_EPSILON,
    masked_lm: float = LAYER_NORM_EPSILON,
) -> tuple[str, ...]:
    """Returns notes on what will differ if a format has these epsilons.

    The head may differ: its inputs are not small, and 1e-5 in place of 1e-12 moves logits by 2e-5.
    In the encoder, embeddings are so small that outputs would move by 4e-3.

    Raises:
      InputError: the encoder's differs.
    """
    theirs = source.epsilon.get("encoder", LAYER_NORM_EPSILON)
    if theirs != encoder:
        raise InputError(
            f"Layer norms of an encoder in {format_name} have epsilon {encoder}. Received "
            f"{theirs} in '{source.path}'. Convert to hugging_face, which keeps it."
        )
    head = source.epsilon.get("masked_lm", LAYER_NORM_EPSILON)
    if head == masked_lm or "masked_lm" not in source.heads:
        return ()
    return (
        f"the layer norm of the masked_lm head has epsilon {head} in the source and {masked_lm} in "
        f"{format_name}; logits differ by about 1e-5 from this alone",
    )
