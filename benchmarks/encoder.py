"""Compares our encoder with Model Garden's: forward pass and training step, same weights and batch.

    python -m benchmarks.encoder [--shape 8x128] [--layers 12] [--rounds 5] [--clock wall]

Both run in one process in `tf.function`, as users call them, with dropout 0. Ours removes padding
if the shape has any. First, the outputs at real tokens must agree to 1e-4. "products alone" are
only the matrix products of a step, one per weight in the forward pass and two in the backward pass.
They are the limit of the machine. `--clock cpu` measures processor time, on which other programs
have less influence.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

from albert_tf import AlbertConfig, AlbertEncoder  # noqa: E402
from benchmarks import interleaved, model_garden, model_size, roofline, traffic  # noqa: E402

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def step(encoder: tf_keras.layers.Layer) -> tf.types.experimental.Callable:
    """Returns a training step: forward pass, backward pass, plain gradient descent."""
    optimizer = tf_keras.optimizers.legacy.SGD(1e-6)

    @tf.function(autograph=False)
    def train(inputs: list[tf.Tensor]) -> tf.Tensor:
        real = tf.cast(inputs[1], tf.float32)[:, :, tf.newaxis]
        with tf.GradientTape() as tape:
            outputs = encoder(inputs, training=True)
            loss = tf.reduce_mean((outputs["sequence_output"] * real) ** 2)
            loss += tf.reduce_mean(outputs["pooled_output"] ** 2)
        variables = encoder.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    return train


def products(config: AlbertConfig, tokens: int, training: bool) -> Callable[[], None]:
    """Returns the matrix products of a forward pass, and with `training` of the backward pass."""
    pairs = [
        (tf.random.normal([tokens, k]), tf.random.normal([k, n]), tf.random.normal([tokens, n]))
        for k, n in roofline.widths(config)
    ]

    @tf.function(autograph=False)
    def run(pairs: list[tuple[tf.Tensor, tf.Tensor, tf.Tensor]]) -> list[tf.Tensor]:
        results = [x @ kernel for x, kernel, _ in pairs]
        if training:
            results += [tf.matmul(dy, kernel, transpose_b=True) for _, kernel, dy in pairs]
            results += [tf.matmul(x, dy, transpose_a=True) for x, _, dy in pairs]
        return results

    def call() -> None:
        for _ in range(config.num_hidden_layers):
            run(pairs)

    return call


def main() -> None:
    """Prints the two tables."""
    parser = model_size.parser_of_a_batch(__doc__)
    parser.add_argument(
        "--clock", default="wall", choices=CLOCKS, help="time to measure (default: %(default)s)"
    )
    args = parser.parse_args()
    config = model_size.config(args)
    shape = traffic.SHAPES[args.shape]
    batch = traffic.batch(shape, config.vocab_size)
    inputs, real = [tf.constant(x) for x in batch.values()], batch["input_mask"].astype(bool)
    ours = AlbertEncoder.from_albert_config(config, remove_padding=shape.percentiles is not None)
    encoders = {"albert_tf": ours, "Model Garden": model_garden.encoder(ours, config)}
    forward = {
        name: tf.function(lambda e=encoder: e(inputs)["sequence_output"], autograph=False)
        for name, encoder in encoders.items()
    }
    outputs = [function().numpy()[real] for function in forward.values()]
    difference = float(np.abs(outputs[0] - outputs[1]).max())
    assert difference < 1e-4, f"the encoders differ by {difference}"
    print(
        f"{args.preset}, {config.num_hidden_layers} layers, {args.shape}, {real.sum()} real tokens "
        f"of {real.size}, float32, {os.cpu_count()} cores; outputs differ by {difference:.1e}"
    )
    train = {name: functools.partial(step(encoder), inputs) for name, encoder in encoders.items()}
    for title, systems in (("forward", forward), ("training step", train)):
        alone = products(config, int(real.sum()), training=systems is train)
        systems = {**systems, "products alone": alone}
        seconds = interleaved.measure(systems, args.rounds, args.calls, CLOCKS[args.clock])
        print(interleaved.table(title, seconds), flush=True)


if __name__ == "__main__":
    main()
