"""The evaluations of a fine-tuning run: which was the best, and how it is told."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from albert_tf.files import existing, replacing
from albert_tf.tasks.encoded_examples import EncodedExamples
from albert_tf.tasks.outputs import Outputs

FILE = "metrics.json"


class Evaluation(NamedTuple):
    """One evaluation: its step, metrics, and the outputs they were taken on."""

    step: int | None
    metrics: dict[str, float]
    examples: EncodedExamples
    outputs: Outputs


class Results:
    """The evaluations of a run, those of earlier starts included.

    Attributes:
      metric: which metric tells the best; larger is better, but for errors and losses.
      best: the best evaluation of this start, the first one of equals; None before any.
      history: step and metrics of each evaluation, a step once.
      collapsed: how many of the last evaluations gave one answer for all examples, though labels
        differ.
    """

    def __init__(self, folder: str = "") -> None:
        self.metric = ""
        self.best: Evaluation | None = None
        self.history: list[dict[str, Any]] = []
        self.collapsed = 0
        path = Path(folder) / FILE
        if folder and path.is_file():
            values = json.loads(path.read_text(encoding="utf-8"))
            self.metric, self.collapsed = values["metric"], values["collapsed"]
            self.history = values["history"]

    def add(
        self,
        metrics: dict[str, float],
        metric: str,
        step: int | None,
        examples: EncodedExamples,
        outputs: Outputs,
    ) -> None:
        """Takes an evaluation."""
        self.metric = metric
        # A run that goes on may evaluate a step a second time.
        others = [entry for entry in self.history if step is None or entry["step"] != step]
        self.history = [*others, {"step": step, **metrics}]
        self.collapsed = self.collapsed + 1 if metrics.get("distinct_answers") == 1 else 0
        if self.best is None or self._score(metrics) > self._score(self.best.metrics):
            self.best = Evaluation(step, metrics, examples, outputs)

    @property
    def best_entry(self) -> dict[str, Any]:
        """Step and metrics of the best evaluation of all starts, the first one of equals."""
        return max(self.history, key=self._score)

    @property
    def best_is_new(self) -> bool:
        """Whether the best of all is of this start, so that its outputs are known."""
        return self.best is not None and self.best.step == self.best_entry["step"]

    def _score(self, metrics: Mapping[str, Any]) -> float:
        sign = -1.0 if self.metric.endswith(("error", "loss")) else 1.0
        return sign * metrics.get(self.metric, -sign * math.inf)


def text(results: Results, details: str) -> str:
    """Returns the best evaluation, and a warning if the model has collapsed."""
    if not results.history:
        return "no evaluation was made"
    best = dict(results.best_entry)
    step = best.pop("step")
    lines = [f"best evaluation by {results.metric}" + ("" if step is None else f", step {step:,}")]
    lines += [f"  {name:<26}{value:>9.4f}" for name, value in best.items()]
    if details:
        lines += ["", details]
    if results.collapsed:
        lines += [
            "",
            f"WARNING: collapsed: the last {results.collapsed} evaluation(s) gave one answer for "
            "all examples. Lower LEARNING_RATE, lengthen WARMUP_STEPS, or try another SEED.",
        ]
    return "\n".join(lines)


def read_best(folder: Path) -> tuple[str, float]:
    """Returns name and value of the metric of the best evaluation that `write` has kept.

    Raises:
      InputError: there is none.
    """
    path = existing(folder / FILE, "The metrics of a fine-tuning run")
    values = json.loads(path.read_text(encoding="utf-8"))
    return values["metric"], values["best"][values["metric"]]


def write(results: Results, folder: Path) -> Path:
    """Writes metrics.json: the best evaluation and the history; returns its path."""
    values: Mapping[str, Any] = {
        "metric": results.metric,
        "best": results.best_entry,
        "collapsed": results.collapsed,
        "history": results.history,
    }
    with replacing(folder / FILE) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return folder / FILE
