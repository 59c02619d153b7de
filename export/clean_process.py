"""Runs an artefact in a process that has TensorFlow and TF-Hub, but not this package.

    python clean_process.py ARTEFACT REQUEST.npz ANSWER.npz

The request contains arrays named `TARGET:INPUT`, the answer arrays named `TARGET:OUTPUT`. A target
is `signatures/NAME`, `call`, or a callable attribute such as `mlm`. In the last two, a suffix after
a slash distinguishes several calls. Signatures take their inputs by keyword. Calls take a dict, or
a plain tensor if the only input is named `texts`; an output without a name is `output`. `verify`
runs this file as a program; nothing imports it.
"""

import sys

# Users of an artefact do not have the exporter's modules, which are in the folder of this file.
sys.path.pop(0)
sys.modules["albert_tf"] = None  # Makes any import of albert_tf fail.

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
    outputs = function(inputs["texts"] if set(inputs) == {"texts"} else inputs)
    return outputs if isinstance(outputs, dict) else {"output": outputs}


def main(path, request, answer):  # noqa: ANN001, ANN201
    """Runs all targets of a request and writes the answer."""
    module = hub.load(path)
    targets = {}
    # Serialized records are object arrays, which NumPy pickles; the request is the verifier's own.
    with np.load(request, allow_pickle=True) as arrays:
        for key in arrays.files:
            target, _, name = key.partition(":")
            inputs = targets.setdefault(target, {})
            if name:
                value = arrays[key]
                inputs[name] = tf.constant(value.tolist() if value.dtype.kind in "UO" else value)
    outputs = {}
    for target, inputs in targets.items():
        for name, value in run(module, target, inputs).items():
            values = value if isinstance(value, (list, tuple)) else [value]
            for i, tensor in enumerate(values):
                suffix = f".{i}" if values is value else ""
                array = np.asarray(tensor.numpy())
                # NumPy would save text of type object as pickles.
                outputs[f"{target}:{name}{suffix}"] = (
                    array.astype("S") if array.dtype == object else array
                )
    np.savez(answer, **outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])
