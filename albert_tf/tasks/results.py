"""Collects the evaluations of a fine-tuning run, and selects and reports the best one."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from albert_tf.data.row_report import RowReport
from albert_tf.files import existing, replacing
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs

FILE = "metrics.json"
# Metrics that describe the answers, and do not say how good they are.
_OF_ANSWERS = ("distinct_answers", "threshold")  # and threshold_LABEL
_BEST = "*/info.json"  # what Model Garden writes beside the best checkpoint


class Evaluation(NamedTuple):
    """One evaluation: its step, its metrics, and the outputs that they were computed on."""

    step: int | None
    metrics: dict[str, float]
    examples: EncodedExamples
    outputs: Outputs


class Results:
    """The evaluations of a run, including those of earlier sessions.

    Attributes:
      metric: the metric that selects the best evaluation. Larger is better, except for errors and
        losses.
      best: the best evaluation of this session, the first in case of a tie; None before the first.
      history: the step and the metrics of each evaluation, with one entry for each step.
      collapsed: the number of most recent evaluations in a row that gave the same answer for all
        examples although the labels differ.
      baseline: the metrics of the best answer that ignores the texts.
      references: the metrics of other answers to compare with, by name.
      data: the counts of the rows of "train" and "eval"; see `RowReport.to_dict`.
    """

    def __init__(self, folder: str = "") -> None:
        self.metric = ""
        self.best: Evaluation | None = None
        self.history: list[dict[str, Any]] = []
        self.collapsed = 0
        self.baseline: dict[str, float] = {}
        self.references: Mapping[str, dict[str, float]] = {}
        self.data: dict[str, Any] = {}
        path = Path(folder) / FILE
        if folder and path.is_file():
            values = json.loads(path.read_text(encoding="utf-8"))
            self.metric, self.collapsed = values["metric"], values["collapsed"]
            self.history = values["history"]
            self.baseline = values.get("baseline", {})
            self.references = values.get("references", {})
            self.data = values.get("data", {})

    def add_data(self, is_training: bool, report: RowReport | None) -> None:
        """Adds the counts of the rows of a data set, and prints which were left out."""
        if report is not None:
            self.data["train" if is_training else "eval"] = report.to_dict()
            report.show()

    def add(
        self,
        metrics: dict[str, float],
        metric: str,
        step: int | None,
        examples: EncodedExamples,
        outputs: Outputs,
    ) -> None:
        """Adds an evaluation."""
        self.metric = metric
        # A resumed run may evaluate the same step again.
        others = [entry for entry in self.history if step is None or entry["step"] != step]
        self.history = [*others, {"step": step, **metrics}]
        self.collapsed = self.collapsed + 1 if metrics.get("distinct_answers") == 1 else 0
        if self.best is None or self._score(metrics) > self._score(self.best.metrics):
            self.best = Evaluation(step, metrics, examples, outputs)

    @property
    def best_entry(self) -> dict[str, Any]:
        """The step and metrics of the best evaluation in all sessions, the first if tied."""
        return max(self.history, key=self._score)

    @property
    def best_is_new(self) -> bool:
        """Whether this session made the best evaluation, so that its outputs are available."""
        return self.best is not None and self.best.step == self.best_entry["step"]

    def _score(self, metrics: Mapping[str, Any]) -> float:
        factor = sign(self.metric)
        return factor * metrics.get(self.metric, -factor * math.inf)


def sign(metric: str) -> float:
    """Returns 1.0 if larger values of a metric are better; -1.0 for errors and losses."""
    return -1.0 if metric.endswith(("error", "loss")) else 1.0


def text(results: Results, details: str, rates: Sequence[str] = ()) -> str:
    """Returns the best evaluation as text, with warnings if the model has learned nothing.

    Args:
      results: the evaluations.
      details: text to append, such as a table of classes.
      rates: the learning rates to try first if the model has learned nothing.
    """
    if not results.history:
        return "no evaluation was run"
    best = dict(results.best_entry)
    step = best.pop("step")
    lines = [f"best evaluation by {results.metric}" + ("" if step is None else f", step {step:,}")]
    others = {"baseline": results.baseline, **results.references}
    others = {title: metrics for title, metrics in others.items() if metrics}
    if others:
        titles = "".join(f"{title:>10}" for title in others)
        lines.append(f"  {'metric':<26}{'model':>9}{titles}")
    for name, value in best.items():
        told = [
            f"{metrics[name]:10.4f}" if name in metrics else " " * 10 for metrics in others.values()
        ]
        told = [] if name.startswith(_OF_ANSWERS) else told
        lines.append(f"  {name:<26}{value:>9.4f}{''.join(told)}".rstrip())
    if details:
        lines += ["", details]
    baseline = results.baseline.get(results.metric, math.nan)
    remedies = ["Lower LEARNING_RATE, lengthen WARMUP_STEPS, or try another SEED."]
    if rates:
        remedies.insert(0, f"Compare rates first: --sweep LEARNING_RATE={','.join(rates)}.")
    if results.collapsed:
        lines += [
            "",
            f"WARNING: collapsed: the last {results.collapsed} evaluation(s) gave one answer for "
            f"all examples. {remedies[-1]}",
        ]
    if sign(results.metric) * (best.get(results.metric, math.nan) - baseline) <= 0:
        lines += [
            "",
            f"WARNING: nothing learned: {results.metric} is not better than that of the best "
            f"answer that ignores the texts, {baseline:.4f}. {remedies[0]}",
        ]
    return "\n".join(lines)


def read_best(folder: Path, metric: str = "") -> tuple[str, float]:
    """Returns the name and value of the metric in the best evaluation of a run.

    Args:
      folder: the folder of the run.
      metric: the metric for runs without metrics.json, which only fine-tuning writes.

    Raises:
      InputError: the run has saved no metrics.
    """
    path = folder / FILE
    if path.is_file() or not metric:
        existing(path, "The metrics of a fine-tuning run")
        values = json.loads(path.read_text(encoding="utf-8"))
        return values["metric"], values["best"][values["metric"]]
    path = existing(next(folder.glob(_BEST), folder / "info.json"), "The metrics of a run")
    return metric, json.loads(path.read_text(encoding="utf-8"))[metric]


def tuned_folders(folder: Path, step: int | None) -> list[Path]:
    """Returns the folders whose task.json a setting tuned on the evaluation of a step belongs to.

    These are the run's own and that of its best checkpoint, or none if another step is the best.
    """
    infos = list(folder.glob(_BEST))
    is_best = all(json.loads(n.read_text())["best_ckpt_global_step"] == step for n in infos)
    return [folder, *(info.parent for info in infos)] if is_best else []


def write(results: Results, folder: Path) -> Path:
    """Writes metrics.json with the best evaluation and the history, and returns its path."""
    values: Mapping[str, Any] = {
        "metric": results.metric,
        "best": results.best_entry,
        "baseline": results.baseline,
        **({"references": results.references} if results.references else {}),
        "collapsed": results.collapsed,
        "history": results.history,
        "data": results.data,
    }
    with replacing(folder / FILE) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return folder / FILE


@contextlib.contextmanager
def figure(path: Path, size: tuple[float, float] = (5.0, 4.0)) -> Iterator[Any]:
    """Yields matplotlib axes and writes them to `path`, a PNG, if the block succeeds.

    Args:
      path: the file to write.
      size: the width and height in inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=size, layout="tight")
    FigureCanvasAgg(drawn)
    yield drawn.subplots()
    with replacing(path) as temporary:
        drawn.savefig(temporary, format="png", dpi=120)
