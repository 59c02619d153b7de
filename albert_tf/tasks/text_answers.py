"""`TextAnswers`: methods of `Predictor` that take texts, to rank labels, explain and embed."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tqdm

from albert_tf.errors import InputError
from albert_tf.formats.source import Source
from albert_tf.modeling.task_model import TaskModel
from albert_tf.tasks import answer_files, batching
from albert_tf.tasks.classification.data import LabelledText
from albert_tf.tasks.classification.exits import NEVER
from albert_tf.tasks.classification.zero_shot import TEMPLATE, ZeroShotTask
from albert_tf.tasks.embedding.task import EmbeddingTask, Text
from albert_tf.tasks.explanations import STEPS, Explainer, gradients
from albert_tf.tasks.fine_tuning import FineTuningTask


class TextAnswers:
    """Answers to texts in memory; `Predictor` has the other methods and the attributes."""

    source: Source
    task: FineTuningTask
    model: TaskModel
    kept: list[str]
    settings: dict[str, Any]
    _step: Any
    _ranking: TextAnswers | None = None
    _explainer: Explainer | None = None

    def zero_shot(
        self,
        texts: Iterable[str],
        labels: Sequence[str],
        template: str = TEMPLATE,
        multi_label: bool = False,
        batch_size: int = 32,
    ) -> list[dict[str, Any]]:
        """Returns how well labels fit each text, for a model of natural language inference.

        ```python
        predictor = Predictor("runs/mnli")
        (answer,) = predictor.zero_shot(["The match ended in a draw."], ["sports", "politics"])
        ```

        Args:
          texts: the texts.
          labels: the labels, which the model need not have seen.
          template: the sentence whose "{}" is replaced by each label.
          multi_label: whether any number of labels may fit a text; otherwise exactly one does.
          batch_size: the number of pairs of a text and a label in a batch.

        Returns:
          For each text, its `label` and `probability`, and all `probabilities`, the most probable
          first; with `multi_label`, `labels` and `probabilities`. See `ZeroShotTask`.

        Raises:
          InputError: the model has other labels than those of inference, or an argument breaks a
            rule.
        """
        labels = [labels] if isinstance(labels, str) else list(labels)
        settings = {"candidates": labels, "template": template, "several": multi_label}
        task = ZeroShotTask.from_source(self.source, **settings)
        if self._ranking is None:  # Its graph serves all labels.
            self._ranking = copy.copy(self)
            self._ranking.kept, self._ranking._steps = [], {}
        self._ranking.task = task
        texts = [texts] if isinstance(texts, str) else texts
        rows = (LabelledText(f"text {number}", (text,)) for number, text in enumerate(texts, 1))
        return self._ranking._answers_to(rows, batch_size)

    def embed(self, texts: Iterable[str], batch_size: int = 32) -> np.ndarray:
        """Returns a vector for each text, float32 [N, D], for a model for embeddings.

        ```python
        predictor = Predictor(as_embedding("albert_base_v2"))
        vectors = predictor.embed(["a fine film", "a dull one"])
        ```

        Args:
          texts: the texts.
          batch_size: the number of texts in a batch.

        Raises:
          InputError: the model has another task, or there are no texts.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        if not isinstance(self.task, EmbeddingTask):
            raise InputError(
                "Vectors need a model for embeddings. Received a model for "
                f"{self.task.describe().task}. Pass the result of as_embedding(model)."
            )
        if not texts:
            raise InputError("Vectors need a text. Received no text. Pass one at least.")
        with tqdm.tqdm(texts, "embed", unit=" rows", disable=None, delay=3) as bar:
            rows = (Text(f"text {number}", text, ()) for number, text in enumerate(bar, 1))
            return np.stack([answer["embedding"] for answer in self._answers_to(rows, batch_size)])

    def explaining(self, label: str | None = None, steps: int = STEPS) -> TextAnswers:
        """Returns this predictor with an `explanation` in each answer; see `explain`."""
        if isinstance(self.task, ZeroShotTask):
            raise InputError(
                "Explanations are of the model's own labels. Received labels to rank. Leave one of "
                "the two out."
            )
        if getattr(self.task, "exit_threshold", NEVER) < NEVER:
            raise InputError(
                "Explanations are of the answers of all layers. Received a model whose texts leave "
                f"early, with the threshold {self.task.exit_threshold}. Set the threshold to 1 "
                "(--exit_threshold 1)."
            )
        explainer = Explainer(self._gradients, self.task, label, steps)
        other = copy.copy(self)
        other._explainer = explainer
        other.settings = {**self.settings, "explain": [label, steps]}
        return other

    def explain(
        self,
        texts: Iterable[str | Sequence[str]],
        label: str | None = None,
        steps: int = STEPS,
        batch_size: int = 32,
    ) -> list[dict[str, Any]]:
        """Returns answers with the words that made the model give them, by integrated gradients.

        ```python
        predictor = Predictor("runs/reviews")
        (answer,) = predictor.explain(["a fine film"])
        for word in answer["explanation"]["words"]:
            print(word["word"], word["attribution"])
        ```

        Args:
          texts: the texts, or pairs of texts.
          label: the label whose probability is explained; the most probable one by default.
          steps: the number of points of the numerical integral, which is doubled, up to 512, until
            the residual is at most 1 % of the change of the score.
          batch_size: the number of points to compute at once.

        Returns:
          For each text, its answer with an `explanation`: the `label`; its `score`, which is the
          probability or the number; the `baseline_score`, that of the same row with zeros for the
          word embeddings; `words`, each with `text` (the index of the text in a pair), `word`,
          `start` and `end` in characters, and its `attribution` to the score; and `residual`, the
          sum of the attributions minus the change of the score.

        Raises:
          InputError: the model is for another task than classification, multi_label and regression,
            the label is unknown, or a text should be a pair.
        """
        other = self.explaining(label, steps)
        count = len(self.task.text_columns)
        rows = []
        for number, text in enumerate([texts] if isinstance(texts, str) else texts, 1):
            row = (text,) if isinstance(text, str) else tuple(text)
            if len(row) != count:
                raise InputError(
                    f"A row must have the texts of the columns {list(self.task.text_columns)}. "
                    f"Received {len(row)} text(s) in row {number}. Pass {count} of them."
                )
            rows.append(LabelledText(f"text {number}", row))
        return other._answers_to(rows, batch_size)

    @functools.cached_property
    def _gradients(self) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
        return gradients(self.model, self.task)

    def _window_size(self, batch_size: int) -> int:
        """Returns the number of rows in a window, fewer if each is computed many times."""
        times = 1
        if isinstance(self.task, ZeroShotTask):
            times = len(self.task.task_config.candidates)
        elif self._explainer is not None:
            times = self._explainer.steps
        return max(1, batching.POOL * batch_size // times)

    def _answers_to(self, rows: Iterable[Any], batch_size: int) -> list[dict[str, Any]]:
        report = self.task.new_report(labelled=False)
        answers = []
        windows = answer_files.windows(rows, self._window_size(batch_size))
        for window in self._answered(windows, self.params("", batch_size)):
            answers += window.answers
            report.add_remarks(window.remarks)
        report.show()
        return answers
