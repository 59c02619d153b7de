"""Reports on a run while it trains: a progress line and a history file."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
import tqdm

HISTORY = "history.jsonl"


class Pace:
    """Train action that replaces `tokens`, the real tokens of a loop, by `tokens_per_second`.

    The measured time includes the time between two loops, but not evaluations. For the first loop
    it also includes the compilation of the step.
    """

    def __init__(self) -> None:
        self._begin = time.perf_counter()

    def __call__(self, output: dict[str, Any]) -> None:
        """Updates `output` in place, so that later actions and TensorBoard see the value."""
        tokens, begin = output.pop("tokens", None), self._begin
        self.restart()
        if tokens is not None:
            output["tokens_per_second"] = float(tokens) / (self._begin - begin)

    def restart(self, _: Any = None) -> None:
        """Restarts the clock. As an eval action, it excludes evaluations from the time."""
        self._begin = time.perf_counter()


class Progress:
    """Train action that shows a line with step, speed, remaining time and the values of the loop.

    Args:
      global_step: the trainer's step counter.
      train_steps: the last step of the run.
    """

    # Abbreviations used in the line; other values keep their names.
    _SHORT = {
        "training_loss": "loss",
        "learning_rate": "rate",
        "gradient_norm": "norm",
        "tokens_per_second": "tokens/s",
        "padding_fraction": "padding",
    }

    def __init__(self, global_step: tf.Variable, train_steps: int) -> None:
        self._global_step = global_step
        self._bar = tqdm.tqdm(
            total=train_steps,
            initial=int(global_step.numpy()),
            unit="step",
            desc="train",
            # In a log file, print a line every 15 seconds instead of redrawing the bar.
            mininterval=0.5 if sys.stderr.isatty() else 15.0,
            dynamic_ncols=True,
        )

    def __call__(self, output: Mapping[str, Any]) -> None:
        """Shows the values of the loop that has just ended."""
        values = {self._SHORT.get(key, key): float(value) for key, value in output.items()}
        if not values.get("nonfinite_updates"):
            values.pop("nonfinite_updates", None)  # shown only if there are any
        line = {"loss": values.pop("loss", float("nan")), **values}
        self._bar.set_postfix({key: f"{value:.4g}" for key, value in line.items()}, refresh=False)
        self._bar.update(int(self._global_step.numpy()) - self._bar.n)

    def close(self) -> None:
        """Ends the progress line and keeps its last state on the screen."""
        self._bar.close()


class History:
    """Action that appends a JSON line to `model_dir`/history.jsonl for each loop or evaluation.

    A resumed run appends to the same file.

    Attributes:
      last: the newest values.

    Args:
      model_dir: folder of the run; None to keep the values only.
      global_step: the trainer's step counter.
      split: "train" or "validation"; written to every line.
    """

    def __init__(self, model_dir: str | Path | None, global_step: tf.Variable, split: str) -> None:
        self._path = None if model_dir is None else Path(model_dir) / HISTORY
        self._global_step, self._split = global_step, split
        self.last: dict[str, float] = {}

    def __call__(self, output: Mapping[str, Any]) -> None:
        """Appends the values of a train loop or an evaluation."""
        self.last = {key: float(value) for key, value in output.items()}
        if self._path is None:
            return
        line = {
            "split": self._split,
            "step": int(self._global_step.numpy()),
            "time": round(time.time(), 3),
            **self.last,
        }
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read_history(model_dir: str | Path) -> list[dict[str, Any]]:
    """Returns the lines written by `History`; for each split and step only the last one."""
    path = Path(model_dir) / HISTORY
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return list({(line["split"], line["step"]): line for line in lines}.values())
