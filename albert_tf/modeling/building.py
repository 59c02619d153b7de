"""Building the variables of a layer's parts before the first call, under readable names."""

from __future__ import annotations

import tensorflow as tf
import tf_keras


def build_parts(*parts: tuple[tf_keras.layers.Layer | None, int | None]) -> None:
    """Builds each (layer, input width) that is not built yet inside a name scope of its own name.

    Models then own all their variables from the start, and a variable's name is its path:
    `encoder/stack/group_0_inner_0/attention/query/kernel`. A part that is None is passed over.
    """
    for layer, width in parts:
        if layer is not None and not layer.built:
            with tf.name_scope(layer.name):
                layer.build(tf.TensorShape([None, width]))
