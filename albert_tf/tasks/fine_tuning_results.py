"""The evaluations of a fine-tuning run: which was the best, and how it is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from albert_tf.data.encoded_examples import EncodedExamples
from albert_tf.files import existing, replacing
from albert_tf.tasks.outputs import Outputs

FILE = "metrics.json"


class Evaluation(NamedTuple):
    """One evaluation: its step, metrics, and the outputs they were taken on."""

    step: int | None
    metrics: dict[str, float]
    examples: EncodedExamples
    outputs: Outputs


class Results:
    """The evaluations of a run.

    Attributes:
      metric: which metric tells the best; larger is better.
      best: the best evaluation, the first one of equals; None before any.
      history: step and metrics of each.
      collapsed: how many of the last evaluations gave one answer for all examples, though labels
        differ.
    """

    def __init__(self) -> None:
        self.metric = ""
        self.best: Evaluation | None = None
        self.history: list[dict[str, Any]] = []
        self.collapsed = 0

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
        self.history.append({"step": step, **metrics})
        self.collapsed = self.collapsed + 1 if metrics.get("distinct_answers") == 1 else 0
        if self.best is None or metrics[metric] > self.best.metrics[metric]:
            self.best = Evaluation(step, metrics, examples, outputs)


def text(results: Results, details: str) -> str:
    """Returns the best evaluation, and a warning if the model has collapsed."""
    if results.best is None:
        return "no evaluation was made"
    at = "" if results.best.step is None else f", step {results.best.step:,}"
    lines = [f"best evaluation by {results.metric}{at}"]
    lines += [f"  {name:<26}{value:>9.4f}" for name, value in results.best.metrics.items()]
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
        "best": {"step": results.best.step, **results.best.metrics},
        "collapsed": results.collapsed,
        "history": results.history,
    }
    with replacing(folder / FILE) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
    return folder / FILE
