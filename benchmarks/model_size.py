"""Command-line flags for the model and the batch of a benchmark."""

from __future__ import annotations

import argparse
import dataclasses

from albert_tf import AlbertConfig, presets
from benchmarks import traffic


def parser(description: str) -> argparse.ArgumentParser:
    """Returns a parser with the flags `--preset` and `--layers`."""
    result = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument(
        "--preset", default="albert_base_v2", help="released model size (default: %(default)s)"
    )
    result.add_argument(
        "--layers",
        type=int,
        help="number of layers; use fewer for a quick trial (default: as in the preset)",
    )
    return result


def parser_of_a_batch(description: str) -> argparse.ArgumentParser:
    """Returns that parser with the additional flags `--shape`, `--rounds` and `--calls`."""
    result = parser(description)
    result.add_argument(
        "--shape",
        default="8x128",
        choices=traffic.SHAPES,
        help="batch size x length in tokens (default: %(default)s)",
    )
    result.add_argument(
        "--rounds", type=int, default=5, help="turns of each system (default: %(default)s)"
    )
    result.add_argument(
        "--calls", type=int, default=2, help="calls in each turn (default: %(default)s)"
    )
    return result


def config(args: argparse.Namespace) -> AlbertConfig:
    """Returns the config that the flags describe."""
    sizes = presets.get(args.preset).config
    return dataclasses.replace(sizes, num_hidden_layers=args.layers or sizes.num_hidden_layers)
