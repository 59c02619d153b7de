"""`QuestionAnsweringTask`: question answering on SQuAD with independent start and end scores.

The original's model for SQuAD 2.0, in joint_task.py, uses the same files, windows, answers and
metrics.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import tensorflow as tf
import tqdm
from official.core import task_factory

from albert_tf.config import AlbertConfig
from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.files import replacing
from albert_tf.task_types import FILE, TaskDescription
from albert_tf.tasks import results
from albert_tf.tasks.answer_files import AnswerFile
from albert_tf.tasks.base import Tensors
from albert_tf.tasks.distillation.losses import soft_cross_entropy
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.fine_tuning_config import FineTuningConfig, FineTuningDataConfig
from albert_tf.tasks.question_answering import data as question_data
from albert_tf.tasks.question_answering import metrics as squad_metrics
from albert_tf.tasks.question_answering import span_decoding, squad
from albert_tf.tasks.question_answering.model import AlbertSpanLabeler
from albert_tf.tasks.question_answering.span_decoding import Answer, Candidates
from albert_tf.tasks.question_answering.span_windows import (
    DOC_STRIDE,
    MAX_QUERY_LENGTH,
    SpanWindowSettings,
    Window,
)
from albert_tf.tasks.question_answering.squad import Question
from albert_tf.tasks.task_files import Facts

_SLOW = 3  # Progress is shown of what takes longer than these seconds.
_ROUNDING = 1e-3  # Odds differ by less than this between devices, batches and exports.


class Source(NamedTuple):
    """The question and window that an example was made from."""

    question: Question
    window: Window


@dataclasses.dataclass
class QuestionAnsweringConfig(FineTuningConfig):
    """The config of `QuestionAnsweringTask`; the defaults are the original's.

    Attributes:
      doc_stride: the number of tokens from the start of one window of a long context to the next.
      max_query_length: the maximum number of tokens of a question; the end of a longer one is cut.
      n_best: the number of answers to keep for each question.
      max_answer_length: the maximum number of tokens of an answer.
      skip_invalid: whether to skip training questions whose answer is not at the given place, and
        report their ids, instead of stopping with an error.
      null_threshold: the null odds (for no answer) above which a question is left unanswered; None
        to answer all. If some questions of an evaluation are unanswerable, it determines the best
        threshold, which task.json stores.
    """

    doc_stride: int = DOC_STRIDE
    max_query_length: int = MAX_QUERY_LENGTH
    n_best: int = 20
    max_answer_length: int = 30
    skip_invalid: bool = False
    null_threshold: float | None = None


@task_factory.register_task_cls(QuestionAnsweringConfig)
class QuestionAnsweringTask(FineTuningTask):
    """Finds answers as spans of a context, with independent start and end scores.

    The loss is the mean cross entropy of start and end over all real positions. If a window has no
    answer, both are at [CLS] (original squad_utils.py:v1_model_fn_builder).
    """

    MODEL = AlbertSpanLabeler
    SETTINGS = ("doc_stride", "max_query_length", "n_best", "max_answer_length", "null_threshold")
    OUTPUTS = (".json",)
    INPUT = ".json"
    UNIT = "question"
    SKIPS = "skip_invalid"
    longer = "are read in several windows"
    # Fields of the config that must be at least 1.
    COUNTS: ClassVar[tuple[str, ...]] = ("n_best", "max_answer_length")

    @classmethod
    def config_class(cls) -> type[QuestionAnsweringConfig]:
        """Returns `QuestionAnsweringConfig`."""
        return QuestionAnsweringConfig

    @classmethod
    def limits(cls, config: AlbertConfig) -> dict[str, int]:
        """Leaves half of a window to the context."""
        return {"max_query_length": min(MAX_QUERY_LENGTH, config.max_position_embeddings // 2)}

    # === Files ===
    def rows(
        self, params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> list[Question]:
        """Returns questions; see `TaskFiles.rows`."""
        for name in self.COUNTS:
            if (count := getattr(self.task_config, name)) < 1:
                raise InputError(
                    f"{name} must be at least 1. Received {count}. Set {name.upper()}."
                )
        self._settings(params)
        questions = squad.read(self.paths(params), report)
        if labelled and params.is_training:
            return question_data.well_placed(questions, report)
        if labelled:
            _check_answered(questions)
        return questions

    def facts(self, row: Question) -> Facts:
        """Returns the question with its context, and whether it has an answer."""
        label = "unanswerable" if row.impossible else "answerable"
        return Facts(row.origin, ((row.text, row.context),), (label,), shared=row.context)

    def key(self, row: Question) -> tuple[Hashable, Hashable]:
        """Returns the context, so that no context is in both parts."""
        return row.context, ""

    def _settings(self, params: FineTuningDataConfig) -> SpanWindowSettings:
        config = self.task_config
        return SpanWindowSettings(params.seq_length, config.doc_stride, config.max_query_length)

    def encode(
        self,
        rows: Sequence[Question],
        params: FineTuningDataConfig,
        labelled: bool,
        report: RowReport,
    ) -> EncodedExamples:
        """Tokenises questions; each window is an example. See `TaskFiles.encode`."""
        prepared = question_data.prepare(
            tqdm.tqdm(rows, "tokenize", unit=" questions", disable=None, delay=_SLOW, leave=False),
            self.tokenizer,
            self._settings(params),
            report,
            is_training=params.is_training,
        )
        sources = [Source(p.question, window) for p in prepared for window in p.windows]
        windows = [source.window for source in sources]
        if labelled:
            print(
                f"{params.input_path}: {len(rows):,} questions in {len(windows):,} windows",
                file=sys.stderr,
            )
        labels = {
            name: np.array([getattr(window, name) for window in windows], np.int32)
            for name in ("start_positions", "end_positions", "impossible")
        }
        return EncodedExamples(
            [window.ids for window in windows],
            [window.context_begin for window in windows],
            labels if labelled else None,
            sources=() if params.is_training else sources,  # Only answers need them.
            report=report,
        )

    def describe(self) -> TaskDescription:
        """Returns the task with its settings for windows and answers."""
        return TaskDescription(self.MODEL.TASKS[0], settings=self.settings())

    # === Training ===
    def losses(self, labels: Tensors, outputs: Tensors) -> tf.Tensor:
        """Returns the loss of each window; see the class."""
        # Otherwise the loss would depend on the amount of padding.
        padding = tf.equal(labels["input_mask"], 0)
        return 0.5 * tf.add_n(
            [
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    labels[f"{side}_positions"], tf.where(padding, -1e9, outputs[f"{side}_logits"])
                )
                for side in ("start", "end")
            ]
        )

    def soft_losses(
        self, labels: Tensors, outputs: Tensors, teacher: Tensors, temperature: float
    ) -> dict[str, tf.Tensor]:
        """Returns half the sum of the divergences of starts and ends, over real positions."""
        pairs = [
            (outputs[f"{side}_logits"], teacher[f"{side}_logits"]) for side in ("start", "end")
        ]
        real = labels["input_mask"] > 0
        sides = [soft_cross_entropy(*pair, temperature, real) for pair in pairs]
        return {"logits": 0.5 * tf.add_n(sides)}

    # === Answers ===
    def _answers(self, examples: EncodedExamples, outputs: Outputs) -> list[Answer]:
        """Returns an answer for each question that has windows in the outputs."""
        if self._decoded is None or self._decoded[0] is not outputs:
            windows: dict[str, list[int]] = {}
            for row, example in enumerate(outputs.examples):
                name = examples.sources[example].question.id
                windows.setdefault(name, []).append(row)
            answers = [
                self._answer(examples, outputs, rows)
                for rows in tqdm.tqdm(
                    windows.values(),
                    "decode",
                    unit=" questions",
                    disable=None,
                    delay=_SLOW,
                    leave=False,
                )
            ]
            self._decoded = outputs, answers
        return self._decoded[1]

    _decoded: tuple[Outputs, list[Answer]] | None = None

    def _answer(self, examples: EncodedExamples, outputs: Outputs, rows: Sequence[int]) -> Answer:
        sources = [examples.sources[outputs.examples[row]] for row in rows]
        question = sources[0].question
        windows = [
            self._candidates(source.window, {name: outputs[name][row] for name in outputs})
            for source, row in zip(sources, rows)
        ]
        spans = []
        if sources[0].window.has_question:
            spans = span_decoding.best_spans(
                question.context, [candidates for candidates, _ in windows], self.task_config.n_best
            )
        return Answer(question, spans, self._null_odds(spans, [null for _, null in windows]))

    def _candidates(
        self, window: Window, outputs: Mapping[str, np.ndarray]
    ) -> tuple[Candidates, float]:
        """Returns the candidates of a window, and its score for no answer."""
        starts, ends = outputs["start_logits"], outputs["end_logits"]
        length = self.task_config.max_answer_length
        return (
            span_decoding.logit_candidates(starts, ends, window, length),
            float(starts[0]) + float(ends[0]),
        )

    def _null_odds(self, spans: Sequence[span_decoding.Span], nulls: Sequence[float]) -> float:
        """Returns the score of no answer minus the score of the best answer."""
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

    def columns(self) -> dict[str, Any]:
        """Returns the columns of answers in tables, without `n_best`."""
        return {"id": str, "answer": str, "null_odds": float}

    def answer_file(self, ending: str, keep: Sequence[str] = ()) -> AnswerFile:
        """Returns a file of answers; .json has SQuAD's official format, text by id."""
        return TextById(keep) if ending == ".json" else super().answer_file(ending, keep)

    # === Evaluation ===
    @property
    def metric(self) -> str:
        """The F1 score over words."""
        return "f1"

    def evaluate(self, examples: EncodedExamples, outputs: Outputs) -> dict[str, float]:
        """Returns SQuAD's metrics, with the best threshold if some questions have no answer."""
        return _metrics(self._answers(examples, outputs))

    def baseline(self, examples: EncodedExamples) -> dict[str, float]:
        """Returns SQuAD's metrics of leaving each question unanswered."""
        questions = {source.question.id: source.question for source in examples.sources}
        return _metrics([Answer(question, [], 0.0) for question in questions.values()])

    def details(self, examples: EncodedExamples, outputs: Outputs) -> str:
        """Returns a table of scores by the first word of the question."""
        return squad_metrics.by_first_word(self._answers(examples, outputs), self._threshold())

    def draw(self, examples: EncodedExamples, outputs: Outputs, folder: Path) -> list[Path]:
        """Writes precision_coverage.png."""
        return squad_metrics.draw(self._answers(examples, outputs), folder)

    def write_results(self, folder: str | Path) -> list[Path]:
        """Writes metrics and plot, and the best evaluation's answers in the official format.

        predictions.json has the text of the answer for each id, nbest_predictions.json the best
        spans, and null_odds.json, which is written if some questions have no answer, the null odds.
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
        """Writes the threshold to the run's task.json and to that of the best checkpoint."""
        for path in results.tuned_folders(folder, step):
            self.task_config.null_threshold = threshold
            self.describe().to_json_file(path / FILE)

    def _threshold(self) -> float | None:
        return self.results.best.metrics.get("best_f1_thresh")


class TextById(AnswerFile):
    """A JSON object of texts by id; `state` is the number of answers."""

    START = 0

    def begin(self) -> str:
        """Returns the beginning of the object."""
        return "{"

    def add(self, answers: Iterable[dict[str, Any]]) -> str:
        """Returns the next entries."""
        entries = []
        for answer in answers:
            name, text = (json.dumps(answer[key], ensure_ascii=False) for key in ("id", "answer"))
            entries.append(f"{',' if self.state else ''}\n {name}: {text}")
            self.state += 1
        return "".join(entries)

    def end(self) -> str:
        """Returns the end of the object."""
        return "\n}\n" if self.state else "}\n"


def _margin(threshold: float, odds: Iterable[float]) -> float:
    """Returns a margin to add to a tuned threshold, so that rounding cannot change a decision.

    The threshold equals the odds of a question. On another device, rounding could move these odds
    above the threshold.
    """
    above = min((value for value in odds if value > threshold), default=math.inf)
    return min(_ROUNDING, (above - threshold) / 2)


def _json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def _metrics(answers: Sequence[Answer]) -> dict[str, float]:
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


def _check_answered(questions: Sequence[Question]) -> None:
    """Raises `InputError` for the first question that has no answers and is not unanswerable."""
    for question in questions:
        if not question.answers and not question.impossible:
            raise InputError(
                "Each question for evaluation must have answers, or an empty list of answers if it "
                f"is unanswerable. Received a question without answers at {question.origin}. Use "
                "`albert-tf predict` for files without answers."
            )
