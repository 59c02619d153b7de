"""Layer norm epsilons that a format cannot keep."""

from __future__ import annotations

from albert_tf.config import LAYER_NORM_EPSILON
from albert_tf.convert.source import Source
from albert_tf.errors import InputError


def check_epsilon(
    format_name: str,
    source: Source,
    encoder: float = LAYER_NORM_EPSILON,
    masked_lm: float = LAYER_NORM_EPSILON,
) -> tuple[str, ...]:
    """Returns notes on what will differ if a format has these epsilons.

    The head may differ: its inputs are not small, and 1e-5 in place of 1e-12 moves logits by 2e-5.
    In the encoder, embeddings are so small that outputs would move by 4e-3.

    Raises:
      InputError: the encoder's differs.
    """
    theirs = source.epsilon.get("encoder", LAYER_NORM_EPSILON)
    if theirs != encoder:
        raise InputError(
            f"Layer norms of an encoder in {format_name} have epsilon {encoder}. Received "
            f"{theirs} in '{source.path}'. Convert to hugging_face, which keeps it."
        )
    head = source.epsilon.get("masked_lm", LAYER_NORM_EPSILON)
    if head == masked_lm or "masked_lm" not in source.heads:
        return ()
    return (
        f"the layer norm of the masked_lm head has epsilon {head} in the source and {masked_lm} in "
        f"{format_name}; logits differ by about 1e-5 from this alone",
    )
