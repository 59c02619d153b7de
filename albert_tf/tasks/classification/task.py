"""`ClassificationTask`: classification and regression on GLUE and on tables with named columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from official.core import task_factory

from albert_tf.data import tables
from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError, closest
from albert_tf.files import expand, folder_at
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
    """The config of `ClassificationTask`.

    Attributes:
      glue: a GLUE task, which defines the layout of its files; "" for tables. `input_path` is then
        the folder of the task, and the columns, labels, problem and header below are not used.
      text: the column of the text.
      second_text: the column of the second text of a pair; "" for single texts.
      label: the column of the label.
      labels: all labels in order; collected from the training data if empty.
      problem: "classification", "regression" or "auto", which means regression if all labels are
        numbers and some are not whole.
      header: the names of the columns, for files without a header line.
      skip_labels: labels whose rows are left out, as a list or separated by commas.
      skip_broken_rows: whether to leave out rows with too few or too many fields, or without a
        label, instead of stopping with an error.
    """

    glue: str = ""
    text: str = "text"
    second_text: str = ""
    label: str = "label"
    labels: list[str] = dataclasses.field(default_factory=list)
    problem: str = "auto"
    header: list[str] = dataclasses.field(default_factory=list)
    skip_labels: list[str] = dataclasses.field(default_factory=list)
    skip_broken_rows: bool = False


@task_factory.register_task_cls(ClassificationConfig)
class ClassificationTask(FineTuningTask):
    """Predicts a class or a number for a text or a pair of texts.

    The loss is the mean cross entropy or the mean squared error (original run_classifier.py).
    """

    MODEL = AlbertClassifier
    SETTINGS = ("glue", "text", "second_text", "label", "header")
    OUTPUTS = (".tsv",)

    @classmethod
    def config_class(cls) -> type[ClassificationConfig]:
        """Returns `ClassificationConfig`."""
        return ClassificationConfig

    # === Files ===
    def read(self, params: FineTuningDataConfig, labelled: bool = True) -> EncodedExamples:
        """Reads and tokenises files; see `FineTuningTask.read`."""
        report = RowReport(skip_broken=labelled and self.task_config.skip_broken_rows)
        rows = list(self._rows(params, labelled, report))
        targets = None
        if labelled and rows:
            description = self.describe()
            targets = (
                classification.classes(rows, description.labels)
                if description.labels
                else classification.numbers(rows)
            )
        return classification.examples(rows, self.tokenizer, params.seq_length, targets, report)

    def describe(self) -> TaskDescription:
        """Returns the task with its labels and columns."""
        if self._description is None:
            task, labels = self._problem()
            self._description = TaskDescription(task, labels, self.settings())
        return self._description

    _description: TaskDescription | None = None

    def _problem(self) -> tuple[str, tuple[str, ...]]:
        """Returns the task and labels from the config, GLUE, the weights or the training data."""
        config = self.task_config
        if config.problem not in PROBLEMS:
            raise InputError(
                f"Unknown PROBLEM. Received {config.problem!r}. "
                f"{closest(str(config.problem), PROBLEMS)}"
            )
        if config.glue:
            labels = glue.layout(config.glue).labels
            return ("classification", labels) if labels else ("regression", ())
        if self.start.resumes or not (config.train_data.input_path or config.train_data.tfds_name):
            return self._problem_of_weights()
        report = RowReport(skip_broken=config.skip_broken_rows)  # Shown when `read` makes it again.
        rows = list(self._rows(config.train_data, True, report))
        values = [row.label for row in rows]
        numbers = config.problem == "auto" and not config.labels
        if config.problem == "regression" or (numbers and classification.are_numbers(values)):
            return "regression", ()
        if config.labels:
            return "classification", tuple(map(str, config.labels))
        labels, saved = classification.find_labels(rows, config.label), self.start.task
        if saved is not None and saved.task == "classification" and set(labels) <= {*saved.labels}:
            labels = saved.labels  # The order is kept, so that the head can be loaded.
        return "classification", labels

    def _problem_of_weights(self) -> tuple[str, tuple[str, ...]]:
        saved = self.start.task
        if saved is None or saved.task not in self.MODEL.TASKS:
            raise InputError(
                "Labels must come from training data or from fine-tuned weights. Received an empty "
                f"TRAIN_DATA and weights for {saved.task if saved else 'no task'}. Set TRAIN_DATA."
            )
        return saved.task, saved.labels

    def _columns(self) -> tuple[tuple[str, ...], str, Sequence[str]]:
        """Returns the text columns, the label column, and the header for files without one."""
        config = self.task_config
        if config.glue:
            layout = glue.layout(config.glue)
            return layout.texts, layout.label, layout.header
        texts = (config.text, config.second_text) if config.second_text else (config.text,)
        return texts, config.label, config.header

    def _rows(
        self, params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> Iterator[LabelledText]:
        texts, label, header = self._columns()
        label = label if labelled else ""
        columns = (*texts, label) if label else texts
        for group, rows in self._tables(params, columns, header, report, not labelled):
            if not self.task_config.glue:  # GLUE is scored on its files as they are.
                rows = tables.without_repeats(rows, report, not labelled)
            yield from classification.labelled_texts(
                rows, texts, label, report, group, _names(self.task_config.skip_labels)
            )

    def _tables(
        self,
        params: FineTuningDataConfig,
        columns: Sequence[str],
        header: Sequence[str],
        report: RowReport,
        to_predict: bool,
    ) -> Iterator[tuple[str, Iterator[tables.Row]]]:
        """Yields the name of each table and its rows."""
        if params.tfds_name:
            place = params.tfds_name, params.tfds_split, params.tfds_data_dir
            yield "", tables.read_tfds(*place, columns, report)
            return
        for path in self._paths(params):
            yield path.stem, tables.read(path, columns, header, report, to_predict)

    def _paths(self, params: FineTuningDataConfig) -> list[Path]:
        path = params.input_path
        if self.task_config.glue and (folder := folder_at(path)):
            layout = glue.layout(self.task_config.glue)
            return glue.files(folder, layout, params.is_training)
        return expand(path)

    # === Training ===
    def losses(self, labels: Tensors, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each example; see the class."""
        if self.describe().labels:
            return tf.nn.sparse_softmax_cross_entropy_with_logits(labels["label"], outputs)  # [B]
        return tf.square(outputs[:, 0] - labels["label"])  # [B]

    def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
        """Returns the metrics of the step and, for classification, `train_accuracy`."""
        metrics = super().build_metrics(training)
        if training and self.describe().labels:
            metrics.append(tf_keras.metrics.Mean(name="train_accuracy"))
        return metrics

    def process_metrics(
        self, metrics: Any, labels: Tensors, model_outputs: tf.Tensor, **kwargs: Any
    ) -> None:
        """Updates `train_accuracy`."""
        for metric in metrics:
            answers = tf.argmax(model_outputs, -1, output_type=tf.int32)  # [B]
            metric.update_state(tf.cast(answers == labels["label"], tf.float32))

    # === Evaluation ===
    @property
    def metric(self) -> str:
        """The metric of the GLUE task; otherwise accuracy, or Pearson's correlation of numbers."""
        if self.task_config.glue:
            return glue.layout(self.task_config.glue).metric
        return "accuracy" if self.describe().labels else "pearson"

    def evaluate(self, examples: EncodedExamples, outputs: Outputs) -> dict[str, float]:
        """Returns the metrics of all files together and, if there are several, of each file."""
        wanted, logits = self._wanted(examples, outputs), outputs.stacked()
        metrics = self._scores(wanted, logits)
        groups = np.array([examples.sources[i].group for i in outputs.examples])
        names = sorted(set(groups))
        for name in names if len(names) > 1 else ():
            scores = self._scores(wanted[groups == name], logits[groups == name])
            metrics[f"{self.metric}_{name}"] = scores[self.metric]
        return metrics

    def _scores(self, wanted: np.ndarray, logits: np.ndarray) -> dict[str, float]:
        if self.describe().labels:
            return metrics_of.of_classes(wanted, logits)
        return metrics_of.of_numbers(wanted, logits[:, 0])

    def _wanted(self, examples: EncodedExamples, outputs: Outputs) -> np.ndarray:
        return examples.labels["label"][outputs.examples]

    def details(self, examples: EncodedExamples, outputs: Outputs) -> str:
        """Returns the scores of each class and the confusion table; "" for numbers."""
        labels = self.describe().labels
        if not labels:
            return ""
        answers = outputs.stacked().argmax(axis=-1)
        return metrics_of.confusion_table(self._wanted(examples, outputs), answers, labels)

    def draw(self, examples: EncodedExamples, outputs: Outputs, folder: Path) -> list[Path]:
        """Writes confusion.png (and precision_recall.png for two classes), or scatter.png."""
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
        """Yields `label`, its `probability` and all `probabilities` by label, or `value`."""
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
        """Returns answers as JSON Lines, or as .tsv in GLUE's format: index and prediction."""
        if ending != ".tsv":
            return super().written(answers, ending)
        predictions = [answer.get("label", answer.get("value")) for answer in answers]
        if self.task_config.glue == "stsb":  # Its scores are in [0, 5].
            predictions = [min(max(value, 0.0), 5.0) for value in predictions]
        return glue.submission(predictions)


def _names(labels: str | Sequence[str]) -> set[str]:
    if isinstance(labels, (list, tuple)):
        return set(map(str, labels))
    return {name.strip() for name in str(labels).split(",")} - {""}


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Returns the softmax over the last axis, in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    return powers / powers.sum(axis=-1, keepdims=True)
