"""Question answering with SQuAD's files, by independent scores of start and end.

The same files, windows, answers and metrics serve joint_question_answering.py, the original's model
for SQuAD 2.0.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf
import tqdm
from official.core import task_factory

from albert_tf.errors import InputError
from albert_tf.files import expand, replacing
from albert_tf.task_types import FILE, TaskDescription
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.encoded_examples import EncodedExamples
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.fine_tuning_config import FineTuningConfig, FineTuningDataConfig
from albert_tf.tasks.outputs import Outputs
from albert_tf.tasks.question_answering import data as question_data
from albert_tf.tasks.question_answering import metrics as squad_metrics
from albert_tf.tasks.question_answering import report as squad_report
from albert_tf.tasks.question_answering import span_decoding, squad
from albert_tf.tasks.question_answering.model import AlbertSpanLabeler
from albert_tf.tasks.question_answering.span_decoding import Answer, Candidates
from albert_tf.tasks.question_answering.span_windows import (
    DOC_STRIDE,
    MAX_QUERY_LENGTH,
    Window,
    WindowSettings,
)
from albert_tf.tasks.question_answering.squad import Question

_ROUNDING = 1e-3  # more than the odds differ by between devices, batches and exports


class Source(NamedTuple):
    """What an example was made from."""

    question: Question
    window: Window


@dataclasses.dataclass
class QuestionAnsweringConfig(FineTuningConfig):
    """What `QuestionAnsweringTask` needs; the defaults are the original's.

    Attributes:
      doc_stride: tokens from the begin of one window of a long context to the next.
      max_query_length: tokens of a question; its end is cut.
      n_best: answers that are kept for a question.
      max_answer_length: tokens of the longest answer.
      skip_invalid: leave out questions to train on whose answer is not where the file says, and
        name them, instead of stopping there.
      null_threshold: a question whose odds of having no answer are above it stays unanswered; None
        answers all. An evaluation of a set with unanswerable questions finds the best one, and
        task.json keeps it.
    """

    doc_stride: int = DOC_STRIDE
    max_query_length: int = MAX_QUERY_LENGTH
    n_best: int = 20
    max_answer_length: int = 30
    skip_invalid: bool = False
    null_threshold: float | None = None


@task_factory.register_task_cls(QuestionAnsweringConfig)
class QuestionAnsweringTask(FineTuningTask):
    """Answers as parts of a context, by independent scores of start and end.

    The loss is the mean cross entropy of start and end over all real positions; where a window has
    no answer, both stand at [CLS] (original squad_utils.py:v1_model_fn_builder).
    """

    MODEL = AlbertSpanLabeler
    SETTINGS = ("doc_stride", "max_query_length", "n_best", "max_answer_length", "null_threshold")
    OUTPUTS = (".json",)
    INPUT = ".json"
    COUNTS: ClassVar[tuple[str, ...]] = ("n_best", "max_answer_length")  # at least 1 each

    @classmethod
    def config_class(cls) -> type[QuestionAnsweringConfig]:
        """`QuestionAnsweringConfig`."""
        return QuestionAnsweringConfig

    # === Files ===
    def read(self, params: FineTuningDataConfig, labelled: bool = True) -> EncodedExamples:
        """Reads and tokenises files, an example for each window; see `FineTuningTask.read`."""
        config = self.task_config
        for name in self.COUNTS:
            if getattr(config, name) < 1:
                raise InputError(
                    f"{name} must be at least 1. Received {getattr(config, name)}. Set "
                    f"{name.upper()}."
                )
        settings = WindowSettings(params.seq_length, config.doc_stride, config.max_query_length)
        questions = squad.read(expand(params.input_path))
        remarks = question_data.Remarks()
        if labelled and params.is_training:
            questions = question_data.well_placed(questions, config.skip_invalid, remarks)
        elif labelled:
            _check_answered(questions)
        prepared = question_data.prepare(
            tqdm.tqdm(questions, desc="tokenize", unit=" questions", disable=None),
            self.tokenizer,
            settings,
            remarks,
            is_training=params.is_training,
        )
        sources = [Source(p.question, window) for p in prepared for window in p.windows]
        windows = [source.window for source in sources]
        print(
            f"{params.input_path}: {len(questions):,} questions in {len(windows):,} windows",
            file=sys.stderr,
        )
        if remarks.ids:
            print(remarks.report(), file=sys.stderr)
        labels = {
            name: np.array([getattr(window, name) for window in windows], np.int32)
            for name in ("start_positions", "end_positions", "impossible")
        }
        return EncodedExamples(
            [window.ids for window in windows],
            [window.context_begin for window in windows],
            labels if labelled else None,
            sources=() if params.is_training else sources,  # Answers alone need them.
        )

    def describe(self) -> TaskDescription:
        """Returns the task and how contexts are cut."""
        return TaskDescription(self.MODEL.TASKS[0], settings=self.settings())

    # === Training ===
    def losses(self, labels: Tensors, outputs: Tensors) -> tf.Tensor:
        """Returns the loss of each window; see the class."""
        # Without this the loss would depend on how far a batch is padded.
        padding = tf.equal(labels["input_mask"], 0)
        return 0.5 * tf.add_n(
            [
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    labels[f"{side}_positions"], tf.where(padding, -1e9, outputs[f"{side}_logits"])
                )
                for side in ("start", "end")
            ]
        )

    # === Answers ===
    def _answers(self, examples: EncodedExamples, outputs: Outputs) -> list[Answer]:
        """Returns an answer for each question whose windows are among the outputs."""
        if self._decoded is None or self._decoded[0] is not outputs:
            windows: dict[str, list[int]] = {}
            for row, example in enumerate(outputs.examples):
                name = examples.sources[example].question.id
                windows.setdefault(name, []).append(row)
            answers = [
                self._answer(examples, outputs, rows)
                for rows in tqdm.tqdm(
                    windows.values(), desc="decode", unit=" questions", disable=None
                )
            ]
            self._decoded = outputs, answers
        return self._decoded[1]

    _decoded: tuple[Outputs, list[Answer]] | None = None

    def _answer(self, examples: EncodedExamples, outputs: Outputs, rows: Sequence[int]) -> Answer:
        sources = [examples.sources[outputs.examples[row]] for row in rows]
        question = sources[0].question
        found = [
            self._candidates(source.window, {name: outputs[name][row] for name in outputs})
            for source, row in zip(sources, rows)
        ]
        spans = span_decoding.best_spans(
            question.context, [candidates for candidates, _ in found], self.task_config.n_best
        )
        return Answer(question, spans, self._null_odds(spans, [null for _, null in found]))

    def _candidates(
        self, window: Window, outputs: Mapping[str, np.ndarray]
    ) -> tuple[Candidates, float]:
        """Returns the candidates of a window, and how it scores that there is no answer."""
        starts, ends = outputs["start_logits"], outputs["end_logits"]
        length = self.task_config.max_answer_length
        return (
            span_decoding.logit_candidates(starts, ends, window, length),
            float(starts[0]) + float(ends[0]),
        )

    def _null_odds(self, spans: Sequence[span_decoding.Span], nulls: Sequence[float]) -> float:
        """Returns how much better no answer scores than the best one."""
        return min(nulls) - (spans[0].start_score + spans[0].end_score if spans else 0.0)

    def answers(self, examples: EncodedExamples, outputs: Outputs) -> Iterator[dict[str, Any]]:
        """Yields `id`, `answer` ("" for none), `null_odds` and `n_best` for each question."""
        for answer in self._answers(examples, outputs):
            yield {
                "id": answer.question.id,
                "answer": answer.text(self.task_config.null_threshold),
                "null_odds": answer.null_odds,
                "n_best": [span.to_dict() for span in answer.spans],
            }

    def written(self, answers: Iterable[dict[str, Any]], ending: str) -> str:
        """Returns answers as JSON Lines, or as .json: a text for each id, SQuAD's official form."""
        if ending != ".json":
            return super().written(answers, ending)
        return _json({answer["id"]: answer["answer"] for answer in answers})

    # === Evaluation ===
    @property
    def metric(self) -> str:
        """F1 over words."""
        return "f1"

    def evaluate(self, examples: EncodedExamples, outputs: Outputs) -> dict[str, float]:
        """Returns SQuAD's metrics, the best threshold applied if some questions have no answer."""
        answers = self._answers(examples, outputs)
        questions = [answer.question for answer in answers]
        texts = {answer.question.id: answer.text(None) for answer in answers}
        tuned = {}
        if not all(question.answers for question in questions):
            odds = {answer.question.id: answer.null_odds for answer in answers}
            best = squad_metrics.evaluate(questions, texts, odds)
            tuned = {name: value for name, value in best.items() if name.startswith("best_")}
            threshold = best["best_f1_thresh"]
            texts = {answer.question.id: answer.text(threshold) for answer in answers}
        metrics = squad_metrics.evaluate(questions, texts)
        return {**metrics, **tuned, "distinct_answers": float(len(set(texts.values())))}

    def details(self, examples: EncodedExamples, outputs: Outputs) -> str:
        """Returns the scores by the questions' first word."""
        return squad_report.by_first_word(self._answers(examples, outputs), self._threshold())

    def draw(self, examples: EncodedExamples, outputs: Outputs, folder: Path) -> list[Path]:
        """Writes precision_coverage.png."""
        return squad_report.draw(self._answers(examples, outputs), folder)

    def write_results(self, folder: str | Path) -> list[Path]:
        """Writes, besides metrics and plot, the best evaluation's answers in the official form.

        predictions.json has a text for each id, nbest_predictions.json the best spans, and
        null_odds.json, if some questions have no answer, the odds of that.
        """
        paths = super().write_results(folder)
        best = self.results.best
        if not self.results.best_is_new:
            return paths
        threshold = self._threshold()
        answers = self._answers(best.examples, best.outputs)
        files = {
            "predictions.json": {a.question.id: a.text(threshold) for a in answers},
            "nbest_predictions.json": {
                a.question.id: [span.to_dict() for span in a.spans] for a in answers
            },
        }
        if threshold is not None:
            files["null_odds.json"] = {a.question.id: a.null_odds for a in answers}
            kept = threshold + _margin(threshold, files["null_odds.json"].values())
            self._keep_threshold(Path(folder), kept, best.step)
        for name, values in files.items():
            paths.append(Path(folder) / name)
            with replacing(paths[-1]) as temporary:
                temporary.write_text(_json(values), encoding="utf-8")
        return paths

    def _keep_threshold(self, folder: Path, threshold: float, step: int | None) -> None:
        """Writes the threshold into task.json, and into that of the best checkpoint.

        An evaluation of another checkpoint than the best one leaves both as they are.
        """
        notes = list(folder.glob("*/info.json"))  # Model Garden's, beside the best checkpoint
        if all(json.loads(n.read_text())["best_ckpt_global_step"] == step for n in notes):
            self.task_config.null_threshold = threshold
            for path in (folder, *(note.parent for note in notes)):
                self.describe().to_json_file(path / FILE)

    def _threshold(self) -> float | None:
        return self.results.best.metrics.get("best_f1_thresh")


def _margin(threshold: float, odds: Iterable[float]) -> float:
    """Returns what to add to a tuned threshold, so that it decides these odds as before.

    It is one of the odds itself; on another device rounding may lift that question above it.
    """
    above = min((value for value in odds if value > threshold), default=math.inf)
    return min(_ROUNDING, (above - threshold) / 2)


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def _check_answered(questions: Sequence[Question]) -> None:
    """Raises `InputError` for the first question of which nothing is known."""
    for question in questions:
        if not question.answers and not question.impossible:
            raise InputError(
                "Each question of a set to score must have answers, or an empty list of them if "
                f"it is unanswerable. Received none at {question.origin}. Use `albert-tf predict` "
                "for such files."
            )
