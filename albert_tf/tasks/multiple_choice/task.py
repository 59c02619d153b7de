"""Multiple choice: RACE, and tables such as SWAG's."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from official.core import task_factory

from albert_tf.data import tables
from albert_tf.errors import InputError
from albert_tf.files import expand
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.classification import metrics as classification_metrics
from albert_tf.tasks.classification.task import probabilities
from albert_tf.tasks.encoded_examples import EncodedExamples
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.fine_tuning_config import FineTuningConfig, FineTuningDataConfig
from albert_tf.tasks.multiple_choice import choice_tables, race
from albert_tf.tasks.multiple_choice import data as multiple_choice
from albert_tf.tasks.multiple_choice.data import Item
from albert_tf.tasks.multiple_choice.model import AlbertMultipleChoice
from albert_tf.tasks.outputs import Outputs

_LETTERS = "ABCDEFGH"
_SWAG = choice_tables.Columns()


@dataclasses.dataclass
class MultipleChoiceConfig(FineTuningConfig):
    """What `MultipleChoiceTask` needs.

    The data are a folder of RACE (or its .txt files), or tables with the columns named here, which
    are SWAG's.

    Attributes:
      num_choices: the most that an item may have, 8 at most.
      max_qa_length: tokens of a question with its answer; its begin is cut. 128 as in the original.
      passage: column of the context.
      question: column of what each ending begins with, or fills the gap "_" of; "" for none.
      choices: columns of the endings.
      label: column of the right ending's index, counted from 0.
    """

    num_choices: int = 4
    max_qa_length: int = 128
    passage: str = _SWAG.passage
    question: str = _SWAG.question
    choices: list[str] = dataclasses.field(default_factory=lambda: list(_SWAG.choices))
    label: str = _SWAG.label


@task_factory.register_task_cls(MultipleChoiceConfig)
class MultipleChoiceTask(FineTuningTask):
    """The right one of several answers or endings.

    The choices of an item are rows of one batch; the loss is the mean cross entropy over the scores
    of an item's choices (original race_utils.py).
    """

    MODEL = AlbertMultipleChoice
    SETTINGS = ("num_choices", "max_qa_length", "passage", "question", "choices", "label")

    @classmethod
    def config_class(cls) -> type[MultipleChoiceConfig]:
        """`MultipleChoiceConfig`."""
        return MultipleChoiceConfig

    # === Files ===
    def read(self, params: FineTuningDataConfig, labelled: bool = True) -> EncodedExamples:
        """Reads and tokenises files; see `FineTuningTask.read`."""
        config = self.task_config
        if not 2 <= config.num_choices <= len(_LETTERS):
            raise InputError(
                f"num_choices must lie in [2, {len(_LETTERS)}]. Received {config.num_choices}."
            )
        items = [item for path in _paths(params) for item in self._items(path, labelled)]
        multiple_choice.check(items, config.num_choices, labelled)
        examples, cut = multiple_choice.encode(
            items, self.tokenizer, config.num_choices, params.seq_length, config.max_qa_length
        )
        if cut:
            print(f"{len(cut)} item(s) cut to max_qa_length: {', '.join(cut)}", file=sys.stderr)
        return examples

    def _items(self, path: Path, labelled: bool) -> Iterator[Item]:
        if path.suffix == ".txt":
            yield from race.read(path)
            return
        config = self.task_config
        names = choice_tables.Columns(config.passage, config.question, config.choices, config.label)
        wanted = [*names.texts(), names.label] if labelled else names.texts()
        yield from choice_tables.items(tables.read(path, wanted), names, labelled)

    def describe(self) -> TaskDescription:
        """Returns the task, the number of choices and the columns."""
        return TaskDescription("multiple_choice", settings=self.settings())

    # === Training ===
    def losses(self, labels: Tensors, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each item; choices that it does not have take no part."""
        there = tf.sequence_mask(labels["choices"], tf.shape(outputs)[1])  # [B, C]
        scores = tf.where(there, outputs, -1e9)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels["label"], scores)  # [B]

    # === Evaluation ===
    @property
    def metric(self) -> str:
        """Accuracy over all items."""
        return "accuracy"

    def evaluate(self, examples: EncodedExamples, outputs: Outputs) -> dict[str, float]:
        """Returns the accuracy of all items and of each group, such as RACE's middle and high."""
        wanted, found = self._answered(examples, outputs)
        groups = np.array([examples.sources[index].group for index in outputs.examples])
        metrics = classification_metrics.of_classes(wanted, found)
        for group in np.unique(groups[groups != ""]):
            rows = groups == group
            scores = classification_metrics.of_classes(wanted[rows], found[rows])
            metrics[f"{group}_accuracy"] = scores["accuracy"]
        return {n: v for n, v in metrics.items() if n.endswith(("accuracy", "distinct_answers"))}

    def details(self, examples: EncodedExamples, outputs: Outputs) -> str:
        """Returns the scores of each place of the right choice, and what it was taken for."""
        wanted, found = self._answered(examples, outputs)
        return classification_metrics.confusion_table(wanted, found.argmax(-1), self._letters())

    def draw(self, examples: EncodedExamples, outputs: Outputs, folder: Path) -> list[Path]:
        """Writes confusion.png, and more for two choices."""
        wanted, found = self._answered(examples, outputs)
        return classification_metrics.draw_classes(wanted, found, self._letters(), folder)

    def answers(self, examples: EncodedExamples, outputs: Outputs) -> Iterator[dict[str, Any]]:
        """Yields `id`, `answer`, its `index`, `letter`, and the `probabilities` of all choices."""
        for index, scores in zip(outputs.examples, outputs["logits"]):
            item = examples.sources[index]
            shares = probabilities(scores[: len(item.choices)])
            best = int(shares.argmax())
            yield {
                "id": item.id,
                "answer": item.choices[best],
                "index": best,
                "letter": _LETTERS[best],
                "probabilities": shares.tolist(),
            }

    def _answered(
        self, examples: EncodedExamples, outputs: Outputs
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the right choices, int [N], and the scores of all, [N, C], absent ones lowest."""
        scores, count = outputs.stacked(), examples.labels["choices"][outputs.examples]
        there = np.arange(scores.shape[1]) < count[:, np.newaxis]  # [N, C]
        return examples.labels["label"][outputs.examples], np.where(there, scores, -np.inf)

    def _letters(self) -> str:
        return _LETTERS[: self.task_config.num_choices]


def _paths(params: FineTuningDataConfig) -> list[Path]:
    """Returns the files of a folder of RACE, or those that a pattern names."""
    path = params.input_path
    if isinstance(path, str) and Path(path).expanduser().is_dir():
        return race.files(Path(path).expanduser())
    return expand(path)
