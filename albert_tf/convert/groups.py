"""Which group a layer uses by the rules of other implementations, where they round in floats.

This package uses `i * groups // layers`. Two others compute the same with floating point numbers,
and miss it for a few pairs of layers and groups, such as 22 of 22; no released model is among them.
A model of such a pair would give other numbers here than at home, so that it is refused.
"""

from __future__ import annotations

from albert_tf.config import AlbertConfig, layer_to_group
from albert_tf.errors import InputError

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
