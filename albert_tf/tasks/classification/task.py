"""`ClassificationTask`: classes, labels and numbers in GLUE and in tables with named columns."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterator, Sequence
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
from albert_tf.task_types import FILE, TaskDescription
from albert_tf.tasks import results
from albert_tf.tasks.answer_files import AnswerFile
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.classification import data as classification
from albert_tf.tasks.classification import encoding, glue, problems
from albert_tf.tasks.classification.config import (
    PROBLEMS,
    ClassificationConfig,
    label_columns,
    may_have_several,
    pooling_of,
    skipped_labels,
)
from albert_tf.tasks.classification.data import LabelledText
from albert_tf.tasks.classification.early_exit import EarlyExitTask
from albert_tf.tasks.classification.model import POOLED, AlbertClassifier
from albert_tf.tasks.classification.problems import LabelSets
from albert_tf.tasks.distillation.student import LABELLED
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fine_tuning_config import FineTuningDataConfig
from albert_tf.tasks.task_files import Facts
from albert_tf.tasks.text_windows import FIRST, TextWindowSettings

# Settings in task.json that models for several labels, or for windows, have.
_COLUMNS = ("text", "second_text", "label", "header")
_OF_LABEL_SETS = ("label_separator", "threshold")
_OF_WINDOWS = ("windows", "doc_stride")
_POOLING = "pooling"
_OF_EXITS = ("early_exit", "exit_threshold")


@task_factory.register_task_cls(ClassificationConfig)
class ClassificationTask(EarlyExitTask):
    """Predicts a class, any number of labels, or a number for a text or a pair of texts.

    The loss is the mean cross entropy or the mean squared error (original run_classifier.py).
    """

    MODEL = AlbertClassifier
    SETTINGS = ("glue", *_COLUMNS, *_OF_LABEL_SETS, *_OF_WINDOWS, _POOLING, *_OF_EXITS)
    KEEPS_COLUMNS = True
    WHOLE_TEXTS = True

    def __init__(self, params: ClassificationConfig, *args: Any, **kwargs: Any) -> None:
        # A run that resumes fills in the threshold of the earlier session, and tunes it again.
        self._tunes = problems.tuning(params.threshold)
        if self._tunes:
            params.threshold = None
        super().__init__(params, *args, **kwargs)
        if params.windows != FIRST:
            self.longer = "are read in windows"

    @classmethod
    def config_class(cls) -> type[ClassificationConfig]:
        """Returns `ClassificationConfig`."""
        return ClassificationConfig

    # === Files ===
    def rows(
        self, params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> Iterator[LabelledText]:
        """Yields rows of tables; see `TaskFiles.rows`."""
        config = self.task_config
        texts, label, header = self._columns()
        label = label if labelled else ""
        names = () if not label else (label,) if config.glue else label_columns(config)
        columns = tuple(dict.fromkeys((*texts, *names, *self.keep_columns)))
        for group, rows in self._tables(params, columns, header, report, not labelled):
            if not config.glue:  # GLUE is scored on its files as they are.
                rows = tables.without_repeats(rows, report, not labelled)
            if len(names) > 1:
                numbers = config.problem == "regression"
                rows = classification.joined(rows, names, label, numbers, report)
            yield from classification.labelled_texts(
                rows,
                texts,
                label,
                report,
                group,
                skipped_labels(self.task_config),
                self._has_label_sets,
                self.task_config.label_separator,
                self.keep_columns,
            )

    def facts(self, row: LabelledText) -> Facts:
        """Returns the texts and the label, or all labels or numbers."""
        labels: Sequence[str] = (row.label,)
        separator = self.task_config.label_separator
        if self.task_config.problem == "regression":
            labels = classification.numbers_in(row.label, separator)
        elif self._has_label_sets:
            labels = classification.labels_in(row.label, separator, row.where)
        return Facts(row.where, (row.texts,), tuple(labels))

    def has_numbers(self, labels: Sequence[str]) -> bool:
        """Returns whether the problem is regression, by its name or by the labels."""
        config = self.task_config
        if config.glue:
            return not glue.layout(config.glue).labels
        is_open = config.problem == "auto" and not config.labels and not self._has_label_sets
        return config.problem == "regression" or (is_open and classification.are_numbers(labels))

    def key(self, row: LabelledText) -> tuple[Hashable, Hashable]:
        """Returns the texts, and the label if it is a class."""
        return row.texts, row.label if self.describe().task == "classification" else ""

    def encode(
        self,
        rows: Sequence[LabelledText],
        params: FineTuningDataConfig,
        labelled: bool,
        report: RowReport,
    ) -> EncodedExamples:
        """Tokenises rows; see `TaskFiles.encode`."""
        config, labels = self.task_config, {}
        problem = self.problem if rows else None  # Checks settings in any case.
        if labelled and rows:
            labels["label"] = problem.targets(rows)
            if params.is_training and config.class_weights:
                labels["weight"] = problem.weights(config.class_weights, labels["label"])
            if params.is_training and config.label_smoothing:
                labels["smoothing"] = problem.smoothing(config.label_smoothing, len(rows))
        settings = TextWindowSettings(
            config.windows,
            params.seq_length,
            config.doc_stride,
            config.max_windows,
            params.bucketed,
        )
        return encoding.examples(rows, self.tokenizer, settings, labels, report, params.is_training)

    def describe(self) -> TaskDescription:
        """Returns the task with its labels and columns."""
        if self._description is None:
            task, labels = self._problem()
            self._description = TaskDescription(task, labels, self._settings_of(task))
        return self._description

    _description: TaskDescription | None = None

    def _settings_of(self, task: str) -> dict[str, Any]:
        config = self.task_config
        others = () if task == "multi_label" else ("threshold",)
        if task != "multi_label" and not config.label_separator:
            others += ("label_separator",)
        others += _OF_WINDOWS if config.windows == FIRST else ()
        settings = {**self.settings(), _POOLING: pooling_of(config, self.start.task)}
        others += (_POOLING,) if settings[_POOLING] == POOLED else ()
        settings["early_exit"] = self.early_exit(task)
        others += () if settings["early_exit"] else _OF_EXITS
        settings = {n: value for n, value in settings.items() if n not in others}
        if "threshold" in settings:
            settings["threshold"] = problems.plain(settings["threshold"])
        return settings

    @functools.cached_property
    def problem(self) -> problems.Problem:
        """What the labels of the task mean."""
        config, description = self.task_config, self.describe()
        if description.task == "regression":
            return problems.Numbers(description.labels, config.label_separator)
        if not description.labels:
            raise InputError(
                f"A model for {description.task} must have labels. Received '{config.init_from}' "
                "with an empty list of labels. Add them to its task.json."
            )
        if description.task == "multi_label":
            return LabelSets(
                description.labels, config.label_separator, config.threshold, self._tunes
            )
        return problems.Classes(description.labels)

    def _problem(self) -> tuple[str, tuple[str, ...]]:
        """Returns the task and labels from the config, GLUE, the weights or the training data."""
        config, saved = self.task_config, self.start.task
        if config.problem not in PROBLEMS:
            raise InputError(
                f"Unknown PROBLEM. Received {config.problem!r}. "
                f"{closest(str(config.problem), PROBLEMS)}"
            )
        if config.label_separator and config.problem == "classification":
            raise InputError(
                "LABEL_SEPARATOR is for several labels or numbers of a text. Received "
                f"{config.label_separator!r} with PROBLEM={config.problem}. Set "
                "PROBLEM=multi_label or regression, or leave LABEL_SEPARATOR out."
            )
        if config.glue:
            labels = glue.layout(config.glue).labels
            return ("classification", labels) if labels else ("regression", ())
        if self.start.resumes or not (config.train_data.input_path or config.train_data.tfds_name):
            return self._problem_of_weights()
        report = self.new_report(labelled=True)  # Shown when `read` makes it again.
        rows = list(self.rows(config.train_data, True, report))
        task = "multi_label" if self._has_label_sets else "classification"
        columns = label_columns(config) if len(label_columns(config)) > 1 else ()
        if self.has_numbers([row.label for row in rows]):
            names = tuple(map(str, config.labels)) or columns
            names = names or classification.names_of_numbers(rows, config.label_separator)
            if saved is not None and saved.task == "regression" and not config.labels:
                names = saved.labels if len(saved.labels) == len(names) else names
            return "regression", names if len(names) > 1 else ()
        if config.labels:
            return task, classification.given_labels(config.labels, config.label_separator)
        if columns:
            labels = columns
        elif task == "multi_label":
            labels = classification.find_label_sets(rows, config.label, config.label_separator)
        else:
            labels = classification.find_labels(rows, config.label)
        if saved is not None and saved.task == task and set(labels) <= {*saved.labels}:
            labels = saved.labels  # The order is kept, so that the head can be loaded.
        return task, labels

    @property
    def _has_label_sets(self) -> bool:
        """Whether a text may have several labels, as far as the config or the weights say so."""
        config = self.task_config
        if config.glue:
            return False
        if self.start.resumes or not (config.train_data.input_path or config.train_data.tfds_name):
            return self.start.task is not None and self.start.task.task == "multi_label"
        return may_have_several(config)

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

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns of the texts of a row."""
        return self._columns()[0]

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
        paths = self.paths(params)
        self.check_kept(paths, self._columns()[0])
        for path in paths:
            yield path.stem, tables.read(path, columns, header, report, to_predict)

    def paths(self, params: FineTuningDataConfig) -> list[Path]:
        """Returns the files, those of GLUE if the folder of a task is given."""
        path = params.input_path
        if self.task_config.glue and (folder := folder_at(path)):
            layout = glue.layout(self.task_config.glue)
            is_training = params.is_training or bool(self.task_config.eval_fraction)
            return glue.files(folder, layout, is_training)
        return expand(path)

    # === Training ===
    def soft_losses(
        self, labels: Tensors, outputs: tf.Tensor, teacher: tf.Tensor, temperature: float
    ) -> dict[str, tf.Tensor]:
        """Returns the losses by which logits or numbers differ from the teacher's."""
        return {"logits": self.problem.soft_losses(outputs, teacher, temperature)}

    def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
        """Returns the metrics of the step and, for classification, `train_accuracy`."""
        metrics = super().build_metrics(training)
        if training and isinstance(self.problem, problems.Classes):
            metrics.append(tf_keras.metrics.Mean(name="train_accuracy"))
        return metrics

    def process_metrics(
        self, metrics: Any, labels: Tensors, model_outputs: tf.Tensor, **kwargs: Any
    ) -> None:
        """Updates `train_accuracy`."""
        if len(model_outputs.shape) == 3:
            model_outputs = model_outputs[:, -1]  # Of the last layer.
        for metric in metrics:
            answers = tf.argmax(model_outputs, -1, output_type=tf.int32)  # [B]
            hits = tf.cast(answers == labels["label"], tf.float32)
            metric.update_state(hits, labels.get(LABELLED))

    # === Evaluation ===
    @property
    def metric(self) -> str:
        """The metric of the GLUE task; otherwise that of the problem."""
        if self.task_config.glue:
            return glue.layout(self.task_config.glue).metric
        return self.problem.metric

    def evaluate(self, examples: EncodedExamples, outputs: Outputs) -> dict[str, float]:
        """Returns the metrics of all files together and, if there are several, of each file."""
        wanted, problem, logits, of_layers = self._answered(examples, outputs)
        metrics = problem.scores(wanted, logits) | of_layers
        groups = np.array([examples.sources[i].group for i in outputs.examples])
        names = sorted(set(groups))
        for name in names if len(names) > 1 else ():
            scores = problem.scores(wanted[groups == name], logits[groups == name])
            metrics[f"{self.metric}_{name}"] = scores[self.metric]
        return metrics

    def baseline(self, examples: EncodedExamples) -> dict[str, float]:
        """Returns the metrics of the most frequent class, of the mean or of the labels' shares."""
        logits = self.problem.constant(examples.labels["label"])
        constant = self.evaluate(examples, Outputs.same(len(examples), logits=logits))
        return self.with_layers(constant)

    def _answered(
        self, examples: EncodedExamples, outputs: Outputs
    ) -> tuple[np.ndarray, problems.Problem, np.ndarray, dict[str, float]]:
        """Returns targets, the tuned problem, the logits of the answers, and their layers."""
        wanted = examples.labels["label"][outputs.examples]
        problem = self.problem.tuned(wanted, outputs.stacked())
        return wanted, problem, *self.left_early(examples, outputs, wanted, problem)

    def details(self, examples: EncodedExamples, outputs: Outputs) -> str:
        """Returns the scores of each label, and a confusion table of classes; "" for numbers."""
        wanted, problem, logits, _ = self._answered(examples, outputs)
        return problem.table(wanted, logits)

    def draw(self, examples: EncodedExamples, outputs: Outputs, folder: Path) -> list[Path]:
        """Writes confusion.png, precision_recall.png or scatter.png; see `metrics`."""
        wanted, _, logits, _ = self._answered(examples, outputs)
        return self.problem.draw(wanted, logits, folder)

    def write_results(self, folder: str | Path) -> list[Path]:
        """Writes metrics, plots and, to task.json, the thresholds of the best evaluation."""
        paths = super().write_results(folder)
        best = self.results.best if self.results.best_is_new else None
        if best is None:
            return paths
        config, tunes = self.task_config, self._tunes and isinstance(self.problem, LabelSets)
        if tunes:
            config.threshold = self.problem.threshold_in(best.metrics)
        if tunes_exit := self._tunes_exit and "exit_threshold" in best.metrics:
            config.exit_threshold = best.metrics["exit_threshold"]
        if tunes or tunes_exit:
            self._description = None
            for path in results.tuned_folders(Path(folder), best.step):
                self.describe().to_json_file(path / FILE)
        return paths

    # === Prediction ===
    def answers(self, examples: EncodedExamples, outputs: Outputs) -> Iterator[dict[str, Any]]:
        """Yields `label`, its `probability` and all `probabilities` by label.

        For several labels, these are `labels` and `probabilities`; for numbers, `value` or, if the
        model has several outputs, `values`. With early exit, `layers` are those used.
        """
        answers = map(self.problem.answer, outputs["logits"])
        if "layers" not in outputs:
            return answers
        return ({**a, "layers": int(n)} for a, n in zip(answers, outputs["layers"]))

    def columns(self) -> dict[str, Any]:
        """Returns the columns of the problem's answers, and of the layers used."""
        exits = "early_exit" in self.describe().settings
        return {**self.problem.columns(), **({"layers": int} if exits else {})}

    def answer_file(self, ending: str, keep: Sequence[str] = ()) -> AnswerFile:
        """Returns a file of answers; .tsv has GLUE's format, with `index` and `prediction`."""
        if ending == ".tsv":  # The scores of STS-B are in [0, 5].
            return glue.Submission(keep, clip=5.0 if self.task_config.glue == "stsb" else None)
        return super().answer_file(ending, keep)
