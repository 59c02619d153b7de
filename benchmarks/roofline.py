"""The matrix products of a forward pass without anything else: the limit of the machine.

For T real tokens, each layer multiplies [T, H] by [H, 3H], [H, H] and [H, I], and [T, I] by [I, H].
Attention and all other operations come on top. TensorFlow and PyTorch each have their own float32
matrix product; the faster one is the limit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from albert_tf.config import AlbertConfig
from benchmarks.systems import Batch, Bind


def operations(config: AlbertConfig, tokens: int) -> int:
    """Returns the number of floating point operations of the products for `tokens` tokens."""
    return 2 * tokens * config.num_hidden_layers * sum(k * n for k, n in widths(config))


def widths(config: AlbertConfig) -> list[tuple[int, int]]:
    """Returns the shapes of a layer's kernels."""
    hidden, inner = config.hidden_size, config.intermediate_size
    return [(hidden, 3 * hidden), (hidden, hidden), (hidden, inner), (inner, hidden)]


def _products_alone(folder: Path, library: str) -> Bind:
    config = AlbertConfig.from_json_file(folder / "checkpoint" / "albert_config.json")
    layers = config.num_hidden_layers

    def bind(batch: Batch) -> Callable[[], tuple[()]]:
        rng, tokens = np.random.default_rng(0), int(batch["input_mask"].sum())
        arrays = [
            [rng.normal(size=size).astype(np.float32) for size in ((tokens, k), (k, n))]
            for k, n in widths(config)
        ]
        run = _torch(arrays) if library == "torch" else _tensorflow(arrays)

        def call() -> tuple[()]:
            for _ in range(layers):
                run()
            return ()

        return call

    return bind


def _torch(arrays: list[list[np.ndarray]]) -> Callable[[], None]:
    import torch

    pairs = [[torch.from_numpy(x) for x in pair] for pair in arrays]

    def run() -> None:
        with torch.inference_mode():
            for a, b in pairs:
                torch.mm(a, b)

    return run


def _tensorflow(arrays: list[list[np.ndarray]]) -> Callable[[], None]:
    import tensorflow as tf

    pairs = [[tf.constant(x) for x in pair] for pair in arrays]

    def run() -> None:
        for a, b in pairs:
            tf.linalg.matmul(a, b)

    return run


PRODUCTS: Mapping[str, Callable[[Path], Bind]] = {
    "products, TensorFlow": functools.partial(_products_alone, library="tensorflow"),
    "products, PyTorch": functools.partial(_products_alone, library="torch"),
}
