"""What an encoder must give: calls of every kind, with the numbers of the source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from albert_tf.config import AlbertConfig
from albert_tf.serving.shared_model import SharedModel
from albert_tf.serving.signatures import FAMILIES, TF1_HUB

from .verify import Case


def cases(model: SharedModel, config: AlbertConfig, remove_padding: bool) -> Iterator[Case]:
    """Yields calls of every kind with what the Keras layers, run eagerly, give for them.

    Args:
      model: the source.
      config: its sizes.
      remove_padding: whether signatures give zeros at padding.
    """
    rng = np.random.default_rng(0)
    rows, length, masked = 3, min(11, config.max_position_embeddings), 2
    ids = rng.integers(0, config.vocab_size, [rows, length], np.int32)
    mask = (np.arange(length) < [[length], [max(1, length // 2)], [1]]).astype(np.int32)
    types = rng.integers(0, config.type_vocab_size, [rows, length], np.int32)
    positions = rng.integers(0, length, [rows, masked], np.int32)
    outputs = _numbers(model.encoder([tf.constant(x) for x in (ids, mask, types)]))
    tokens = {key: outputs[key] for key in ("pooled_output", "sequence_output")}
    if remove_padding:
        tokens["sequence_output"] = tokens["sequence_output"] * mask[:, :, np.newaxis]
    for family in FAMILIES:
        inputs = dict(zip(family, (ids, mask, types)))
        yield Case(f"call/{family.ids}", inputs, {**outputs, "default": outputs["pooled_output"]})
    for name in ("serving_default", "tokens"):
        yield Case(f"signatures/{name}", inputs, tokens)
    if model.masked_lm is not None:

        def logits(sequence_output: np.ndarray) -> np.ndarray:
            return model.masked_lm(sequence_output, tf.constant(positions)).numpy()

        inputs_mlm = {**inputs, TF1_HUB.positions: positions}
        flat = logits(tokens["sequence_output"]).reshape([rows * masked, config.vocab_size])
        yield Case("signatures/mlm", inputs_mlm, {**tokens, "mlm_logits": flat})
        dense = {**outputs, "mlm_logits": logits(outputs["sequence_output"])}
        yield Case("mlm", inputs_mlm, dense)
    if model.sentence_order is not None:
        log_probs = tf.nn.log_softmax(model.sentence_order(outputs["pooled_output"])).numpy()
        yield Case("signatures/sop", inputs, {**tokens, "sop_log_probs": log_probs})


def _numbers(outputs: dict[str, Any]) -> dict[str, np.ndarray]:
    layers = outputs.pop("encoder_outputs")
    numbers = {f"encoder_outputs.{i}": layer.numpy() for i, layer in enumerate(layers)}
    return {**numbers, **{key: value.numpy() for key, value in outputs.items()}}
