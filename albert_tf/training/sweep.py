"""Runs one experiment with several values of its macros, or several seeds, and compares scores."""

from __future__ import annotations

import itertools
import json
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from albert_tf.errors import InputError
from albert_tf.files import replacing
from albert_tf.tasks import results

FILE = "sweep.json"
SEEDS_FILE = "seeds.json"
PLOT = "sweep.png"

# A comma that is not inside of brackets or quotes separates two values.
_VALUE = re.compile(r"""(?:[^,\[({'"]|'[^']*'|"[^"]*"|\[[^\]]*\]|\([^)]*\)|\{[^}]*\})+""")


class Score(NamedTuple):
    """The result of one setting: of one run, or of runs with several seeds.

    Attributes:
      metric: the name of the metric.
      value: the value of the best evaluation, or the median over the seeds.
      least: the smallest value of the seeds.
      most: the largest value of the seeds.
      best_run: the path of the best run below the folder of the setting; "" for the folder itself.
    """

    metric: str
    value: float
    least: float
    most: float
    best_run: str = ""


def parse(texts: Sequence[str]) -> list[dict[str, str]]:
    """Returns all combinations of values of macros.

    Args:
      texts: "MACRO=VALUE,VALUE,..." for each macro.

    Raises:
      InputError: a text has another form, names a macro again, or has a value twice.
    """
    grid: dict[str, list[str]] = {}
    for text in texts:
        name, _, listed = text.partition("=")
        values = [value.strip() for value in _VALUE.findall(listed)]
        if not name or not values or len(set(values)) < len(values) or name in grid:
            raise InputError(
                "--sweep must be MACRO=VALUE,VALUE,... with different values, once for each macro. "
                f"Received {text!r:.200}. Write such as --sweep LEARNING_RATE=1e-4,3e-4,1e-3."
            )
        grid[name] = values
    settings = [dict(zip(grid, values)) for values in itertools.product(*grid.values())]
    if len({folder_name(setting) for setting in settings}) < len(settings):
        raise InputError(
            "Values of --sweep must differ in letters or digits, as they name the folders of the "
            f"runs. Received {' '.join(texts):.200}. Run such values one by one."
        )
    return settings


def folder_name(setting: Mapping[str, str]) -> str:
    """Returns the name of the folder of a setting, such as LEARNING_RATE_3e-4."""
    text = "_".join(f"{name}_{value}" for name, value in setting.items())
    return re.sub(r"[^\w.+-]+", "_", text)[:200]


def run_all(
    settings: Sequence[Mapping[str, str]],
    folder: Path,
    run: Callable[[Mapping[str, str], Path], Score],
) -> dict[str, Any]:
    """Runs each setting in a folder of its own; writes and returns a summary, FOLDER/sweep.json.

    The summary and its plot, sweep.png, are updated after each setting. Settings that are already
    in it are not run again. A setting whose training fails, such as by a rate that is too high, is
    reported, and the others go on.

    Args:
      settings: values of macros as they would be typed.
      folder: the folder for all runs.
      run: called with a setting and the folder for it; trains and returns the score.
    """
    path = folder / FILE
    done = {}
    if path.is_file():
        runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
        done = {run["folder"]: run for run in runs}
    summary: dict[str, Any] = {}
    for number, setting in enumerate(settings, start=1):
        name = folder_name(setting)
        if name in done:
            print(f"\n== {name} ({number} of {len(settings)}): already finished")
        else:
            print(f"\n== {name} ({number} of {len(settings)})", flush=True)
            done[name] = {"settings": dict(setting), "folder": name}
            done[name] |= _result(run, setting, folder / name)
        summary = summarize(list(done.values()))
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        draw(summary, folder / PLOT)
    return summary


def _result(
    run: Callable[[Mapping[str, str], Path], Score], setting: Mapping[str, str], folder: Path
) -> dict[str, Any]:
    try:
        return run(setting, folder)._asdict()
    except InputError as error:
        if not folder.exists():  # Nothing has run: the error is about all settings.
            raise
        print(f"failed: {error}")
        return {"error": str(error)}


def summarize(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the metric, all runs, the settings and the folder of the best, and a remark.

    Everything but the runs is None if all of them failed.
    """
    scored = [run for run in runs if "value" in run]
    if not scored:
        return dict.fromkeys(("metric", "best", "best_run", "remark")) | {"runs": list(runs)}
    metric = scored[0]["metric"]
    best = max(scored, key=lambda run: results.sign(metric) * run["value"])
    return {
        "metric": metric,
        "best": best["settings"],
        "best_run": str(Path(best["folder"], best["best_run"])),
        "remark": _remark(best["settings"], runs),
        "runs": list(runs),
    }


def _remark(best: Mapping[str, str], runs: Sequence[Mapping[str, Any]]) -> str:
    """Returns which values are at an end of the range that was tried; "" if none is."""
    remarks = []
    for name, value in best.items():
        values = sorted(_numbers([run["settings"][name] for run in runs]))
        if len(values) > 2 and float(value) in (values[0], values[-1]):
            end, beyond = ("least", "lower") if float(value) == values[0] else ("largest", "higher")
            remarks.append(f"{name}={value} is the {end} that was tried: try {beyond} ones too.")
    return " ".join(remarks)


def _numbers(values: Sequence[str]) -> list[float]:
    """Returns the distinct values as numbers; none if one of them is text."""
    try:
        return list(dict.fromkeys(map(float, values)))
    except ValueError:
        return []


def text(summary: Mapping[str, Any], folder: Path) -> str:
    """Returns a summary as a table, the best setting and its folder."""
    names = list(summary["runs"][0]["settings"])
    rows = [[*names, *("score", "least", "most")]]
    for run in summary["runs"]:
        scores = [f"{run[key]:.4f}" for key in ("value", "least", "most") if key in run]
        rows.append([*run["settings"].values(), *(scores or ["failed", "", ""])])
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [f"{summary['metric'] or 'no score'} of {len(summary['runs'])} settings"]
    lines += ["  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths)) for row in rows]
    if summary["best"] is None:
        return "\n".join([*lines, "all settings failed; the errors are above"])
    best = ", ".join(f"{name}={value}" for name, value in summary["best"].items())
    lines.append(f"best: {best}, in {folder / summary['best_run']}")
    return "\n".join([*lines, summary["remark"]]).rstrip()


def draw(summary: Mapping[str, Any], path: Path) -> None:
    """Plots the scores over the values of the first macro, with a line for each other setting."""
    lines: dict[str, list[Mapping[str, Any]]] = {}
    scored = [run for run in summary["runs"] if "value" in run]
    for run in scored:
        (first, _), *others = run["settings"].items()
        label = ", ".join(f"{name}={value}" for name, value in others)
        lines.setdefault(label, []).append(run)
    if not scored:
        return
    values = [run["settings"][first] for run in scored]
    numbers = _numbers(values)
    with results.figure(path, (6.0, 4.0)) as axes:
        for label, runs in lines.items():
            x = [run["settings"][first] for run in runs]
            if numbers:
                x = [float(value) for value in x]
                runs = [run for _, run in sorted(zip(x, runs), key=lambda pair: pair[0])]
            y = [run["value"] for run in runs]
            spread = [[run["value"] - run["least"], run["most"] - run["value"]] for run in runs]
            axes.errorbar(
                sorted(x) if numbers else x,
                y,
                yerr=list(zip(*spread)),
                marker="o",
                capsize=3,
                label=label,
            )
        if numbers and min(numbers) > 0 and max(numbers) >= 4 * min(numbers):
            axes.set_xscale("log")
        axes.set(xlabel=first, ylabel=summary["metric"])
        if len(lines) > 1:
            axes.legend(fontsize="small")


# === Seeds ===
def parse_seeds(text: str) -> list[int]:
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


def run_seeds(
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
    path = folder / SEEDS_FILE
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
        summary = summarize_seeds(name, done)
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return summary


def summarize_seeds(metric: str, scores: Mapping[str, float]) -> dict[str, Any]:
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


def seeds_text(summary: Mapping[str, Any]) -> str:
    """Returns a summary as lines of text."""
    lines = [f"{summary['metric']} of {len(summary['scores'])} seeds"]
    lines += [f"  seed {seed:<8}{score:>9.4f}" for seed, score in summary["scores"].items()]
    lines.append(
        f"median {summary['median']:.4f}, least {summary['least']:.4f}, best "
        f"{summary['best']:.4f} in {summary['best_run']}"
    )
    return "\n".join(lines)
