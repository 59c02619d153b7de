"""`ZeroShotTask`: ranks labels that a model has not seen in training (Yin et al. 2019).

A model for natural language inference says whether a text entails a sentence. For each label, the
sentence is a template with the label in it, such as "This text is about sports.".
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from official.core import task_factory

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.formats.source import Source
from albert_tf.modeling.task_model import TaskModel
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.classification import problems
from albert_tf.tasks.classification.config import ClassificationConfig
from albert_tf.tasks.classification.data import LabelledText
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fine_tuning_config import FineTuningDataConfig
from albert_tf.tokenization.packing import special_count

TEMPLATE = "This text is about {}."
_GAP = "{}"


@dataclasses.dataclass
class ZeroShotConfig(ClassificationConfig):
    """The config of `ZeroShotTask`.

    Attributes:
      candidates: the labels to rank.
      template: the sentence whose "{}" is replaced by each label.
      several: whether any number of labels may fit a text, so that each is decided alone.
    """

    candidates: list[str] = dataclasses.field(default_factory=list)
    template: str = TEMPLATE
    several: bool = False


@task_factory.register_task_cls(ZeroShotConfig)
class ZeroShotTask(ClassificationTask):
    """Ranks the candidates by the logits of entailment that each has with a text.

    If one label fits, the probabilities are the softmax of entailment over the labels. If several
    may, each is the softmax of entailment and contradiction for its label alone, as in transformers
    (`ZeroShotClassificationPipeline`).
    """

    SETTINGS = ()  # The columns that the model was trained on are those of pairs.

    @classmethod
    def config_class(cls) -> type[ZeroShotConfig]:
        """Returns `ZeroShotConfig`."""
        return ZeroShotConfig

    @classmethod
    def from_source(cls, source: Source, **config: Any) -> ZeroShotTask:
        """Returns the task of a model for natural language inference.

        Raises:
          InputError: the model has other labels, candidates are empty or not unique, or the
            template has no place for them.
        """
        outputs = nli_outputs(source)
        task = super().from_source(source, **config)
        _check(task.task_config)
        task._entailment, task._contradiction = outputs
        return task

    @functools.cached_property
    def _candidates(self) -> problems.Problem:
        """The problem whose answers are the candidates."""
        config = self.task_config
        # A softmax over one label would be 1 for every text.
        several = config.several or len(config.candidates) == 1
        return (problems.LabelSets if several else problems.Classes)(config.candidates)

    @functools.cached_property
    def _hypotheses(self) -> list[list[int]]:
        template = self.task_config.template
        return self.tokenizer.encode_batch(
            [template.replace(_GAP, label) for label in self.task_config.candidates]
        )

    def check_length(self, params: FineTuningDataConfig) -> None:
        """Raises `InputError` also if a label leaves no room for the text."""
        super().check_length(params)
        lengths = list(map(len, self._hypotheses))
        if self._room(params) <= max(lengths):
            longest = self.task_config.candidates[lengths.index(max(lengths))]
            raise InputError(
                "A sequence must have room for a label in its template, three special tokens and "
                f"some text. Received seq_length={params.seq_length} and the label "
                f"{longest!r:.80}, which has {max(lengths)} tokens in the template. Set "
                f"--seq_length to {max(lengths) + special_count(2) + 1} or more, or shorten them."
            )

    def _room(self, params: FineTuningDataConfig) -> int:
        return params.seq_length - special_count(2)

    def encode(
        self,
        rows: Sequence[LabelledText],
        params: FineTuningDataConfig,
        labelled: bool,
        report: RowReport,
    ) -> EncodedExamples:
        """Tokenises each text with each label; only the text is cut. See `TaskFiles.encode`."""
        cls, sep = [self.tokenizer.cls_id], [self.tokenizer.sep_id]
        labels = [np.array([*sep, *ids, *sep], np.int32) for ids in self._hypotheses]
        ids, second_starts = [], []
        for text in self.tokenizer.encode_batch(row.texts[0] for row in rows):
            front = np.array([*cls, *text], np.int32)
            for label in labels:
                cut = front[: params.seq_length - len(label)]
                ids.append(np.concatenate([cut, label]))
                second_starts.append(len(cut) + 1)
        return EncodedExamples(ids, second_starts, report=report)

    def predicted(self, model: TaskModel, features: Tensors) -> Tensors:
        """Returns the logits of all layers, as scores of different labels are compared."""
        return self.kept(model(features, training=False))

    def answers(self, examples: EncodedExamples, outputs: Outputs) -> Iterator[dict[str, Any]]:
        """Yields the answers of classes or of several labels, the most probable label first."""
        logits = outputs.stacked().astype(np.float64)  # [N * labels, L]
        scores = logits[:, self._entailment]
        if isinstance(self._candidates, problems.LabelSets):
            scores = scores - logits[:, self._contradiction]
        for row in scores.reshape(-1, len(self._hypotheses)):  # [N, labels]
            yield _ranked(self._candidates.answer(row))

    def columns(self) -> dict[str, Any]:
        """Returns the columns of answers, with the candidates in the given order."""
        return self._candidates.columns()


def nli_outputs(source: Source) -> tuple[int, int]:
    """Returns the outputs of a model that mean entailment and its opposite.

    Raises:
      InputError: the labels of the model are not those of natural language inference.
    """
    task = source.task
    labels = task.labels if task is not None and task.task == "classification" else ()
    found = [
        [index for index, label in enumerate(labels) if label.strip().casefold().startswith(name)]
        for name in ("entail", "contradict")
    ]
    entailment, contradiction = found
    if len(labels) == 2 and len(entailment) == 1:
        return entailment[0], 1 - entailment[0]
    if len(labels) == 3 and len(entailment) == len(contradiction) == 1:
        return entailment[0], contradiction[0]
    has = (
        f"for {task.task} with the labels {str(list(task.labels)):.200}" if task else "without any"
    )
    raise InputError(
        "Ranking labels needs a model for natural language inference, whose labels are "
        "entailment, neutral and contradiction, or entailment and not_entailment. Received "
        f"'{source.path}', a model {has}. Fine-tune one, such as with `albert-tf train --gin_file "
        "finetune_mnli`, or name the labels in the model's task.json or config.json."
    )


def _check(config: ZeroShotConfig) -> None:
    """Raises `InputError` for the first broken rule."""
    labels = config.candidates
    if not labels or not all(isinstance(label, str) and label.strip() for label in labels):
        raise InputError(
            "The labels to rank must be names that are not empty. Received "
            f"{str(list(labels)) if labels else 'no label':.200}. Name at least one."
        )
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise InputError(
            f"The labels to rank must be unique. Received {twice!r:.80} twice. Leave one out."
        )
    if _GAP not in config.template:
        raise InputError(
            f"A template must have {_GAP} in place of the label. Received {config.template!r:.80}. "
            f"Write it as in {TEMPLATE!r}."
        )


def _ranked(answer: Mapping[str, Any]) -> dict[str, Any]:
    shares = answer["probabilities"]
    order = sorted(shares, key=shares.__getitem__, reverse=True)
    ranked = {**answer, "probabilities": {label: shares[label] for label in order}}
    if "labels" in answer:
        ranked["labels"] = sorted(answer["labels"], key=order.index)
    return ranked
