"""`MultipleChoiceTask`: multiple choice on RACE, and on tables such as SWAG's."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from official.core import task_factory

from albert_tf.config import AlbertConfig
from albert_tf.data import tables
from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.files import folder_at
from albert_tf.task_types import TaskDescription
from albert_tf.tasks import losses
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.classification import metrics as classification_metrics
from albert_tf.tasks.classification.problems import softmax
from albert_tf.tasks.distillation.losses import soft_cross_entropy
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.fine_tuning_config import FineTuningConfig, FineTuningDataConfig
from albert_tf.tasks.multiple_choice import choice_tables, race
from albert_tf.tasks.multiple_choice import data as multiple_choice
from albert_tf.tasks.multiple_choice.data import Item
from albert_tf.tasks.multiple_choice.model import AlbertMultipleChoice
from albert_tf.tasks.task_files import Facts
from albert_tf.tokenization.packing import special_count

_LETTERS = "ABCDEFGH"
_SWAG = choice_tables.Columns()


@dataclasses.dataclass
class MultipleChoiceConfig(FineTuningConfig):
    """The config of `MultipleChoiceTask`.

    The data are a folder of RACE (or its .txt files), or tables with the columns given here, which
    default to SWAG's.

    Attributes:
      num_choices: the maximum number of choices of an item, at most 8.
      max_qa_length: the maximum number of tokens of a question with its answer; the start of a
        longer one is cut. 128 as in the original.
      passage: the column of the context.
      question: the column of the text that each ending continues, or whose gap "_" it fills; "" for
        none.
      choices: the columns of the endings.
      label: the column of the index of the correct ending, counted from 0.
      label_smoothing: the share of the target in training that is spread evenly over all choices.
      skip_broken_rows: whether to leave out items without a label or with too many or too few
        choices, instead of stopping with an error.
    """

    num_choices: int = 4
    max_qa_length: int = 128
    passage: str = _SWAG.passage
    question: str = _SWAG.question
    choices: list[str] = dataclasses.field(default_factory=lambda: list(_SWAG.choices))
    label: str = _SWAG.label
    label_smoothing: float = 0.0
    skip_broken_rows: bool = False


@task_factory.register_task_cls(MultipleChoiceConfig)
class MultipleChoiceTask(FineTuningTask):
    """Selects the correct one of several answers or endings.

    The choices of an item are rows in the same batch. The loss is the mean cross entropy over the
    scores of each item's choices (original race_utils.py).
    """

    MODEL = AlbertMultipleChoice
    UNIT = "item"
    longer = "have their passage cut"
    KEEPS_COLUMNS = True
    SETTINGS = ("num_choices", "max_qa_length", "passage", "question", "choices", "label")

    @classmethod
    def config_class(cls) -> type[MultipleChoiceConfig]:
        """Returns `MultipleChoiceConfig`."""
        return MultipleChoiceConfig

    @classmethod
    def limits(cls, config: AlbertConfig) -> dict[str, int]:
        """Leaves room for the special tokens of a row."""
        longest = config.max_position_embeddings - special_count(2)
        return {"max_qa_length": min(MultipleChoiceConfig.max_qa_length, longest)}

    # === Files ===
    def rows(
        self, params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> Iterator[Item]:
        """Yields items; see `TaskFiles.rows`."""
        count = self.task_config.num_choices
        if not 2 <= count <= len(_LETTERS):
            raise InputError(f"num_choices must be in [2, {len(_LETTERS)}]. Received {count}.")
        items = self._items(self.paths(params), labelled, report)
        yield from multiple_choice.checked(items, count, labelled, report)

    def facts(self, row: Item) -> Facts:
        """Returns the passage with each choice, and the letter of the correct one."""
        sequences = tuple((row.passage, text) for text in row.choices if text.strip())
        label = () if row.label is None else (_LETTERS[row.label],)
        return Facts(row.origin, sequences, label, shared=row.passage)

    def key(self, row: Item) -> tuple[Hashable, Hashable]:
        """Returns the passage, or the choices if there is none."""
        return row.passage or row.choices, ""

    def encode(
        self, rows: Sequence[Item], params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> EncodedExamples:
        """Tokenises items; see `TaskFiles.encode`."""
        config = self.task_config
        examples, cut = multiple_choice.encode(
            rows,
            self.tokenizer,
            config.num_choices,
            params.seq_length,
            config.max_qa_length,
            report,
        )
        for place in cut:
            report.remark("cut to max_qa_length", place)
        if not labelled:  # RACE's files may have them, for all rows or for some.
            examples.labels.pop("label", None)
        if params.is_training and config.label_smoothing:
            shares = losses.smoothing(config.label_smoothing, len(examples))
            examples.labels["smoothing"] = shares
        return examples

    def _items(self, paths: list[Path], labelled: bool, report: RowReport) -> Iterator[Item]:
        """Yields the items of RACE's files, then those of tables, whose ids are numbers."""
        config = self.task_config
        self.check_kept(paths)
        yield from race.read((path for path in paths if path.suffix == ".txt"), report)
        names = choice_tables.Columns(config.passage, config.question, config.choices, config.label)
        wanted = [*names.texts(), *([names.label] if labelled else []), *self.keep_columns]
        rows = itertools.chain.from_iterable(
            tables.read(path, wanted, report=report, to_predict=not labelled)
            for path in paths
            if path.suffix != ".txt"
        )
        rows = tables.without_repeats(rows, report, not labelled)
        yield from choice_tables.items(rows, names, labelled, report, self.keep_columns)

    def paths(self, params: FineTuningDataConfig) -> list[Path]:
        """Returns the files in a folder of RACE, or those that match a pattern."""
        folder = folder_at(params.input_path)
        return race.files(folder) if folder else super().paths(params)

    def describe(self) -> TaskDescription:
        """Returns the task with the number of choices and the columns."""
        return TaskDescription("multiple_choice", settings=self.settings())

    # === Training ===
    def losses(self, labels: Tensors, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each item; padded choices are excluded."""
        smoothing, exists = labels.get("smoothing"), labels["choices"] > 0
        return losses.cross_entropy(labels["label"], outputs, smoothing, exists)  # [B]

    def soft_losses(
        self, labels: Tensors, outputs: tf.Tensor, teacher: tf.Tensor, temperature: float
    ) -> dict[str, tf.Tensor]:
        """Returns the divergence of the softmax over the choices of each item that exist."""
        exists = labels["choices"] > 0
        return {"logits": soft_cross_entropy(outputs, teacher, temperature, exists)}

    # === Evaluation ===
    @property
    def metric(self) -> str:
        """The accuracy over all items."""
        return "accuracy"

    def evaluate(self, examples: EncodedExamples, outputs: Outputs) -> dict[str, float]:
        """Returns the accuracy of all items and of each group, such as RACE's middle and high."""
        wanted, scores = self._labels_and_scores(examples, outputs)
        groups = np.array([examples.sources[index].group for index in outputs.examples])
        metrics = classification_metrics.of_classes(wanted, scores)
        for group in np.unique(groups[groups != ""]):
            rows = groups == group
            of_group = classification_metrics.of_classes(wanted[rows], scores[rows])
            metrics[f"{group}_accuracy"] = of_group["accuracy"]
        return {n: v for n, v in metrics.items() if n.endswith(("accuracy", "distinct_answers"))}

    def baseline(self, examples: EncodedExamples) -> dict[str, float]:
        """Returns the accuracy of the place that is most often right."""
        places = np.bincount(examples.labels["label"], minlength=self.task_config.num_choices)
        outputs = Outputs.same(len(examples), logits=places.astype(np.float32))
        return self.evaluate(examples, outputs)

    def details(self, examples: EncodedExamples, outputs: Outputs) -> str:
        """Returns the scores of each letter of the correct choice, and the confusion table."""
        wanted, scores = self._labels_and_scores(examples, outputs)
        return classification_metrics.confusion_table(wanted, scores.argmax(-1), self._letters())

    def draw(self, examples: EncodedExamples, outputs: Outputs, folder: Path) -> list[Path]:
        """Writes confusion.png and, for two choices, precision_recall.png."""
        wanted, scores = self._labels_and_scores(examples, outputs)
        return classification_metrics.draw_classes(wanted, scores, self._letters(), folder)

    def answers(self, examples: EncodedExamples, outputs: Outputs) -> Iterator[dict[str, Any]]:
        """Yields `id`, `answer`, its `index` and `letter`, and `probabilities` of all choices."""
        for index, scores in zip(outputs.examples, outputs["logits"]):
            item = examples.sources[index]
            exists, choices = item.exists or [False], item.choices or ("",)
            shares = softmax(np.where(exists, scores[: len(exists)], scores.dtype.type(-1e30)))
            best = int(shares.argmax())
            yield {
                "id": item.id,
                "answer": choices[best],
                "index": best,
                "letter": _LETTERS[best],
                "probabilities": shares.tolist(),
            }

    def columns(self) -> dict[str, Any]:
        """Returns the columns of answers in tables."""
        choice = {"id": str, "answer": str, "index": int, "letter": str}
        return {**choice, "probabilities": list[float]}

    def _labels_and_scores(
        self, examples: EncodedExamples, outputs: Outputs
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the labels, int [N], and all scores, [N, C], with -inf for padded choices."""
        scores, exists = outputs.stacked(), examples.labels["choices"][outputs.examples] > 0
        return examples.labels["label"][outputs.examples], np.where(exists, scores, -np.inf)

    def _letters(self) -> str:
        return _LETTERS[: self.task_config.num_choices]
