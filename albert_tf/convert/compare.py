"""Compares two sources: their weights, and their outputs on the same batch."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from albert_tf.config import AlbertConfig
from albert_tf.formats.source import Source
from albert_tf.modeling.pretrained import assign
from albert_tf.modeling.pretrainer import AlbertPretrainer

# The part that each output requires in addition to the rest of the encoder.
_OUTPUTS = {
    "sequence_output": None,
    "pooled_output": "pooler",
    "encoder_outputs": None,
    "mlm_logits": "masked_lm",
    "sop_logits": "sentence_order",
}


def weight_difference(source: Source, result: Source) -> float:
    """Returns the largest absolute difference between shared weights; 0.0 if they are identical."""
    differences = [
        float(np.max(np.abs(source.weights[name] - result.weights[name])))
        for name in source.weights
        if name in result.weights
    ]
    return max(differences, default=0.0)


def output_differences(source: Source, result: Source) -> dict[str, float]:
    """Returns the largest absolute difference of each output on one batch.

    To save memory, only one model exists at a time. The source's masked-LM head runs with the
    epsilon of the result's head, so the figures reflect only weights and config. `check_epsilon`
    notes the effect of a different epsilon.
    """
    epsilon = {**source.epsilon}
    epsilon.pop("masked_lm", None)
    if "masked_lm" in result.epsilon:
        epsilon["masked_lm"] = result.epsilon["masked_lm"]
    # If the result's format cannot store the task head, compare only the encoders.
    task = source.task if result.task is not None else None
    ours = _outputs(dataclasses.replace(source, epsilon=epsilon, task=task))
    theirs = _outputs(result)
    return {
        name: float(np.max(np.abs(ours[name] - theirs[name]))) for name in ours if name in theirs
    }


def _outputs(source: Source) -> dict[str, np.ndarray]:
    if source.task is not None:
        return _task_outputs(source)
    model = AlbertPretrainer(source.config)
    assign(model, source, allow_partial=True)
    outputs = model(_batch(source.config))
    present = {None, *source.heads}
    present |= {"pooler"} if "encoder/pooler/kernel" in source.weights else set()
    arrays = {
        name: np.asarray(tf.stack(outputs[name]) if name == "encoder_outputs" else outputs[name])
        for name, head in _OUTPUTS.items()
        if head in present
    }
    del model, outputs
    # Keras layers form reference cycles: without this, two models would be in memory at once.
    gc.collect()
    return arrays


def _task_outputs(source: Source) -> dict[str, np.ndarray]:
    model = source.task.type.model_class.from_description(source.config, source.task)
    assign(model, source, allow_partial=True)
    batch = _batch(source.config)
    if len(model.INPUT_AXES) == 3:  # Treat the rows as the choices of one example.
        batch = {name: value[tf.newaxis] for name, value in batch.items()}
    outputs = model(batch)
    if not isinstance(outputs, Mapping):
        outputs = {"logits": outputs}
    return {name: np.asarray(value) for name, value in outputs.items()}


def _batch(config: AlbertConfig) -> dict[str, tf.Tensor]:
    """Returns two sequences of two segments each, one of them padded."""
    generator = np.random.default_rng(0)
    length = min(16, config.max_position_embeddings)
    ids = generator.integers(0, config.vocab_size, [2, length])
    lengths = np.array([[length], [(length + 1) // 2]])
    types = (np.arange(length) >= length // 3) * np.ones([2, 1])
    return {
        "input_word_ids": tf.constant(ids, tf.int32),
        "input_mask": tf.constant(np.arange(length) < lengths, tf.int32),
        "input_type_ids": tf.constant(np.minimum(types, config.type_vocab_size - 1), tf.int32),
        "masked_lm_positions": tf.constant(generator.integers(0, length, [2, 3]), tf.int32),
    }
