"""Runs one experiment with several seeds, as scores on small data sets vary with the seed."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from albert_tf.errors import InputError
from albert_tf.files import replacing
from albert_tf.tasks import results

FILE = "seeds.json"


def parse(text: str) -> list[int]:
    """Parses a list of seeds such as "1,2,3".

    Raises:
      InputError: an entry is not a whole number, or occurs twice.
    """
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        seeds = []
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(
            f"--seeds must be different whole numbers, such as 1,2,3. Received {text!r}."
        )
    return seeds


def run_all(
    seeds: list[int],
    folder: Path,
    run: Callable[[int, Path], None],
    metric: Callable[[Path], tuple[str, float]],
) -> dict[str, Any]:
    """Runs each seed in FOLDER/seed_N; writes and returns a summary, FOLDER/seeds.json.

    The summary is updated after each run. Seeds that are already in it are not run again.

    Args:
      seeds: the seeds, in the order in which to run them.
      folder: parent folder of all runs.
      run: called with a seed and the folder of its run.
      metric: called with the folder of a run; returns name and value of the metric of its best
        evaluation.
    """
    path = folder / FILE
    done = json.loads(path.read_text())["scores"] if path.is_file() else {}
    summary: dict[str, Any] = {}
    for seed in seeds:
        if str(seed) not in done:
            print(f"\n== seed {seed}", flush=True)
            run(seed, folder / f"seed_{seed}")
            name, done[str(seed)] = metric(folder / f"seed_{seed}")
        else:
            print(f"\n== seed {seed}: already finished")
            name, _ = metric(folder / f"seed_{seed}")
        summary = summarize(name, done)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


def summarize(metric: str, scores: Mapping[str, float]) -> dict[str, Any]:
    """Returns metric, scores by seed, their median, least and most, and the best score and run."""
    best = max(scores, key=lambda seed: results.sign(metric) * scores[seed])
    return {
        "metric": metric,
        "scores": dict(scores),
        "median": statistics.median(scores.values()),
        "least": min(scores.values()),
        "most": max(scores.values()),
        "best": scores[best],
        "best_run": f"seed_{best}",
    }


def text(summary: Mapping[str, Any]) -> str:
    """Returns a summary as lines of text."""
    lines = [f"{summary['metric']} of {len(summary['scores'])} seeds"]
    lines += [f"  seed {seed:<8}{score:>9.4f}" for seed, score in summary["scores"].items()]
    lines.append(
        f"median {summary['median']:.4f}, least {summary['least']:.4f}, best "
        f"{summary['best']:.4f} in {summary['best_run']}"
    )
    return "\n".join(lines)
