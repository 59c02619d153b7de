"""What a run shows and keeps while it goes on: a progress line and a history file."""

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
    """Train action: puts `tokens_per_second`, padding left out, in place of the loop's `tokens`.

    The time between two loops counts, evaluation left out; that of the first loop holds the
    compilation of the step.
    """

    def __init__(self) -> None:
        self._begin = time.perf_counter()

    def __call__(self, output: dict[str, Any]) -> None:
        """Changes the output itself, so that later actions and TensorBoard have the value."""
        tokens, begin = output.pop("tokens", None), self._begin
        self.restart()
        if tokens is not None:
            output["tokens_per_second"] = float(tokens) / (self._begin - begin)

    def restart(self, _: Any = None) -> None:
        """Counts from now on; an eval action."""
        self._begin = time.perf_counter()


class Progress:
    """Train action: a line with step, speed, time left and the values of the loop.

    Args:
      global_step: the trainer's counter.
      train_steps: where the run ends.
    """

    # Shorter names for the line; other values go by their own.
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
            # A log file gets a line now and then instead of a bar that redraws itself.
            mininterval=0.5 if sys.stderr.isatty() else 15.0,
            dynamic_ncols=True,
        )

    def __call__(self, output: Mapping[str, Any]) -> None:
        """Shows the values of the loop that has just ended."""
        values = {self._SHORT.get(key, key): float(value) for key, value in output.items()}
        if not values.get("nonfinite_updates"):
            values.pop("nonfinite_updates", None)  # worth a place only where there are some
        line = {"loss": values.pop("loss", float("nan")), **values}
        self._bar.set_postfix({key: f"{value:.4g}" for key, value in line.items()}, refresh=False)
        self._bar.update(int(self._global_step.numpy()) - self._bar.n)

    def close(self) -> None:
        """Leaves the last line standing."""
        self._bar.close()


class History:
    """Action: one JSON line for each train loop or evaluation, in `model_dir`/history.jsonl.

    A resumed run goes on in the same file. `last` holds the newest values.

    Args:
      model_dir: the run's folder.
      global_step: the trainer's counter.
      split: "train" or "validation", written into every line.
    """

    def __init__(self, model_dir: str | Path, global_step: tf.Variable, split: str) -> None:
        self._path = Path(model_dir) / HISTORY
        self._global_step, self._split = global_step, split
        self.last: dict[str, float] = {}

    def __call__(self, output: Mapping[str, Any]) -> None:
        """Appends the values of a loop."""
        self.last = {key: float(value) for key, value in output.items()}
        line = {
            "split": self._split,
            "step": int(self._global_step.numpy()),
            "time": round(time.time(), 3),
            **self.last,
        }
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read_history(model_dir: str | Path) -> list[dict[str, Any]]:
    """Returns the lines that `History` wrote, the last one of each split and step."""
    path = Path(model_dir) / HISTORY
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return list({(line["split"], line["step"]): line for line in lines}.values())
