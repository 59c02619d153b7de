"""Draws the loss curve of a run as a PNG file."""

from __future__ import annotations

from pathlib import Path

from albert_tf import files
from albert_tf.training import progress


def draw(run: Path, path: Path) -> None:
    """Draws losses and accuracies of training (lines) and evaluation (dots) by step.

    Args:
      run: the folder of a run with its history.
      path: the PNG file; an existing one is replaced.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    history = progress.read_history(run)
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4), constrained_layout=True)
    for axis, kind in zip(axes, ("loss", "accuracy")):
        for head, color in (("mlm", "tab:blue"), ("sop", "tab:orange")):
            name = f"{head}_{kind}"
            for split, style in (("train", "-"), ("validation", "o")):
                lines = [line for line in history if line["split"] == split and name in line]
                steps, values = [ln["step"] for ln in lines], [ln[name] for ln in lines]
                axis.plot(steps, values, style, color=color, label=f"{name}, {split}")
        axis.set_xlabel("step")
        axis.set_title(kind)
        axis.grid(alpha=0.3)
        axis.legend()
    with files.replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    pyplot.close(figure)
