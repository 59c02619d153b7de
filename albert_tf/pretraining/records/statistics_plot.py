"""The counts of pretraining data as a picture: lengths, and masks where records carry them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from albert_tf.files import replacing
from albert_tf.pretraining.records.statistics import group
from albert_tf.pretraining.records.statistics_report import AIMS


class Panel(NamedTuple):
    """Bars side by side.

    Attributes:
      title: what is counted.
      counts: by the name of the bar.
      aims: in per cent, by the name of the bar; drawn as lines.
    """

    title: str
    counts: dict[str, int]
    aims: dict[str, int]


def panels(counts: Mapping[str, int]) -> list[Panel]:
    """Returns what there is to draw of the counts of statistics.py."""
    kinds = {name: counts.get(f"masked/{name}", 0) for name in AIMS}
    aims = {} if counts.get("permuted") else AIMS
    found = [
        Panel("tokens of an instance", group(counts, "length/"), {}),
        Panel("what stands in place of a masked token", kinds, aims),
        Panel("words masked in a run", group(counts, "ngram/"), {}),
    ]
    return [panel for panel in found if any(panel.counts.values())]


def draw(counts: Mapping[str, int], path: str | os.PathLike) -> None:
    """Writes the panels as a PNG; a file of that name is replaced.

    Args:
      counts: of statistics.py.
      path: of the file.
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
                axis.hlines(panel.aims[name], place - 0.45, place + 0.45, "k", label="aim")
        if panel.aims:
            handles, labels = axis.get_legend_handles_labels()
            axis.legend(handles[:1], labels[:1])
        axis.set_title(f"{panel.title} (of {total:,})")
        axis.set_ylabel("per cent")
        axis.tick_params("x", labelrotation=30 if len(panel.counts) > 3 else 0)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
    pyplot.close(figure)
