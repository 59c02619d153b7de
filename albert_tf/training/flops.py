"""Floating point operations of the encoder's matrix products."""

from __future__ import annotations

from albert_tf.config import AlbertConfig


def training_flops(config: AlbertConfig, batch: int, length: int) -> int:
    """Returns the operations of a training step: forward once, backward twice as much.

    Counted are the products of attention and feed-forward parts in every block application, two
    operations a multiplication; embeddings, heads and norms are left out.

    Args:
      config: the model.
      batch: sequences.
      length: tokens in a sequence.
    """
    h, inner = config.hidden_size, config.intermediate_size
    projections = 4 * h * h + 2 * h * inner
    attention = 2 * length * h
    blocks = config.num_hidden_layers * config.inner_group_num
    return 3 * 2 * batch * length * blocks * (projections + attention)
