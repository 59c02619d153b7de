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


class Progress:
    """Train action: a line with step, rate, losses and time left.

    Args:
      global_step: the trainer's counter.
      train_steps: where the run ends.
    """

    _SHORT = ("training_loss", "mlm_accuracy", "sop_accuracy")

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
        shown = {key: f"{float(output[key]):.3f}" for key in self._SHORT if key in output}
        self._bar.set_postfix(shown, refresh=False)
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
