"""`EarlyExitTask`, the part of `ClassificationTask` for models whose texts leave between layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.modeling.task_model import TaskModel
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.classification.exits import (
    AFTER,
    NEVER,
    Exits,
    checked_loss,
    checked_mode,
    checked_threshold,
    layer_weights,
)
from albert_tf.tasks.classification.problems import Problem
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.results import sign

_LAYERS = "layer_logits"


class EarlyExitTask(FineTuningTask):
    """A task on texts with a `problem`, whose model may have a head for each layer.

    An evaluation of a run that trains tunes a threshold of None: of those with which the metric is
    at most `exit_loss` points worse than with all layers, it takes the one with the fewest layers.

    Attributes:
      problem: what the labels mean.
    """

    problem: Problem

    def __init__(self, params: Any, *args: Any, **kwargs: Any) -> None:
        data = params.train_data
        # A run that resumes fills in the threshold of the earlier session, and tunes it again.
        self._tunes_exit = params.exit_threshold is None and bool(data.input_path or data.tfds_name)
        super().__init__(params, *args, **kwargs)

    def early_exit(self, problem: str) -> str:
        """Returns how the heads are trained; "" for a model without them.

        Args:
          problem: the task of the model.

        Raises:
          InputError: a setting is unknown or out of range, or does not fit the model.
        """
        config, start = self.task_config, self.start
        mode, saved = config.early_exit, ""
        if start.resumes and start.task is not None:
            saved = start.task.settings.get("early_exit", "")
            mode = mode or saved
            if mode != saved:
                raise InputError(
                    "A run must resume with the heads in its folder. Received EARLY_EXIT="
                    f"{mode!r:.80} for a run with EARLY_EXIT={saved!r:.80}. Leave it out, or start "
                    "a new run in another --model_dir."
                )
        mode = checked_mode(mode, problem, start.config)
        if mode and config.distillation.teacher:
            raise InputError(
                "A run cannot learn from a teacher and train a head for each layer at once. "
                f"Received EARLY_EXIT={mode!r:.80} and TEACHER='{config.distillation.teacher}'. "
                "Train the student first, then add the heads with EARLY_EXIT=after and INIT_FROM."
            )
        checked_loss(config.exit_loss)
        checked_threshold(config.exit_threshold)
        if not mode and config.exit_threshold is not None:
            raise InputError(
                "An exit threshold needs a model with a head for each layer. Received "
                f"{config.exit_threshold!r:.80} for a model without them. Train it with "
                "EARLY_EXIT=joint, or leave the threshold out."
            )
        return mode

    def check(self) -> None:
        """Reads and checks all inputs; see `FineTuningTask.check`."""
        super().check()
        if self._mode == AFTER and not (self.start.resumes or self.takes_head()):
            raise InputError(
                "EARLY_EXIT=after adds heads to a classifier that is trained already. Received "
                f"INIT_FROM='{self.task_config.init_from}', which has no head for the labels "
                f"{str(list(self.describe().labels)):.200}. Fine-tune it first, or set "
                "EARLY_EXIT=joint."
            )

    @property
    def exit_threshold(self) -> float:
        """The threshold of predictions; 1.0, with which all layers are used, without heads."""
        return checked_threshold(self.task_config.exit_threshold) if self._mode else NEVER

    @property
    def _mode(self) -> str:
        return self.describe().settings.get("early_exit", "")

    # === Training ===
    def forward(self, model: TaskModel, features: Any) -> Any:
        """Returns the logits, [B, C], or those of all layers, [B, L, C]."""
        if self._mode:
            return model.layer_logits(features, training=True)
        return super().forward(model, features)

    def losses(self, labels: Tensors, outputs: Any) -> tf.Tensor:
        """Returns the loss of each example, [B], or the weighted mean of those of all layers."""
        logits = outputs["logits"] if isinstance(outputs, Mapping) else outputs
        of_layers, weights = [logits], np.ones(1, np.float32)
        if len(logits.shape) == 3:
            of_layers, weights = tf.unstack(logits, axis=1), layer_weights(logits.shape[1])
        targets, smoothing = labels["label"], labels.get("smoothing")
        each = [self.problem.losses(targets, x, smoothing) for x in of_layers]  # [B] each
        losses = tf.add_n([weight * loss for weight, loss in zip(weights, each)])
        return losses * labels["weight"] if "weight" in labels else losses

    # === Evaluation and prediction ===
    def inference_step(self, inputs: Tensors, model: TaskModel) -> Any:
        """Returns the logits and, with a head for each layer, those of all layers."""
        if not self._mode:
            return super().inference_step(inputs, model)
        layers = model.layer_logits(inputs)
        logits = layers[:, -1] if layers.shape.rank == 3 else model(inputs, training=False)
        return {"logits": logits, _LAYERS: layers}

    def predicted(self, model: TaskModel, features: Tensors) -> Tensors:
        """Returns the outputs that answers need; texts leave as the threshold says."""
        if not self._mode:
            return super().predicted(model, features)
        return model.early(features, self.exit_threshold)

    @property
    def best_metric(self) -> str:
        """The metric that selects the best checkpoint.

        If only the heads are trained, the answers of the last layer stay the same, and it is the
        mean over the layers.
        """
        if self._mode == AFTER and not self.task_config.metric:
            return f"{self.metric}_of_layers"
        return super().best_metric

    def left_early(
        self, examples: EncodedExamples, outputs: Outputs, wanted: np.ndarray, problem: Problem
    ) -> tuple[np.ndarray, dict[str, float]]:
        """Returns the logits with which texts leave, [N, C], and metrics of the layers.

        Args:
          examples: the examples of an evaluation.
          outputs: their outputs; without those of all layers, the logits are returned.
          wanted: the targets.
          problem: computes the metrics.
        """
        if _LAYERS not in outputs:
            return outputs.stacked(), {}
        description, name = self.describe(), self.metric
        windows = description.settings.get("windows", "first")
        counts = None if examples.windows is None else examples.windows[outputs.examples]
        exits = Exits(description.task, windows, outputs[_LAYERS], counts)
        factor = sign(name)

        def score(logits: np.ndarray) -> float:
            return factor * problem.scores(wanted, logits)[name]

        of_layers = [score(exits.of_layer(layer)) for layer in range(exits.layers)]
        threshold = self.exit_threshold
        if self._tunes_exit:
            least = of_layers[-1] - self.task_config.exit_loss / 100
            threshold = exits.tuned(score, least)
        return exits.answers(threshold), {
            f"{name}_all_layers": factor * of_layers[-1],
            f"{name}_of_layers": factor * float(np.mean(of_layers)),
            "mean_layers": float(exits.used(threshold).mean()),
            "exit_threshold": threshold,
        }

    def with_layers(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Returns the metrics of answers that ignore the texts with those of the layers."""
        if not self._mode:
            return dict(metrics)
        return {**metrics, f"{self.metric}_of_layers": metrics[self.metric]}
