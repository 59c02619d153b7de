"""Plots the counts of pretraining data: lengths, and masks if the records contain them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from albert_tf.files import replacing
from albert_tf.pretraining.records.statistics import group
from albert_tf.pretraining.records.statistics_report import AIMS


class Panel(NamedTuple):
    """A bar chart.

    Attributes:
      title: the title, which names the counted things.
      counts: the counts by the name of the bar.
      aims: the expected percentages by the name of the bar, drawn as lines.
    """

    title: str
    counts: dict[str, int]
    aims: dict[str, int]


def panels(counts: Mapping[str, int]) -> list[Panel]:
    """Returns the panels for the counts of statistics.py that are present."""
    kinds = {name: counts.get(f"masked/{name}", 0) for name in AIMS}
    aims = {} if counts.get("permuted") else AIMS
    every = [
        Panel("tokens per instance", group(counts, "length/"), {}),
        Panel("replacement of masked tokens", kinds, aims),
        Panel("words per masked n-gram", group(counts, "ngram/"), {}),
    ]
    return [panel for panel in every if any(panel.counts.values())]


def draw(counts: Mapping[str, int], path: str | os.PathLike) -> None:
    """Writes the panels to a PNG file, replacing an existing one.

    Args:
      counts: the counts of statistics.py.
      path: the PNG file.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    drawn = panels(counts)
    figure, axes = pyplot.subplots(
        1, len(drawn), figsize=(5.5 * len(drawn), 4), constrained_layout=True, squeeze=False
    )
    for axis, panel in zip(axes[0], drawn):
        total = sum(panel.counts.values())
        axis.bar(list(panel.counts), [100 * n / total for n in panel.counts.values()])
        for place, name in enumerate(panel.counts):
            if name in panel.aims:
                axis.hlines(panel.aims[name], place - 0.45, place + 0.45, "k", label="expected")
        if panel.aims:
            handles, labels = axis.get_legend_handles_labels()
            axis.legend(handles[:1], labels[:1])
        axis.set_title(f"{panel.title} (of {total:,})")
        axis.set_ylabel("per cent")
        axis.tick_params("x", labelrotation=30 if len(panel.counts) > 3 else 0)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    pyplot.close(figure)
