"""Runs an artefact as somebody would who has TensorFlow and TF-Hub, but not this package.

    python clean_process.py ARTEFACT REQUEST.npz ANSWER.npz

A request holds arrays named `TARGET:INPUT`, an answer arrays named `TARGET:OUTPUT`. A target is
`signatures/NAME`, `call`, or an attribute that can be called, such as `mlm`; what follows a slash
tells two calls of one apart. Signatures take their inputs by keyword; calls take a dict, or the
tensor itself where it is the only one and named `texts`. `verify` starts this file as a program of
its own, and nothing imports it.
"""

import sys

# The folder of this file holds modules of the exporter, which a stranger has not.
sys.path.pop(0)
sys.modules["albert_tf"] = None  # Any import of it fails.

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tensorflow_hub as hub  # noqa: E402
import tensorflow_text  # noqa: E402, F401


def run(module, target, inputs):  # noqa: ANN001, ANN201
    """Returns the outputs of one target as a dict of arrays."""
    kind, _, name = target.partition("/")
    if kind == "signatures":
        return module.signatures[name](**inputs)
    function = module if kind == "call" else getattr(module, kind)
    return function(inputs["texts"] if set(inputs) == {"texts"} else inputs)


def main(path, request, answer):  # noqa: ANN001, ANN201
    """Answers a request; see the module docstring."""
    module = hub.load(path)
    targets = {}
    with np.load(request) as arrays:
        for key in arrays.files:
            target, _, name = key.partition(":")
            inputs = targets.setdefault(target, {})
            if name:
                value = arrays[key]
                inputs[name] = tf.constant(value.tolist() if value.dtype.kind == "U" else value)
    outputs = {}
    for target, inputs in targets.items():
        for name, value in run(module, target, inputs).items():
            values = value if isinstance(value, (list, tuple)) else [value]
            for i, tensor in enumerate(values):
                suffix = f".{i}" if values is value else ""
                array = np.asarray(tensor.numpy())
                # Texts come as objects, which a file would hold as pickles.
                outputs[f"{target}:{name}{suffix}"] = (
                    array.astype("S") if array.dtype == object else array
                )
    np.savez(answer, **outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])
