"""Our encoder beside Model Garden's: forward pass and training step, same sizes, same batch.

    python -m benchmarks.encoder [--preset albert_base_v2] [--batch 8] [--length 128] [--rounds 5]

Both are new encoders of the same sizes with dropout 0 in one process, called through `tf.function`
as users do; the weights are copied over first, and the outputs must agree to 1e-4.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

from albert_tf import AlbertEncoder, presets  # noqa: E402
from benchmarks import interleaved, model_garden  # noqa: E402


def step(encoder: tf_keras.layers.Layer, inputs: list[tf.Tensor]) -> tf.types.experimental.Callable:
    """Returns a training step: forward, backward, plain gradient descent."""
    optimizer = tf_keras.optimizers.legacy.SGD(1e-6)

    @tf.function
    def train() -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = encoder(inputs, training=True)
            loss = tf.reduce_mean(outputs["sequence_output"] ** 2)
            loss += tf.reduce_mean(outputs["pooled_output"] ** 2)
        variables = encoder.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    return train


def main() -> None:
    """Prints the two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="albert_base_v2")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=2)
    args = parser.parse_args()
    config = presets.get(args.preset).config
    ours = AlbertEncoder.from_albert_config(config)
    theirs = model_garden.encoder(ours, config)
    rng = np.random.default_rng(0)
    ids = tf.constant(rng.integers(5, config.vocab_size, [args.batch, args.length]), tf.int32)
    inputs = [ids, tf.ones_like(ids), tf.zeros_like(ids)]
    forward = {
        "albert_tf": tf.function(lambda: ours(inputs)["sequence_output"]),
        "Model Garden": tf.function(lambda: theirs(inputs)["sequence_output"]),
    }
    outputs = [function().numpy() for function in forward.values()]
    difference = float(np.abs(outputs[0] - outputs[1]).max())
    assert difference < 1e-4, f"the encoders differ by {difference}"
    shape = f"{args.preset}, {args.batch} x {args.length}, float32, {os.cpu_count()} cores"
    print(f"{shape}; outputs differ by {difference:.1e}")
    print(interleaved.table("forward", interleaved.measure(forward, args.rounds, args.calls)))
    train = {"albert_tf": step(ours, inputs), "Model Garden": step(theirs, inputs)}
    print(interleaved.table("training step", interleaved.measure(train, args.rounds, args.calls)))


if __name__ == "__main__":
    main()
