"""Reports the counts of pretraining data: as text, with expected values, and as a plot."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from albert_tf.files import replacing
from albert_tf.pretraining.records.statistics import group, ratio

AIMS = {"[MASK]": 80, "random": 10, "kept": 10}  # Percentages of the masked tokens.


def report(counts: Mapping[str, int]) -> str:
    """Returns the counts of statistics.py, and those of a build if present, as lines of text."""
    counts = Counter(counts)
    rows = [*_text(counts), *_instances(counts), *_masks(counts)]
    lines = [f"{name:<24}{value}" for name, value in rows]
    for title, prefix in (("words per masked n-gram", "ngram/"), ("lengths", "length/")):
        bars = group(counts, prefix)
        if total := sum(bars.values()):
            lines.append(title)
            lines += [
                f"  {name:<22}{n / total:6.1%} {'#' * round(40 * n / total)}".rstrip()
                for name, n in bars.items()
            ]
    return "\n".join(lines)


def _text(counts: Counter) -> Iterator[tuple[str, str]]:
    if not counts["documents"]:
        return  # Counted from records, which do not store the number of documents.
    yield "documents", f"{counts['documents']:,}"
    for name, count in sorted(counts.items()):
        if name.startswith("dropped/") or name == "one sentence, split":
            yield "", f"{count:,} {name.replace('dropped/', 'dropped: ')}"
    yield "sentences", f"{counts['sentences']:,}"
    if counts["sentences/long"]:
        yield "", f"{counts['sentences/long']:,} too long for an instance, truncated"
    yield "tokens of text", f"{counts['text_tokens']:,}"


def _instances(counts: Counter) -> Iterator[tuple[str, str]]:
    yield "instances", f"{counts['instances']:,}"
    mean = ratio(counts, "tokens", "instances")
    yield "tokens", f"{counts['tokens']:,}, {mean:.1f} per instance"
    yield "unknown tokens", f"{ratio(counts, 'unknown', 'tokens'):.4%}"
    yield "word starts", f"{ratio(counts, 'boundaries', 'tokens'):.1%} of the tokens"
    if counts["label/0"] + counts["label/1"]:
        shares = " : ".join(
            f"{ratio(counts, f'label/{label}', 'instances'):.2%}" for label in (0, 1)
        )
        yield "label 0 : label 1", f"{shares} (expected 50 : 50)"


def _masks(counts: Counter) -> Iterator[tuple[str, str]]:
    if not counts["masked"]:
        yield "masked", "not yet, masks are drawn when the records are read"
        return
    yield "masked", f"{ratio(counts, 'masked', 'tokens'):.2%} of the tokens"
    for name, aim in AIMS.items():
        share = f"{ratio(counts, f'masked/{name}', 'masked'):.2%}"
        yield f"  {name}", share if counts["permuted"] else f"{share} (expected {aim} %)"
    if counts["permuted"]:
        yield "  permuted", f"{counts['permuted']:,}, counted as random or kept"


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
