"""The learning rate over the steps."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras


class WarmupPolynomialDecay(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Linear rise from 0, then polynomial decay that counts from step 0, as in the original.

    For `step < warmup_steps` the rate is `initial * step / warmup_steps`; from there on
    `end + (initial - end) * (1 - step / decay_steps) ** power`. Model Garden's warm-up ends at the
    decayed rate instead of `initial`. Source: original optimization.py:create_optimizer.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        warmup_steps: int = 0,
        end_learning_rate: float = 0.0,
        power: float = 1.0,
    ) -> None:
        super().__init__()
        self._config = dict(
            initial_learning_rate=initial_learning_rate,
            decay_steps=decay_steps,
            warmup_steps=warmup_steps,
            end_learning_rate=end_learning_rate,
            power=power,
        )

    def __call__(self, step: Any) -> tf.Tensor:
        """Returns the rate of the update that follows `step` updates, float32 scalar."""
        c = self._config
        step = tf.cast(step, tf.float32)
        left = 1.0 - tf.minimum(step / float(c["decay_steps"]), 1.0)
        end = c["end_learning_rate"]
        rate = end + (c["initial_learning_rate"] - end) * tf.pow(left, c["power"])
        if not c["warmup_steps"]:
            return rate
        warmup = float(c["warmup_steps"])
        return tf.where(step < warmup, c["initial_learning_rate"] * step / warmup, rate)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return dict(self._config)
