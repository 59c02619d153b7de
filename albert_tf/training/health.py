"""Stops a run whose loss is no number or has exploded, before a checkpoint keeps that."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from albert_tf.errors import InputError


class DivergedError(InputError):
    """Training went astray; the checkpoints that were saved before are as they were."""


class HealthCheck:
    """Train action: raises when a loop's loss or gradients are not finite, or its loss too high.

    Orbit calls train actions after each loop and before it saves, so the newest checkpoint is
    always one of a healthy loop.

    Args:
      global_step: the trainer's counter.
      loss_upper_bound: the largest mean loss of a loop (`trainer.loss_upper_bound`).
      last_checkpoint: returns the path of the newest checkpoint, or None.
      scales_loss: whether float16 leaves out updates that overflow, so that some gradients may
        not be finite.
    """

    def __init__(
        self,
        global_step: tf.Variable,
        loss_upper_bound: float,
        last_checkpoint: Callable[[], str | None],
        scales_loss: bool = False,
    ) -> None:
        self._global_step, self._bound = global_step, loss_upper_bound
        self._last_checkpoint, self._scales_loss = last_checkpoint, scales_loss

    def __call__(self, output: Mapping[str, Any]) -> None:
        """Looks at the outputs of the loop that has just ended.

        Raises:
          DivergedError: with the step, the last good checkpoint and the likely cause.
        """
        loss, bad = float(output["training_loss"]), float(output.get("nonfinite_updates", 0.0))
        rule = f"The training loss must stay a number of at most {self._bound:g}."
        step = int(self._global_step.numpy())
        # An update that is not finite spoils the weights, even if no loss has shown it yet.
        if not math.isfinite(loss) or (bad and not self._scales_loss):
            # From the first bad update on all weights are bad, so the bad ones are the last ones.
            first = step - int(bad) + 1 if bad else step
            raise DivergedError(
                f"{rule} Received {loss} in the loop that ended at step {step}, with gradients "
                f"that are not finite from step {first} on. {self._remedy(output)}"
            )
        if loss > self._bound:
            raise DivergedError(
                f"{rule} Received {loss:.4g} at step {step}. {self._remedy(output)}"
            )

    def _remedy(self, output: Mapping[str, Any]) -> str:
        rate = float(output.get("learning_rate", math.nan))
        cause = f"the learning rate, {rate:.3g} here, is too high for this batch, or warm-up ended"
        if self._scales_loss:
            cause = f"float16 overflows; bfloat16 does not. Otherwise {cause}"
        return (
            f"The last good checkpoint is {self._last_checkpoint() or 'none yet'}. Likely cause: "
            f"{cause} too early. Lower LEARNING_RATE or raise WARMUP_STEPS, and start again in a "
            "new --model_dir, or from that checkpoint with INIT_FROM."
        )
