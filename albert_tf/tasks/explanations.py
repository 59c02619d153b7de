"""Explains answers by integrated gradients (Sundararajan et al. 2017).

The attribution of a word is its share of the change of a score between a baseline and the text.
The baseline has the same positions and special tokens, and zeros in place of the word embeddings of
the text. On the straight path between the two, the gradients of the score with respect to the
embeddings are integrated, and multiplied by the embeddings. So the attributions of all words add up
to the change of the score, except for the error of the numerical integral, the residual.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError, closest
from albert_tf.modeling.task_model import TaskModel
from albert_tf.tasks.classification.data import LabelledText
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tokenization.offsets import TokenSpans

STEPS = 32
_MOST = 512  # Steps are doubled up to this number while the residual is too large.
# The largest residual, as a share of the change of the score; rounding alone may exceed the share
# of a tiny change.
_SHARE, _ROUNDING = 0.01, 1e-4
_IDS = tf.TensorSpec([None, None], tf.int32)
_SIGNATURE = [*[_IDS] * 4, tf.TensorSpec([None], tf.float32), tf.TensorSpec([None], tf.int32)]
# The score of each task, from logits [R, C].
_SCORES = {
    "classification": tf.nn.softmax,
    "multi_label": tf.sigmoid,
    "regression": tf.identity,
}


class Integral(NamedTuple):
    """The attributions of the tokens of a row, float64 [S], and the scores that they explain."""

    attributions: np.ndarray
    score: float
    baseline: float
    steps: int

    @property
    def residual(self) -> float:
        """The sum of the attributions minus the change of the score."""
        return float(self.attributions.sum() - (self.score - self.baseline))

    @property
    def is_exact(self) -> bool:
        """Whether the residual is small."""
        return abs(self.residual) <= max(_SHARE * abs(self.score - self.baseline), _ROUNDING)


class Explainer:
    """Computes the attributions of words.

    Args:
      gradients: the result of `gradients`.
      task: the task of the model.
      label: the output to explain; None for the most probable label of each text.
      steps: the number of points of the path at first.

    Raises:
      InputError: the label is unknown, or there are no steps or too many.
    """

    def __init__(
        self,
        gradients: Callable[..., tuple[tf.Tensor, tf.Tensor]],
        task: FineTuningTask,
        label: str | None = None,
        steps: int = STEPS,
    ) -> None:
        self.labels = task.describe().labels
        if label is not None and label not in self.labels:
            raise InputError(
                "The label to explain must be one of the model's. Received "
                f"{label!r:.80}. {closest(label, self.labels) if self.labels else 'It has none.'}"
            )
        if not 1 <= steps <= _MOST:
            raise InputError(f"steps must be in [1, {_MOST}]. Received {steps}.")
        self.label, self.steps = label, steps
        self._gradients, self._tokenizer = gradients, task.tokenizer

    def explain(
        self,
        rows: Sequence[LabelledText],
        examples: EncodedExamples,
        outputs: Outputs,
        batch_size: int,
        report: RowReport,
    ) -> Iterator[dict[str, Any]]:
        """Yields the explanation of each row; see `Predictor.explain`.

        Args:
          rows: the rows.
          examples: the same rows, tokenised.
          outputs: their logits.
          batch_size: the number of points of paths to compute at once, which bounds the memory.
          report: takes the rows that are cut, and those whose residual is large.
        """
        if examples.batch(np.arange(1))["input_word_ids"].ndim != 2:
            raise InputError(
                "Explanations need a model that reads one row of each text. Received one that "
                "reads several windows. Train with WINDOWS=first."
            )
        logits = outputs.stacked()
        targets = logits.argmax(-1)
        if self.label is not None:
            targets[:] = self.labels.index(self.label)
        integrals = self._integrals(examples, targets, batch_size)
        for row, target, integral, length, start in zip(
            rows, targets, integrals, examples.lengths, examples.second_starts
        ):
            spans = self._tokenizer.tokenize_batch_with_offsets(row.texts)
            counts = (start - 2, length - start - 1)
            if any(len(text.ids) > count for text, count in zip(spans, counts)):
                report.remark("are explained up to the maximum sequence length", row.where)
            if not integral.is_exact:
                report.remark("have a large residual", row.where)
            begins = (1, start)
            words = [
                {"text": index, **word}
                for index, (text, tokens) in enumerate(zip(row.texts, spans))
                for word in self._words(
                    text, tokens, integral.attributions[begins[index] :][: counts[index]]
                )
            ]
            yield {
                **({"label": self.labels[target]} if self.labels else {}),
                "score": integral.score,
                "baseline_score": integral.baseline,
                "residual": integral.residual,
                "steps": integral.steps,
                "texts": list(row.texts),
                "words": words,
            }

    def _words(
        self, text: str, tokens: TokenSpans, attributions: np.ndarray
    ) -> Iterator[dict[str, Any]]:
        """Yields the words of a text, each with the sum of the attributions of its tokens."""
        groups: list[list[int]] = []
        are_marks = [_is_mark(text[a:b]) for a, b in zip(tokens.starts, tokens.ends)]
        for index in range(len(attributions)):
            is_new = index and (
                self._tokenizer.word_starts[tokens.ids[index]]
                or tokens.words[index] != tokens.words[index - 1]
                or are_marks[index] != are_marks[index - 1]
            )
            last = groups[-1] if groups else []
            # A lone "▁" has no characters of its own.
            if last and (not is_new or tokens.ends[last[-1]] == tokens.starts[last[0]]):
                last.append(index)
            else:
                groups.append([index])
        for group in groups:
            start = min(tokens.starts[index] for index in group)
            end = max(tokens.ends[index] for index in group)
            attribution = float(attributions[group].sum())
            yield {"word": text[start:end], "start": start, "end": end, "attribution": attribution}

    def _integrals(
        self, examples: EncodedExamples, targets: np.ndarray, batch_size: int
    ) -> list[Integral]:
        """Returns the integral of each row, with as many steps as it needs."""
        done: dict[int, Integral] = {}
        left, steps = list(np.argsort(-examples.lengths, kind="stable")), self.steps
        while left:
            done |= self._with_steps(examples, targets, left, steps, batch_size)
            steps *= 2
            left = [row for row in left if not done[row].is_exact] if steps <= _MOST else []
        return [done[row] for row in range(len(examples))]

    def _with_steps(
        self,
        examples: EncodedExamples,
        targets: np.ndarray,
        rows: Sequence[int],
        steps: int,
        batch_size: int,
    ) -> dict[int, Integral]:
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        # The ends of the path have no weight; their scores are the baseline's and the text's.
        points = [0.0, *(0.5 * nodes + 0.5), 1.0]
        weights = np.array([0.0, *(0.5 * weights), 0.0])
        sums = {row: np.zeros(examples.lengths[row]) for row in rows}
        scores = {row: np.zeros(len(points)) for row in rows}
        work = itertools.product(rows, range(len(points)))
        while batch := list(itertools.islice(work, batch_size)):
            of_batch, points_of_batch = map(np.array, zip(*batch))
            features = examples.batch(of_batch)
            special = self._special(examples, of_batch, features["input_word_ids"].shape[1])
            found, parts = self._gradients(
                *(features[n] for n in ("input_word_ids", "input_mask", "input_type_ids")),
                special,
                np.array(points, np.float32)[points_of_batch],
                targets[of_batch].astype(np.int32),
            )
            for (row, point), score, part in zip(batch, found.numpy(), parts.numpy()):
                scores[row][point] = score
                sums[row] += weights[point] * part[: len(sums[row])]
        ends = {row: (float(scores[row][-1]), float(scores[row][0])) for row in rows}
        return {row: Integral(sums[row], *ends[row], steps) for row in rows}

    def _special(self, examples: EncodedExamples, rows: np.ndarray, width: int) -> np.ndarray:
        """Returns 1 at [CLS] and [SEP], which the baseline keeps, int32 [R, S]."""
        special = np.zeros([len(rows), width], np.int32)
        every = np.arange(len(rows))
        special[:, 0] = 1
        special[every, examples.second_starts[rows] - 1] = 1
        special[every, examples.lengths[rows] - 1] = 1
        return special


def _is_mark(text: str) -> bool:
    """Returns whether a text is punctuation or symbols only."""
    return bool(text) and all(unicodedata.category(character)[0] in "PS" for character in text)


def gradients(model: TaskModel, task: FineTuningTask) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    """Returns a graph that computes the score and what to integrate at points of paths.

    Args:
      model: the model.
      task: its task: classification, multi_label or regression.

    Returns:
      A function of the ids, the mask, the type ids and 1 at special tokens, int32 [R, S] each, of
      the point on each path, float32 [R], and of the output to explain, int32 [R]. It returns the
      score, float32 [R], and the product of gradient and change of each token, float32 [R, S].

    Raises:
      InputError: the task is another.
    """
    name = task.describe().task
    if name not in _SCORES:
        raise InputError(
            f"Explanations are for {', '.join(_SCORES)}. Received a model for {name}. Leave them "
            "out."
        )

    @tf.function(input_signature=_SIGNATURE)
    def compute(
        ids: tf.Tensor,
        mask: tf.Tensor,
        types: tf.Tensor,
        special: tf.Tensor,
        point: tf.Tensor,
        target: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        words = tf.gather(model.encoder.get_embedding_table(), ids)  # [R, S, E]
        change = words * tf.cast(1 - special, words.dtype)[..., tf.newaxis]  # [R, S, E]
        moved = words - change * (1.0 - point[:, tf.newaxis, tf.newaxis])  # [R, S, E]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(moved)
            features = {"input_word_embeddings": moved, "input_mask": mask, "input_type_ids": types}
            scores = _SCORES[name](model(features, training=False))  # [R, C]
            score = tf.gather(scores, target, axis=1, batch_dims=1)  # [R]
        return score, tf.reduce_sum(tape.gradient(score, moved) * change, -1)  # [R], [R, S]

    return compute
