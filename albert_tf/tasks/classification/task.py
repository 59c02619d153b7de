"""Classification and regression of one text or a pair: GLUE, and any table with named columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from absl import logging
from official.core import task_factory

from albert_tf.data import tables
from albert_tf.errors import InputError, closest
from albert_tf.files import expand
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.classification import data as classification
from albert_tf.tasks.classification import glue
from albert_tf.tasks.classification import metrics as metrics_of
from albert_tf.tasks.classification.data import LabelledText
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.encoded_examples import EncodedExamples
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.fine_tuning_config import FineTuningConfig, FineTuningDataConfig
from albert_tf.tasks.outputs import Outputs

PROBLEMS = ("auto", "classification", "regression")


@dataclasses.dataclass
class ClassificationConfig(FineTuningConfig):
    """What `ClassificationTask` needs.

    Attributes:
      glue: a task of GLUE, whose files have a layout of their own; `input_path` is its folder, and
        what follows is not read. "" for tables.
      text: column of the text.
      second_text: column of the second text of a pair; "" for single texts.
      label: column of the label.
      labels: all labels in their order; found in the training data if empty.
      problem: "classification", "regression", or "auto": regression if all labels are numbers and
        some are not whole.
      header: names of the columns, for files that do not begin with them.
      skip_broken_rows: leave out rows with too few or too many fields, and say so, instead of
        stopping there.
    """

    glue: str = ""
    text: str = "text"
    second_text: str = ""
    label: str = "label"
    labels: list[str] = dataclasses.field(default_factory=list)
    problem: str = "auto"
    header: list[str] = dataclasses.field(default_factory=list)
    skip_broken_rows: bool = False


@task_factory.register_task_cls(ClassificationConfig)
class ClassificationTask(FineTuningTask):
    """One of several classes, or a number, for a text or a pair of texts.

    The loss is the mean cross entropy, or the mean squared error (original run_classifier.py).
    """

    MODEL = AlbertClassifier
    SETTINGS = ("glue", "text", "second_text", "label", "header")
    OUTPUTS = (".tsv",)

    @classmethod
    def config_class(cls) -> type[ClassificationConfig]:
        """`ClassificationConfig`."""
        return ClassificationConfig

    # === Files ===
    def read(self, params: FineTuningDataConfig, labelled: bool = True) -> EncodedExamples:
        """Reads and tokenises files; see `FineTuningTask.read`."""
        rows = self._rows(params, labelled)
        targets = None
        if labelled and rows:
            description = self.describe()
            targets = (
                classification.classes(rows, description.labels)
                if description.labels
                else classification.numbers(rows)
            )
        return classification.examples(rows, self.tokenizer, params.seq_length, targets)

    def describe(self) -> TaskDescription:
        """Returns task, labels and columns."""
        if self._description is None:
            task, labels = self._problem()
            self._description = TaskDescription(task, labels, self.settings())
        return self._description

    _description: TaskDescription | None = None

    def _problem(self) -> tuple[str, tuple[str, ...]]:
        """Returns the kind of task and its labels: of config, layout, weights or training data."""
        config = self.task_config
        if config.problem not in PROBLEMS:
            raise InputError(
                f"PROBLEM must be known. Received {config.problem!r}. "
                f"{closest(str(config.problem), PROBLEMS)}"
            )
        if config.glue:
            labels = glue.layout(config.glue).labels
            return ("classification", labels) if labels else ("regression", ())
        if self.start.resumes or not (config.train_data.input_path or config.train_data.tfds_name):
            return self._problem_of_weights()
        rows = self._rows(config.train_data, labelled=True)
        values = [row.label for row in rows]
        numbers = config.problem == "auto" and not config.labels
        if config.problem == "regression" or (numbers and classification.are_numbers(values)):
            return "regression", ()
        if config.labels:
            return "classification", tuple(map(str, config.labels))
        labels, found = classification.find_labels(rows, config.label), self.start.task
        if found is not None and found.task == "classification" and set(labels) <= {*found.labels}:
            labels = found.labels  # So that their order stays, and the head can be taken.
        return "classification", labels

    def _problem_of_weights(self) -> tuple[str, tuple[str, ...]]:
        found = self.start.task
        if found is None or found.task not in self.MODEL.TASKS:
            raise InputError(
                "Labels are found in the training data or lie with fine-tuned weights. Received "
                f"neither: no TRAIN_DATA, and weights for {found.task if found else 'no task'}. "
                "Set TRAIN_DATA."
            )
        return found.task, found.labels

    def _columns(self) -> tuple[tuple[str, ...], str, Sequence[str]]:
        """Returns the columns of texts, that of the label, and the header of files without one."""
        config = self.task_config
        if config.glue:
            found = glue.layout(config.glue)
            return found.texts, found.label, found.header
        texts = (config.text, config.second_text) if config.second_text else (config.text,)
        return texts, config.label, config.header

    def _rows(self, params: FineTuningDataConfig, labelled: bool) -> list[LabelledText]:
        texts, label, header = self._columns()
        label = label if labelled else ""
        columns = (*texts, label) if label else texts
        if params.tfds_name:
            rows = tables.read_tfds(
                params.tfds_name, params.tfds_split, params.tfds_data_dir, columns
            )
            return classification.labelled_texts(rows, texts, label)
        skipped: list[str] | None = [] if self.task_config.skip_broken_rows else None
        found = [
            row
            for path in self._paths(params)
            for row in classification.labelled_texts(
                tables.read(path, columns, header, skipped), texts, label, group=path.stem
            )
        ]
        if skipped:
            logging.warning(
                "%d broken rows were left out: %s", len(skipped), "; ".join(skipped[:20])
            )
        return found

    def _paths(self, params: FineTuningDataConfig) -> list[Path]:
        path = params.input_path
        if self.task_config.glue and isinstance(path, str) and Path(path).expanduser().is_dir():
            found = glue.layout(self.task_config.glue)
            return glue.files(Path(path).expanduser(), found, params.is_training)
        return expand(path)

    # === Training ===
    def losses(self, labels: Tensors, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each example; see the class."""
        if self.describe().labels:
            return tf.nn.sparse_softmax_cross_entropy_with_logits(labels["label"], outputs)  # [B]
        return tf.square(outputs[:, 0] - labels["label"])  # [B]

    def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
        """Returns the metrics of the step and, for classes, training's accuracy."""
        metrics = super().build_metrics(training)
        if training and self.describe().labels:
            metrics.append(tf_keras.metrics.Mean(name="train_accuracy"))
        return metrics

    def process_metrics(
        self, metrics: Any, labels: Tensors, model_outputs: tf.Tensor, **kwargs: Any
    ) -> None:
        """Updates the accuracy of training."""
        for metric in metrics:
            answers = tf.argmax(model_outputs, -1, output_type=tf.int32)  # [B]
            metric.update_state(tf.cast(answers == labels["label"], tf.float32))

    # === Evaluation ===
    @property
    def metric(self) -> str:
        """That of the GLUE task, or accuracy, or Pearson's correlation of numbers."""
        if self.task_config.glue:
            return glue.layout(self.task_config.glue).metric
        return "accuracy" if self.describe().labels else "pearson"

    def evaluate(self, examples: EncodedExamples, outputs: Outputs) -> dict[str, float]:
        """Returns the metrics of all files together and, if there are several, of each."""
        wanted, logits = self._wanted(examples, outputs), outputs.stacked()
        found = self._scores(wanted, logits)
        groups = np.array([examples.sources[i].group for i in outputs.examples])
        names = sorted(set(groups))
        for name in names if len(names) > 1 else ():
            scores = self._scores(wanted[groups == name], logits[groups == name])
            found[f"{self.metric}_{name}"] = scores[self.metric]
        return found

    def _scores(self, wanted: np.ndarray, logits: np.ndarray) -> dict[str, float]:
        if self.describe().labels:
            return metrics_of.of_classes(wanted, logits)
        return metrics_of.of_numbers(wanted, logits[:, 0])

    def _wanted(self, examples: EncodedExamples, outputs: Outputs) -> np.ndarray:
        return examples.labels["label"][outputs.examples]

    def details(self, examples: EncodedExamples, outputs: Outputs) -> str:
        """Returns scores of each class and the confusion table; nothing for numbers."""
        labels = self.describe().labels
        if not labels:
            return ""
        found = outputs.stacked().argmax(axis=-1)
        return metrics_of.confusion_table(self._wanted(examples, outputs), found, labels)

    def draw(self, examples: EncodedExamples, outputs: Outputs, folder: Path) -> list[Path]:
        """Writes confusion.png and precision_recall.png, or scatter.png for numbers."""
        wanted, logits, labels = (
            self._wanted(examples, outputs),
            outputs.stacked(),
            self.describe().labels,
        )
        if labels:
            return metrics_of.draw_classes(wanted, logits, labels, folder)
        return metrics_of.draw_numbers(wanted, logits[:, 0], folder)

    # === Prediction ===
    def answers(self, examples: EncodedExamples, outputs: Outputs) -> Iterator[dict[str, Any]]:
        """Yields `label`, `probability` and `probabilities` by label, or `value`."""
        labels = self.describe().labels
        for row in outputs["logits"]:
            if not labels:
                yield {"value": float(row[0])}
                continue
            shares = probabilities(row)
            best = int(shares.argmax())
            yield {
                "label": labels[best],
                "probability": float(shares[best]),
                "probabilities": dict(zip(labels, map(float, shares))),
            }

    def written(self, answers: Iterable[dict[str, Any]], ending: str) -> str:
        """Returns answers as JSON Lines, or as .tsv: index and prediction, as GLUE asks for."""
        if ending != ".tsv":
            return super().written(answers, ending)
        found = [answer.get("label", answer.get("value")) for answer in answers]
        if self.task_config.glue == "stsb":  # Scores lie in [0, 5] there.
            found = [min(max(value, 0.0), 5.0) for value in found]
        return glue.submission(found)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Returns the softmax over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    return powers / powers.sum(axis=-1, keepdims=True)
