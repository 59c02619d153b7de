"""Writes the results of `benchmarks.inference` as text, as a page of the site and as a chart."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import traffic
from benchmarks.roofline import PRODUCTS
from benchmarks.systems import OURS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "inference.json"
# The page holds tables only; docs/performance.md explains them.
PAGE = ROOT / "docs" / "performance_tables.md"
CHART = PAGE.with_name("performance.png")


def tables(results: Mapping[str, Any]) -> str:
    """Returns Markdown tables for each shape, for cost and for loading, after the test system."""
    host = results["machine"]
    libraries = ", ".join(f"{name} {version}" for name, version in host["libraries"].items())
    parts = [
        f"{results['model']}, float32 except for systems named int8, {host['processor']}, "
        f"{host['cores']} cores, "
        f"{host['memory_gib']} GiB, Python {host['python']}; {libraries}."
    ]
    shapes = {name: shape for name, shape in results["shapes"].items() if name in traffic.SHAPES}
    parts += [_shape_table(name, shape) for name, shape in shapes.items()]
    parts.append(_cost_table(results["shapes"]))
    if results["loading"]:
        parts.append(_loading_table(results["loading"]))
    return "\n\n".join(parts)


def write(results: Mapping[str, Any]) -> Path:
    """Writes the tables and the chart, and returns the path of the page."""
    put("benchmarks.inference", f"![Real tokens a second]({CHART.name})\n\n{tables(results)}")
    _draw(results)
    return PAGE


def put(module: str, text: str) -> None:
    """Replaces the text between the two marks of a module on the page."""
    begin, end = f"<!-- {module} -->", f"<!-- end of {module} -->"
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.split(begin)[0], page.split(end)[1]
    PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


def limit(shape: Mapping[str, Any]) -> list[float] | None:
    """Returns the seconds of only the matrix products in each round; None if not measured."""
    measured = [shape["seconds"][name] for name in PRODUCTS if name in shape["seconds"]]
    return [min(values) for values in zip(*measured)] if measured else None


def _shape_table(name: str, shape: Mapping[str, Any]) -> str:
    seconds, products = shape["seconds"], limit(shape)
    share = shape["tokens"] / shape["positions"]
    rate = ""
    if products:
        best = shape["operations"] / statistics.median(products) / 1e9
        rate = f"; matrix products alone {best:.0f} GFLOP/s"
    lines = [
        f"### {name}",
        "",
        f"{shape['tokens']} real tokens of {shape['positions']} positions "
        f"({share:.0%}){rate}; {len(seconds[OURS])} rounds, {shape['measured']}.",
        "",
        f"| system | ms per call | real tokens/s | time / {OURS} | of the limit | difference |",
        "|---|---|---|---|---|---|",
    ]
    for system, values in sorted(seconds.items(), key=lambda item: statistics.median(item[1])):
        if system in PRODUCTS:
            continue
        median, least, most = ratio(values, seconds[OURS])
        used = f"{ratio(products, values)[0]:.0%}" if products else ""
        difference = shape["differences"].get(system)
        lines.append(
            f"| {system} | {1000 * statistics.median(values):.1f} "
            f"| {shape['tokens'] / statistics.median(values):.0f} "
            f"| {median:.2f} ({least:.2f} to {most:.2f}) | {used} "
            f"| {'' if difference is None else f'{difference:.0e}'} |"
        )
    return "\n".join(lines)


def _cost_table(shapes: Mapping[str, Any]) -> str:
    lines = [
        f"### Cost of {OURS} by real tokens",
        "",
        "If time grew in proportion to real tokens, the last column would be constant.",
        "",
        "| batch | real tokens | ms per call | microseconds per real token |",
        "|---|---|---|---|",
    ]
    for name, shape in sorted(shapes.items(), key=lambda item: item[1]["tokens"]):
        seconds = statistics.median(shape["seconds"][OURS])
        cost = 1e6 * seconds / shape["tokens"]
        lines.append(f"| {name} | {shape['tokens']} | {1000 * seconds:.1f} | {cost:.0f} |")
    return "\n".join(lines)


def _loading_table(loading: Mapping[str, Mapping[str, float]]) -> str:
    lines = [
        "### Loading and the first call",
        "",
        "Loading includes the import of the libraries.",
        "",
        "| system | load, s | first call, s |",
        "|---|---|---|",
    ]
    for system, row in loading.items():
        lines.append(f"| {system} | {row['load']:.1f} | {row['first_call']:.2f} |")
    return "\n".join(lines)


def ratio(values: list[float], base: list[float]) -> tuple[float, float, float]:
    """Returns median, minimum and maximum of the ratios of `values` to `base` in each round."""
    ratios = [value / other for value, other in zip(values, base)]
    return statistics.median(ratios), min(ratios), max(ratios)


def _draw(results: Mapping[str, Any]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shapes = {n: s for n, s in results["shapes"].items() if n in traffic.SHAPES}
    systems = list(dict.fromkeys(s for shape in shapes.values() for s in shape["seconds"]))
    systems = [s for s in systems if s not in PRODUCTS]
    figure, axes = pyplot.subplots(figsize=(max(8.0, 1.7 * len(shapes)), 5.0), layout="constrained")
    width, colours = 0.8 / len(systems), pyplot.get_cmap("tab20")
    for i, system in enumerate(systems):
        heights = [
            shape["tokens"] / statistics.median(shape["seconds"][system])
            if system in shape["seconds"]
            else 0.0
            for shape in shapes.values()
        ]
        centres = [x + (i + 0.5) * width - 0.4 for x in range(len(shapes))]
        axes.bar(centres, heights, width, label=system, color=colours(i))
    for x, shape in enumerate(shapes.values()):
        products = limit(shape)
        if products:
            rate = shape["tokens"] / statistics.median(products)
            label = "matrix products alone" if x == 0 else None
            axes.hlines(rate, x - 0.4, x + 0.4, "black", "dashed", label=label)
    axes.set_xticks(range(len(shapes)), shapes)
    axes.set_ylabel("real tokens per second")
    figure.legend(fontsize="small", ncols=4, loc="outside upper center")
    figure.savefig(CHART, dpi=110)
    pyplot.close(figure)
