"""The settings of early exit, and the layers after which evaluated texts leave.

All rows of an evaluation are computed with all layers. What a threshold makes of them follows from
the logits of each layer, so that a threshold is tuned without another evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError, closest
from albert_tf.tasks.text_windows import FIRST, pool

JOINT, AFTER = MODES = ("joint", "after")
# A confidence never exceeds it, so all layers are used.
NEVER = 1.0
# The points of the metric, in hundredths, that a tuned threshold may cost.
LOSS = 0.5
_CANDIDATES = 64


def checked_mode(mode: Any, problem: str, config: AlbertConfig) -> str:
    """Returns the value of `EARLY_EXIT`.

    Raises:
      InputError: it is unknown, the answers have no confidence, or there is only one layer.
    """
    if mode == "":
        return mode
    if mode not in MODES:
        raise InputError(
            f"EARLY_EXIT must be {' or '.join(MODES)}, or '' for a model without it. Received "
            f"{mode!r:.80}. {closest(str(mode)[:80], MODES)}"
        )
    if problem == "regression":
        raise InputError(
            "EARLY_EXIT needs classes or labels, whose probabilities say how sure an answer is. "
            f"Received EARLY_EXIT={mode!r} for numbers. Leave it out."
        )
    if config.num_hidden_layers < 2:
        raise InputError(
            "EARLY_EXIT needs a layer before the last. Received a model with 1 layer. Leave it out."
        )
    return mode


def checked_threshold(threshold: Any, name: str = "EXIT_THRESHOLD") -> float:
    """Returns a threshold; None, before it is tuned, means that no text leaves early.

    Raises:
      InputError: it is not a number in [0, 1].
    """
    if threshold is None:
        return NEVER
    if type(threshold) not in (int, float) or not 0 <= threshold <= 1:
        raise InputError(
            f"{name} must be a probability from 0 to 1, or None to determine it on EVAL_DATA. "
            f"Received {threshold!r:.80}. Correct it."
        )
    return float(threshold)


def checked_loss(loss: Any) -> float:
    """Returns the value of `EXIT_LOSS`.

    Raises:
      InputError: it is not a number in [0, 100].
    """
    if type(loss) not in (int, float) or not 0 <= loss <= 100:
        raise InputError(
            "EXIT_LOSS must be a number of points of the metric, from 0 to 100. Received "
            f"{loss!r:.80}. Correct it."
        )
    return float(loss)


def confidence(problem: str, logits: tf.Tensor) -> tf.Tensor:
    """Returns how sure answers are, float32 [...] in [0, 1], from their logits [..., C].

    That is the probability of the most probable class or, of several labels, the least of the
    probabilities that each is rightly predicted, or rightly not predicted.
    """
    if problem == "multi_label":
        return tf.reduce_min(tf.sigmoid(tf.abs(logits)), axis=-1)
    return tf.reduce_max(tf.nn.softmax(logits), axis=-1)


def layer_weights(layers: int) -> np.ndarray:
    """Returns the factors of the losses of the layers, float32 [L], whose sum is 1.

    They are proportional to the number of the layer (Zhou et al. 2020, PABEE).
    """
    numbers = np.arange(1, layers + 1, dtype=np.float32)
    return numbers / numbers.sum()


class Exits:
    """The logits that texts have after each layer.

    Args:
      problem: the task of the model.
      windows: see `AlbertClassifier`.
      logits: those of each text, float32 [L, C], or [W, L, C] of its windows.
      counts: the number of windows of each text; None without windows.
    """

    def __init__(
        self,
        problem: str,
        windows: str,
        logits: Sequence[np.ndarray],
        counts: Sequence[int] | None = None,
    ) -> None:
        self._windows, self._count = windows, len(logits)
        if windows == FIRST:
            self._logits, self._text = np.stack(logits), np.arange(len(logits))
        else:
            self._logits = np.concatenate([x[:n] for x, n in zip(logits, counts)])  # [R, L, C]
            self._text = np.repeat(np.arange(len(logits)), counts)  # [R]
        # The last layer is not asked: it answers what is left.
        self._sure = confidence(problem, self._logits[:, :-1]).numpy()  # [R, L - 1]

    @property
    def layers(self) -> int:
        """L, the number of layers of the model."""
        return self._logits.shape[1]

    def used(self, threshold: float) -> np.ndarray:
        """Returns the number of layers that each text, or each of all windows, uses, int [R]."""
        leaves = self._sure > threshold
        return np.where(leaves.any(axis=1), leaves.argmax(axis=1), self.layers - 1) + 1

    def answers(self, threshold: float) -> np.ndarray:
        """Returns the logits with which texts leave, float32 [N, C]."""
        return self._pooled(self._logits[np.arange(len(self._logits)), self.used(threshold) - 1])

    def of_layer(self, layer: int) -> np.ndarray:
        """Returns the logits of all texts after a layer, counted from 0, float32 [N, C]."""
        return self._pooled(self._logits[:, layer])

    def tuned(self, score: Callable[[np.ndarray], float], least: float) -> float:
        """Returns the threshold with which texts use the fewest layers.

        Args:
          score: returns the metric of logits, [N, C]; larger is better.
          least: the least metric to keep.
        """
        values = np.unique(self._sure).astype(np.float64)
        # Between two confidences, so that roundings move no text to the other side.
        middles = (values[1:] + values[:-1]) / 2
        chosen = np.linspace(0, len(middles) - 1, min(_CANDIDATES, len(middles))).astype(int)
        candidates = {*middles[chosen].tolist(), 0.0}
        best, fewest = NEVER, float(self.layers)
        for threshold in sorted(candidates, reverse=True):
            layers = float(self.used(threshold).mean())
            if layers < fewest and score(self.answers(threshold)) >= least:
                best, fewest = threshold, layers
        return best

    def _pooled(self, logits: np.ndarray) -> np.ndarray:
        if self._windows == FIRST:
            return logits
        return pool(self._windows, logits, self._text, self._count).numpy()
