"""The config of `ClassificationTask`."""

from __future__ import annotations

import dataclasses
from typing import Any

from albert_tf.errors import InputError, closest
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.classification import problems
from albert_tf.tasks.classification.exits import LOSS
from albert_tf.tasks.classification.model import MEAN, POOLED, POOLINGS
from albert_tf.tasks.fine_tuning_config import FineTuningConfig
from albert_tf.tasks.text_windows import FIRST, MAX_WINDOWS

PROBLEMS = ("auto", "classification", "regression", "multi_label")


@dataclasses.dataclass
class ClassificationConfig(FineTuningConfig):
    """The config of `ClassificationTask`.

    Attributes:
      glue: a GLUE task, which defines the layout of its files; "" for tables. `input_path` is then
        the folder of the task, and the columns, labels, problem and header below are not used.
      text: the column of the text.
      second_text: the column of the second text of a pair; "" for single texts.
      label: the column of the label; or several, separated by commas, each of which has 0 or 1 for
        the label of its name, or a number in regression.
      labels: all labels in order; collected from the training data if empty.
      problem: "classification", "regression", "multi_label" (any number of labels for each text) or
        "auto", which means multi_label with a separator, and otherwise regression if all labels
        are numbers and some are not whole.
      label_separator: what separates the labels or numbers of a text in a cell, such as ";"; not
        needed if cells are JSON lists.
      threshold: the probability above which one of several labels is predicted, or one by label
        (0.5 for the others); None determines the one for all labels with the best micro F1 on the
        evaluation data, and "each" that of each label with its best F1. task.json stores them.
      class_weights: "balanced" or a weight by label: factors of the losses in training, not in
        evaluation; "" for none. See `losses.class_weights`.
      label_smoothing: the share of the target in training that is spread evenly over all labels;
        see `losses.cross_entropy`.
      windows: what is read of texts that are longer than `seq_length`: "first", what fits into one
        row; or all windows of their tokens, whose logits are pooled by "mean" or "max".
      doc_stride: the number of tokens from the start of one window to the next; None for half of
        `seq_length`.
      max_windows: the number of windows of a text that training computes; evaluation and prediction
        compute all.
      pooling: what the head reads: "pooled", the pooled output, or "mean", the mean of the vectors
        of all tokens; "" for "mean" if the initial weights are those of an embedding with that
        pooling, and otherwise "pooled". No other library has such a model for "mean".
      early_exit: how the heads of the layers before the last are trained, by which texts leave
        early: "joint", with the model, or "after", alone, for a model that is trained already; ""
        for a model without them.
      exit_threshold: the confidence above which a text leaves, from 0 to 1; None determines it on
        the evaluation data of a run that trains. task.json stores it.
      exit_loss: the points, in hundredths, that this threshold may cost of the metric.
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
    label_separator: str = ""
    threshold: Any = problems.THRESHOLD
    class_weights: Any = ""
    label_smoothing: float = 0.0
    windows: str = FIRST
    doc_stride: int | None = None
    max_windows: int = MAX_WINDOWS
    pooling: str = ""
    early_exit: str = ""
    exit_threshold: Any = None
    exit_loss: float = LOSS
    header: list[str] = dataclasses.field(default_factory=list)
    skip_labels: list[str] = dataclasses.field(default_factory=list)
    skip_broken_rows: bool = False


def label_columns(config: ClassificationConfig) -> tuple[str, ...]:
    """Returns the columns of the label; there is one, unless each label or number has its own."""
    names = tuple([name.strip() for name in config.label.split(",") if name.strip()])
    return names if len(names) > 1 else (config.label,)


def may_have_several(config: ClassificationConfig) -> bool:
    """Returns whether the config says that a text may have several labels."""
    several = bool(config.label_separator) or len(label_columns(config)) > 1
    return config.problem == "multi_label" or (config.problem == "auto" and several)


def skipped_labels(config: ClassificationConfig) -> set[str]:
    """Returns the labels whose rows are left out."""
    labels = config.skip_labels
    if isinstance(labels, (list, tuple)):
        return set(map(str, labels))
    return {name.strip() for name in str(labels).split(",")} - {""}


def pooling_of(config: ClassificationConfig, start: TaskDescription | None) -> str:
    """Returns the pooling of the config, or else that of the task of the initial weights.

    Raises:
      InputError: it is unknown.
    """
    pooling = config.pooling
    if pooling not in ("", *POOLINGS):
        raise InputError(
            f"POOLING must be {' or '.join(POOLINGS)}. Received {pooling!r:.80}. "
            f"{closest(str(pooling)[:80], POOLINGS)}"
        )
    if pooling or start is None:
        return pooling or POOLED
    kept = start.settings.get("pooling")
    return MEAN if kept in (MEAN, [MEAN]) else POOLED
