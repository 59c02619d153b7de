"""How much memory a training step needs, from sizes alone."""

from __future__ import annotations

from albert_tf.config import AlbertConfig

_FLOAT32 = 4


def state_bytes(parameters: int) -> int:
    """Returns the bytes of weights, gradients and the two moments of the optimizer, in float32."""
    return 4 * _FLOAT32 * parameters


def activation_bytes(
    config: AlbertConfig,
    batch: int,
    length: int,
    predictions: int = 0,
    recompute: bool = False,
    width: int = _FLOAT32,
) -> int:
    """Returns about the bytes that a forward pass keeps for the backward pass.

    A block application keeps, for each token, its query, key, value, context, the inputs of two
    norms and of two products (8 H), the feed-forward part before and after its activation (2 I),
    and the attention scores as shares, before and after dropout (2 N S). The head keeps its logits
    and their softmax.

    Args:
      config: the model.
      batch: sequences in memory at once, those of one micro-batch of one replica.
      length: tokens in a sequence, S.
      predictions: masked positions in a sequence.
      recompute: whether only the input of each application is kept; the largest moment then has
        all of one application besides.
      width: bytes of a number in the compute format, 2 in mixed precision.
    """
    h = config.hidden_size
    shares = 2 * config.num_attention_heads * length
    block = batch * length * (8 * h + 2 * config.intermediate_size + shares)
    applications = config.num_hidden_layers * config.inner_group_num
    kept = applications * batch * length * h + block if recompute else applications * block
    return kept * width + 2 * batch * predictions * config.vocab_size * _FLOAT32
