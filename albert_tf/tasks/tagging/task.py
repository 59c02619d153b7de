"""`TaggingTask`: a label for each word, such as named entities, and the entities in raw text."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from official.core import task_factory

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError, closest
from albert_tf.task_types import TaskDescription
from albert_tf.tasks import losses
from albert_tf.tasks.answer_files import AnswerFile
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.distillation.student import LABELLED
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs, Ragged
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.fine_tuning_config import FineTuningConfig, FineTuningDataConfig
from albert_tf.tasks.tagging import conll, schemes, span_annotations
from albert_tf.tasks.tagging import data as tagging
from albert_tf.tasks.tagging import metrics as tagging_metrics
from albert_tf.tasks.tagging.model import AlbertTokenClassifier
from albert_tf.tasks.tagging.sentence import Sentence
from albert_tf.tasks.tagging.span_words import Settings
from albert_tf.tasks.task_files import Facts

WORDS = ".conll"  # The extension of files that have words for every model.


@dataclasses.dataclass
class TaggingConfig(FineTuningConfig):
    """The config of `TaggingTask`.

    Attributes:
      word_column: the column of the words, counted from 0; negative numbers count from the end.
      label_column: the column of the labels, counted in the same way.
      labels: all labels in order; collected from the training data if empty.
      words: how raw text is cut into words: "unicode" or "white_space" (see `tokenization.words`).
        With None, as in earlier training, or by the training data: "unicode" if it has raw texts.
      scheme: the scheme of the labels (see `schemes`), to which those of files are converted. With
        None, that of the weights, or of the training data; IOB1 becomes IOB2.
      overlaps: what to do about spans that overlap: "error", or "longest" to keep the longest.
      offsets: what the offsets of spans count: "characters", "utf-16" or "bytes".
      class_weights: "balanced" or a weight by label: factors of the losses of words in training;
        "" for none. See `losses.class_weights`.
      label_smoothing: the share of the target in training that is spread evenly over all labels.
      skip_broken_rows: whether to leave out sentences with a word that has no label, or too few or
        too many columns, and texts with a broken span, instead of stopping with an error.
    """

    word_column: int = 0
    label_column: int = -1
    labels: list[str] = dataclasses.field(default_factory=list)
    words: str | None = None
    scheme: str | None = None
    overlaps: str = "error"
    offsets: str = "characters"
    class_weights: Any = ""
    label_smoothing: float = 0.0
    skip_broken_rows: bool = False


@task_factory.register_task_cls(TaggingConfig)
class TaggingTask(FineTuningTask):
    """Predicts a label for each word from its first token (Devlin et al. 2019, section 5.3).

    The loss is the mean cross entropy over words.
    """

    MODEL = AlbertTokenClassifier
    SETTINGS = ("word_column", "label_column", "words", "scheme")
    OUTPUTS = (".txt",)
    UNIT = "sentence"
    longer = "continue in another row"

    @classmethod
    def config_class(cls) -> type[TaggingConfig]:
        """Returns `TaggingConfig`."""
        return TaggingConfig

    # === Files ===
    def rows(
        self, params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> Iterator[Sentence]:
        """Yields sentences, which may be texts cut into words; see `TaskFiles.rows`."""
        scheme = self.describe().settings["scheme"]
        for path in self.paths(params):
            if not labelled:
                yield from self._unlabelled(path, report)
                continue
            sentences, theirs = self._labelled(path, report)
            for sentence in sentences:
                if scheme and theirs and theirs != scheme:
                    if sentence.text is None:
                        place = sentence.place(0)
                        report.remark(f"have labels in {theirs}, read as {scheme}", place)
                    labels = schemes.converted(sentence.labels, scheme)
                    sentence = dataclasses.replace(sentence, labels=labels)
                yield sentence

    def _labelled(self, path: Path, report: RowReport) -> tuple[list[Sentence], str]:
        """Returns the sentences of a file to train or evaluate on, and the scheme of its labels."""
        config = self.task_config
        if span_annotations.matches(path):
            settings = Settings(self._words, config.overlaps, config.offsets)
            return list(span_annotations.read(path, settings, True, report)), "IOB2"
        columns = config.word_column, config.label_column
        sentences = list(conll.read(path, *columns, True, report))
        return sentences, schemes.of_sentences([sentence.labels for sentence in sentences])

    def _unlabelled(self, path: Path, report: RowReport) -> Iterator[Sentence]:
        """Yields the sentences of a file to predict: words, or texts in JSON or on each line."""
        is_json = span_annotations.matches(path, labelled=False)
        is_text = is_json or not self._has_words(path)
        if self._ending != ".jsonl" and is_text != (self.reads_text and self._ending != ".txt"):
            what = "texts" if is_text else "words"
            other = " or a table" * self.reads_text if is_text else " or .txt"
            raise InputError(
                f"The answers of this model to {what} must be written as .jsonl{other}. Received "
                f"'{path}', which has {what}, and an --output that ends in '{self._ending}'. "
                "Choose another --output."
            )
        if is_json:
            return span_annotations.read(path, Settings(self._words), False, report)
        if is_text:
            return span_annotations.read_lines_of_text(path, self._words, report)
        columns = self.task_config.word_column, self.task_config.label_column
        return conll.read(path, *columns, False, report)

    def _has_words(self, path: Path) -> bool:
        return path.name.removesuffix(".gz").endswith(WORDS) or not self.reads_text

    def any_labelled(self, params: FineTuningDataConfig) -> bool:
        """Returns whether texts have spans, or words a column of labels; see `TaskFiles`."""
        of_words = [path for path in self.paths(params) if not span_annotations.matches(path)]
        if any(not self._has_words(path) or conll.width(path) < 2 for path in of_words):
            return False
        return super().any_labelled(params)

    _ending = ".jsonl"  # The extension of the answers that will be written.

    @property
    def reads_text(self) -> bool:
        """Whether files without a format are texts to cut into words, and answers have entities."""
        return self.task_config.words == "unicode"

    def facts(self, row: Sentence) -> Facts:
        """Returns the words as a text, their labels, and the types of the entities."""
        entities = tagging_metrics.entity_types(row.labels)
        return Facts(row.place(0), ((" ".join(row.words),),), row.labels, entities)

    def key(self, row: Sentence) -> tuple[Hashable, Hashable]:
        """Returns the text or the words."""
        return row.text or row.words, ""

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
        config = self.task_config
        if labelled and params.is_training and config.class_weights:
            tags = examples.labels["label"]
            words = tags.values[tags.values != tagging.NO_LABEL]
            weights = losses.class_weights(config.class_weights, labels, words)
            examples.labels["weight"] = Ragged(weights[tags.values], tags.splits)
        if params.is_training and config.label_smoothing:
            shares = losses.smoothing(config.label_smoothing, len(examples))
            examples.labels["smoothing"] = shares
        return examples

    def describe(self) -> TaskDescription:
        """Returns the task with its labels, their scheme, columns, and how text is cut."""
        if self._description is None:
            config = self.task_config
            Settings(config.words or "unicode", config.overlaps, config.offsets).check()
            if config.scheme not in (None, "", *schemes.SCHEMES):
                raise InputError(
                    f"SCHEME must be one of {', '.join(schemes.SCHEMES)}. Received "
                    f"{config.scheme!r:.80}. {closest(str(config.scheme)[:80], schemes.SCHEMES)}"
                )
            labels, scheme = self._labels()
            settings = {**self.settings(), "words": self._words, "scheme": scheme}
            self._description = TaskDescription("tagging", labels, settings)
        return self._description

    _description: TaskDescription | None = None

    def _trains_anew(self) -> bool:
        return bool(self.task_config.train_data.input_path) and not self.start.resumes

    @functools.cached_property
    def _words(self) -> str:
        """The rule that cuts raw text into words."""
        trains, saved = self._trains_anew(), self.start.task  # A resumed run fills the config.
        if self.task_config.words:
            return self.task_config.words
        if trains:
            paths = self.paths(self.task_config.train_data)
            return "unicode" if any(map(span_annotations.matches, paths)) else "white_space"
        # Models of earlier versions and of other libraries do not say it.
        return "white_space" if saved is not None and saved.settings else "unicode"

    def _labels(self) -> tuple[tuple[str, ...], str]:
        """Returns the labels of the config, the weights or the training data, and their scheme."""
        config, saved = self.task_config, self.start.task
        of_weights = saved.labels if saved and saved.task == "tagging" else ()
        scheme = config.scheme
        if config.labels:
            labels = tuple(config.labels)
            return labels, schemes.of_labels(labels) if scheme is None else scheme
        if not self._trains_anew():
            if not of_weights:
                raise InputError(
                    "Labels must come from training data or from fine-tuned weights. Received an "
                    f"empty TRAIN_DATA and weights for {saved.task if saved else 'no task'}. Set "
                    "TRAIN_DATA."
                )
            if scheme is None:  # Earlier versions learned the labels of files as they were.
                scheme = "" if saved.settings else schemes.of_labels(of_weights)
            return of_weights, scheme
        report = self.new_report(labelled=True)  # `read` makes it again.
        files = [self._labelled(path, report) for path in self.paths(config.train_data)]
        found = [tagging.labels_of(sentences) for sentences, _ in files]
        kinds = [set(schemes.table(labels).kinds) for labels in found]
        if scheme is None and set().union(*kinds) <= set(schemes.table(of_weights).kinds):
            scheme = schemes.of_labels(of_weights) or None
        if scheme is None:
            scheme = next((theirs for _, theirs in files if theirs), "")
            scheme = "IOB2" if scheme == "IOB1" else scheme
        names: set[str] = set()
        for (sentences, theirs), labels, types in zip(files, found, kinds):
            is_text = any(sentence.text is not None for sentence in sentences)
            is_changed = scheme and theirs and (is_text or theirs != scheme)
            # Which of a type's labels occur is chance then.
            names.update(schemes.all_labels(types, scheme) if is_changed else labels)
        # The order of the weights is kept, so that their head can be loaded.
        labels = of_weights if names <= set(of_weights) else tagging.in_order(names)
        return labels, scheme

    # === Training ===
    def counts(self, labels: Tensors) -> dict[str, tf.Tensor]:
        """Returns the number of words that have a label."""
        words = _is_word(labels["label"])
        words *= labels[LABELLED][:, tf.newaxis] if LABELLED in labels else 1.0
        return {"losses": tf.reduce_sum(words)}

    def soft_weights(self, labels: Tensors) -> dict[str, tf.Tensor]:
        """Returns 1 at the first token of each word, [B, S]."""
        return {"logits": _is_word(labels["label"])}

    def without_label(self, examples: EncodedExamples) -> dict[str, Any]:
        """Returns a label of each word, which only says where it is."""
        return {"label": tagging.any_labels(examples)}

    def losses(self, labels: Tensors, outputs: tf.Tensor) -> tf.Tensor:
        """Returns the loss of each word at its first token, 0 elsewhere."""
        wanted = labels["label"]
        smoothing = labels["smoothing"][:, tf.newaxis] if "smoothing" in labels else None
        of_each = losses.cross_entropy(tf.maximum(wanted, 0), outputs, smoothing)  # [B, S]
        return of_each * labels.get("weight", 1.0) * _is_word(wanted)

    # === Evaluation ===
    @property
    def metric(self) -> str:
        """F1 of entities, or the accuracy of words if the labels have no entities."""
        return "f1" if any("-" in label for label in self.describe().labels) else "accuracy"

    def evaluate(self, examples: EncodedExamples, outputs: Outputs) -> dict[str, float]:
        """Returns the metrics of entities."""
        scheme = self.describe().settings["scheme"]
        return tagging_metrics.of_tags(*self._tags(examples, outputs), scheme)

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
        """Yields the `line` where each sentence begins, its `words` and their `labels`.

        For a text, yields its `entities`, their `starts` and `ends` in characters, `labels` and
        `scores`, which are the mean probability of their words' labels.
        """
        scores = {
            int(example): 1 / np.exp(logits - logits.max(-1, keepdims=True)).sum(-1)
            for example, logits in zip(outputs.examples, outputs["logits"])
        }
        of_words = tagging.of_words(scores, examples.sources)
        predicted = self._predicted(examples, outputs)
        for (sentence, labels), probabilities in zip(predicted, of_words.values()):
            if sentence.text is None:
                words = list(sentence.words)
                yield {"line": sentence.line, "words": words, "labels": list(labels)}
                continue
            found = schemes.entities(labels)
            starts = [sentence.spans[entity.first][0] for entity in found]
            ends = [sentence.spans[entity.last - 1][1] for entity in found]
            yield {
                "line": sentence.line,
                "entities": [sentence.text[start:end] for start, end in zip(starts, ends)],
                "starts": starts,
                "ends": ends,
                "labels": [entity.kind for entity in found],
                "scores": [float(np.mean(probabilities[e.first : e.last])) for e in found],
            }

    def columns(self) -> dict[str, Any]:
        """Returns the columns of entities if files have texts, and else those of words."""
        if self.reads_text:
            places = {"start": int, "end": int}
            return {"line": int, "entity": str, **places, "label": str, "score": float}
        return {"line": int, "word": str, "label": str}

    def table_rows(self, answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yields each entity or word with its label, and the line where its sentence begins."""
        names = [name for name in self.columns() if name != "line"]
        plurals = {"entity": "entities"}
        for row in zip(*(answer[plurals.get(name, f"{name}s")] for name in names)):
            yield {"line": answer["line"], **dict(zip(names, row))}

    def answer_file(self, ending: str, keep: Sequence[str] = ()) -> AnswerFile:
        """Returns a file of answers; .txt has a word and its label on each line."""
        file = WordLines(keep) if ending == ".txt" else super().answer_file(ending, keep)
        self._ending = ending
        return file

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
