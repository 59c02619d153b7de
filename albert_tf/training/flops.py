"""Floating point operations of a training step."""

from __future__ import annotations

from albert_tf.config import AlbertConfig


def training_flops(
    config: AlbertConfig, batch: int, length: int, predictions: int = 0, recompute: bool = False
) -> int:
    """Returns the operations of a training step: forward once, backward twice as much.

    Counted are the matrix products, two operations a multiplication: attention and feed-forward
    part of every block application, the projection of the embeddings, and the masked language
    model head. The pooler, norms, softmax and element-wise work are left out.

    Args:
      config: the model.
      batch: sequences.
      length: tokens in a sequence.
      predictions: masked positions in a sequence. If any, the last application does its work
        behind attention for these and the first position only (`AlbertPretrainer.predictions`).
      recompute: whether blocks run forward twice.
    """
    h, e, inner = config.hidden_size, config.embedding_size, config.intermediate_size
    behind = h * h + 2 * h * inner  # of attention: its output projection, the feed-forward part
    block = 3 * h * h + 2 * length * h + behind
    applications = config.num_hidden_layers * config.inner_group_num
    left_out = (length - predictions - 1) * behind if predictions else 0
    stack = length * applications * block - left_out
    embeddings = length * e * h if e != h else 0
    head = predictions * (h * e + e * config.vocab_size)
    return 2 * batch * ((4 if recompute else 3) * stack + 3 * (embeddings + head))
