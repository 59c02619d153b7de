"""LAMB, AdamW and the learning rate schedule with which ALBERT was trained.

Both optimizers keep first and second moments without bias correction, add weight decay to the
update instead of the gradient, and do not decay layer norms and biases (original optimization.py
and lamb_optimizer.py; LAMB: You et al. 2020). The optimizers of the same names in Model Garden and
Keras correct the bias, which gives different results during the first thousands of steps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras

# The parts of a model whose rate can differ, by the names of their variables.
PARTS = {"encoder": r"(^|/)encoder/", "embeddings": r"(^|/)encoder/embeddings/"}
# Layer norms and biases, as named by us and by the original.
EXCLUDED = ("layer_norm", "LayerNorm", "bias")


class AdamWeightDecay(tf_keras.optimizers.legacy.Optimizer):
    """Adam with decoupled weight decay and no bias correction.

    Args:
      learning_rate: a number, or a schedule that is called with the step, counted from 0.
      weight_decay_rate: 0.01 as in the original.
      beta_1: decay rate of the first moment.
      beta_2: decay rate of the second moment.
      epsilon: added to the square root of the second moment; 1e-6 as in the original.
      exclude_from_weight_decay: regular expressions. A variable whose name matches one of them is
        not decayed.
      freeze: a part, one of `PARTS`, that does not change; "" for none.
      freeze_steps: the number of steps for which `freeze` applies; 0 for all.
      encoder_rate: factor of the learning rate for the encoder.
      name: name of the optimizer.
      **kwargs: `global_clipnorm` clips aggregated gradients by their global norm; the original
        clips at 1.0.
    """

    def __init__(
        self,
        learning_rate: float | tf_keras.optimizers.schedules.LearningRateSchedule = 0.001,
        weight_decay_rate: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        exclude_from_weight_decay: Sequence[str] = EXCLUDED,
        freeze: str = "",
        freeze_steps: int = 0,
        encoder_rate: float = 1.0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name or type(self).__name__, **kwargs)
        self._set_hyper("learning_rate", learning_rate)
        self._set_hyper("decay", self._initial_decay)
        self.weight_decay_rate = weight_decay_rate
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.exclude_from_weight_decay = list(exclude_from_weight_decay)
        self.freeze, self.freeze_steps, self.encoder_rate = freeze, freeze_steps, encoder_rate

    def gate(self, name: str) -> float | tf.Tensor:
        """Returns 0 while the variable with this name is frozen, and 1 otherwise.

        It is the number 0.0 if the variable is frozen for the whole run, and a scalar tensor if it
        is frozen for some steps.
        """
        if not self.freeze or not re.search(PARTS[self.freeze], name):
            return 1.0
        if not self.freeze_steps:
            return 0.0
        return tf.cast(self.iterations >= self.freeze_steps, tf.float32)

    def decays(self, name: str) -> bool:
        """Whether weight decay, and LAMB's scaling, applies to the variable with this name."""
        return not any(re.search(pattern, name) for pattern in self.exclude_from_weight_decay)

    def _create_slots(self, var_list: Sequence[tf.Variable]) -> None:
        for slot in ("m", "v"):
            for variable in var_list:
                self.add_slot(variable, slot)

    def _resource_apply_dense(
        self, grad: tf.Tensor, var: tf.Variable, apply_state: Any = None
    ) -> tf.Operation:
        rate = self._rate(var, apply_state)
        decay = []
        if self.decays(var.name):
            decay.append(var.assign_sub(rate * self.weight_decay_rate * var))
        with tf.control_dependencies(decay):
            # One pass over memory. Beta powers of 0 turn off the bias correction of this kernel.
            return tf.raw_ops.ResourceApplyAdam(
                var=var.handle,
                m=self.get_slot(var, "m").handle,
                v=self.get_slot(var, "v").handle,
                beta1_power=tf.zeros([], var.dtype.base_dtype),
                beta2_power=tf.zeros([], var.dtype.base_dtype),
                lr=rate,
                beta1=tf.cast(self.beta_1, var.dtype.base_dtype),
                beta2=tf.cast(self.beta_2, var.dtype.base_dtype),
                epsilon=tf.cast(self.epsilon, var.dtype.base_dtype),
                grad=grad,
                use_locking=self._use_locking,
            )

    def _resource_apply_sparse(
        self, grad: tf.Tensor, var: tf.Variable, indices: tf.Tensor, apply_state: Any = None
    ) -> tf.Operation:
        # Rows without a gradient change too, since their moments decay, as in the original.
        dense = tf.scatter_nd(indices[:, tf.newaxis], grad, tf.shape(var, indices.dtype))
        return self._resource_apply_dense(dense, var, apply_state)

    def _rate(self, var: tf.Variable, apply_state: Any) -> tf.Tensor:
        rate = (apply_state or {}).get((var.device, var.dtype.base_dtype), {}).get("lr_t")
        rate = self._decayed_lr(var.dtype.base_dtype) if rate is None else rate
        in_encoder = re.search(PARTS["encoder"], var.name)
        factor = self.gate(var.name) * (self.encoder_rate if in_encoder else 1.0)
        return rate if isinstance(factor, float) and factor == 1.0 else rate * factor

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        names = ("weight_decay_rate", "beta_1", "beta_2", "epsilon", "exclude_from_weight_decay")
        names += ("freeze", "freeze_steps", "encoder_rate")
        return {
            **super().get_config(),
            "learning_rate": self._serialize_hyperparameter("learning_rate"),
            **{name: getattr(self, name) for name in names},
        }


class Lamb(AdamWeightDecay):
    """LAMB: AdamW with the update of every decayed variable rescaled to the variable's norm.

    It takes the arguments of `AdamWeightDecay`.
    """

    def _resource_apply_dense(
        self, grad: tf.Tensor, var: tf.Variable, apply_state: Any = None
    ) -> tf.Operation:
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        # In-place increments: fewer passes over memory, and one rounding less.
        next_m = m.assign_add((1.0 - self.beta_1) * (grad - m))
        next_v = v.assign_add((1.0 - self.beta_2) * (tf.square(grad) - v))
        update = next_m / (tf.sqrt(next_v) + self.epsilon)
        if self.decays(var.name):
            update += self.weight_decay_rate * var
            update *= self._trust_ratio(var, update)
        return var.assign_sub(self._rate(var, apply_state) * update)

    def _trust_ratio(self, var: tf.Variable, update: tf.Tensor) -> tf.Tensor:
        weight_norm, update_norm = tf.norm(var), tf.norm(update)
        usable = (weight_norm > 0.0) & (update_norm > 0.0)
        return tf.where(usable, tf.math.divide_no_nan(weight_norm, update_norm), 1.0)


class WarmupPolynomialDecay(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from 0, then polynomial decay that counts from step 0, as in the original.

    While `step < warmup_steps`, the rate is `initial * step / warmup_steps`. After that it is
    `end + (initial - end) * (1 - step / decay_steps) ** power`. In contrast, Model Garden's warm-up
    ends at the decayed rate, not at `initial`. Source: original optimization.py:create_optimizer.
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
        """Returns the learning rate of the update after `step` updates, a float32 scalar."""
        c = self._config
        step = tf.cast(step, tf.float32)
        remaining = 1.0 - tf.minimum(step / float(c["decay_steps"]), 1.0)
        end = c["end_learning_rate"]
        rate = end + (c["initial_learning_rate"] - end) * tf.pow(remaining, c["power"])
        if not c["warmup_steps"]:
            return rate
        warmup = float(c["warmup_steps"])
        return tf.where(step < warmup, c["initial_learning_rate"] * step / warmup, rate)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return dict(self._config)
