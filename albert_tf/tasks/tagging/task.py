"""`TaggingTask`: a label for each word, such as named entities in CoNLL 2003."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from official.core import task_factory

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.answer_files import AnswerFile
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.fine_tuning_config import FineTuningConfig, FineTuningDataConfig
from albert_tf.tasks.tagging import conll
from albert_tf.tasks.tagging import data as tagging
from albert_tf.tasks.tagging import metrics as tagging_metrics
from albert_tf.tasks.tagging.conll import Sentence
from albert_tf.tasks.tagging.model import AlbertTokenClassifier
from albert_tf.tasks.task_files import Facts


@dataclasses.dataclass
class TaggingConfig(FineTuningConfig):
    """The config of `TaggingTask`.

    Attributes:
      word_column: the column of the words, counted from 0; negative numbers count from the end.
      label_column: the column of the labels, counted in the same way.
      labels: all labels in order; collected from the training data if empty.
      skip_broken_rows: whether to leave out sentences with a word that has no label, or too few or
        too many columns, instead of stopping with an error.
    """

    word_column: int = 0
    label_column: int = -1
    labels: list[str] = dataclasses.field(default_factory=list)
    skip_broken_rows: bool = False


@task_factory.register_task_cls(TaggingConfig)
class TaggingTask(FineTuningTask):
    """Predicts a label for each word from its first token (Devlin et al. 2019, section 5.3).

    The loss is the mean cross entropy over words.
    """

    MODEL = AlbertTokenClassifier
    SETTINGS = ("word_column", "label_column")
    OUTPUTS = (".txt",)
    UNIT = "sentence"
    LONGER = "continue in another row"

    @classmethod
    def config_class(cls) -> type[TaggingConfig]:
        """Returns `TaggingConfig`."""
        return TaggingConfig

    # === Files ===
    def rows(
        self, params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> Iterator[Sentence]:
        """Yields sentences; see `TaskFiles.rows`."""
        columns = self.task_config.word_column, self.task_config.label_column
        for path in self.paths(params):
            yield from conll.read(path, *columns, labelled, report)

    def facts(self, row: Sentence) -> Facts:
        """Returns the words as a text, their labels, and the types of the entities."""
        entities = tagging_metrics.entity_types(row.labels)
        return Facts(row.place(0), ((" ".join(row.words),),), row.labels, entities)

    def key(self, row: Sentence) -> tuple[Hashable, Hashable]:
        """Returns the words."""
        return row.words, ""

    def encode(
        self,
        rows: Sequence[Sentence],
        params: FineTuningDataConfig,
        labelled: bool,
        report: RowReport,
    ) -> EncodedExamples:
        """Tokenises sentences; see `TaskFiles.encode`."""
        labels = self.describe().labels
        examples, cut = tagging.encode(rows, self.tokenizer, labels, params.seq_length, report)
        for word in cut:
            report.remark("have a word cut to seq_length", word)
        return examples

    def describe(self) -> TaskDescription:
        """Returns the task with its labels and columns."""
        if self._description is None:
            self._description = TaskDescription("tagging", self._labels(), self.settings())
        return self._description

    _description: TaskDescription | None = None

    def _labels(self) -> tuple[str, ...]:
        """Returns the labels of the config, the weights or the training data."""
        config, saved = self.task_config, self.start.task
        if config.labels:
            return tuple(config.labels)
        of_weights = saved.labels if saved and saved.task == "tagging" else ()
        if self.start.resumes or not config.train_data.input_path:
            if not of_weights:
                raise InputError(
                    "Labels must come from training data or from fine-tuned weights. Received an "
                    f"empty TRAIN_DATA and weights for {saved.task if saved else 'no task'}. Set "
                    "TRAIN_DATA."
                )
            return of_weights
        report = self.new_report(labelled=True)  # `read` makes it again.
        labels = tagging.labels_of(self.rows(config.train_data, True, report))
        # The order of the weights is kept, so that their head can be loaded.
        return of_weights if set(labels) <= set(of_weights) else labels

    # === Training ===
    def counts(self, labels: Tensors) -> dict[str, tf.Tensor]:
        """Returns the number of words."""
        return {"losses": tf.reduce_sum(_is_word(labels["label"]))}

    def losses(self, labels: Tensors, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each word at its first token, 0 elsewhere."""
        wanted = labels["label"]
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(wanted, 0), outputs)
        return losses * _is_word(wanted)  # [B, S]

    # === Evaluation ===
    @property
    def metric(self) -> str:
        """F1 of entities, or the accuracy of words if the labels have no entities."""
        return "f1" if any("-" in label for label in self.describe().labels) else "accuracy"

    def evaluate(self, examples: EncodedExamples, outputs: Outputs) -> dict[str, float]:
        """Returns the metrics of entities."""
        return tagging_metrics.of_tags(*self._tags(examples, outputs))

    def baseline(self, examples: EncodedExamples) -> dict[str, float]:
        """Returns the metrics of the most frequent label for every word."""
        labels = self.describe().labels
        wanted = examples.labels["label"].values
        counts = np.bincount(wanted[wanted != tagging.NO_LABEL], minlength=len(labels))
        shape = (int(examples.lengths.max()), len(labels))  # [S, labels], without a copy
        outputs = Outputs.same(len(examples), logits=np.broadcast_to(counts, shape))
        return self.evaluate(examples, outputs)

    def details(self, examples: EncodedExamples, outputs: Outputs) -> str:
        """Returns a table with the scores of each entity type."""
        return tagging_metrics.table(*self._tags(examples, outputs))

    def draw(self, examples: EncodedExamples, outputs: Outputs, folder: Path) -> list[Path]:
        """Writes confusion.png, the confusion matrix of words."""
        tags = self._tags(examples, outputs)
        return tagging_metrics.draw(*tags, self.describe().labels, folder)

    def answers(self, examples: EncodedExamples, outputs: Outputs) -> Iterator[dict[str, Any]]:
        """Yields the `line` where each sentence begins, its `words` and their `labels`."""
        for sentence, labels in self._predicted(examples, outputs):
            words = list(sentence.words)
            yield {"line": sentence.line, "words": words, "labels": list(labels)}

    def columns(self) -> dict[str, Any]:
        """Returns the columns of words."""
        return {"line": int, "word": str, "label": str}

    def table_rows(self, answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yields each word with its label, and the line where its sentence begins."""
        for word, label in zip(answer["words"], answer["labels"]):
            yield {"line": answer["line"], "word": word, "label": label}

    def answer_file(self, ending: str, keep: Sequence[str] = ()) -> AnswerFile:
        """Returns a file of answers; .txt has a word and its label on each line."""
        return WordLines(keep) if ending == ".txt" else super().answer_file(ending, keep)

    def _tags(
        self, examples: EncodedExamples, outputs: Outputs
    ) -> tuple[list[list[str]], list[list[str]]]:
        """Returns the correct labels and the predicted labels of each sentence."""
        pairs = [(list(s.labels), labels) for s, labels in self._predicted(examples, outputs)]
        return [correct for correct, _ in pairs], [predicted for _, predicted in pairs]

    def _predicted(
        self, examples: EncodedExamples, outputs: Outputs
    ) -> Iterator[tuple[Sentence, list[str]]]:
        """Yields each sentence with the labels that the model predicts for its words."""
        labels = np.array(self.describe().labels, object)
        rows = {
            int(example): labels[logits.argmax(-1)]
            for example, logits in zip(outputs.examples, outputs["logits"])
        }
        sentences = {source.index: source.sentence for source in examples.sources}
        for index, predicted in tagging.of_words(rows, examples.sources).items():
            yield sentences[index], predicted


class WordLines(AnswerFile):
    """A word and its label on each line; the words of one file keep the numbers of their lines.

    `state` is the number of lines, the line before the file, and the line of its last sentence.
    """

    START = (0, 0, 0)

    def add(self, answers: Iterable[dict[str, Any]]) -> str:
        """Returns the lines of the next sentences."""
        count, begin, last = self.state
        lines: list[str] = []
        for answer in answers:
            if answer["line"] <= last:  # The first sentence of another file.
                begin = count + 1
            last = answer["line"]
            blank = max(begin + last - 1 - count, 1 if count else 0)
            lines += [""] * blank
            lines += map("{}\t{}".format, answer["words"], answer["labels"])
            count += blank + len(answer["words"])
        self.state = count, begin, last
        return "".join(f"{line}\n" for line in lines)


def _is_word(labels: tf.Tensor) -> tf.Tensor:
    return tf.cast(labels != tagging.NO_LABEL, tf.float32)
