"""Which sizes a benchmark measures, as flags."""

from __future__ import annotations

import argparse
import dataclasses

from albert_tf import AlbertConfig, presets
from benchmarks import traffic


def parser(description: str) -> argparse.ArgumentParser:
    """Returns a parser with `--preset` and `--layers`, for a module of this docstring."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--preset", default="albert_base_v2", help="sizes (%(default)s)")
    made.add_argument("--layers", type=int, help="fewer, for a short look; else the preset's")
    return made


def parser_of_a_batch(description: str) -> argparse.ArgumentParser:
    """Returns that parser with `--shape`, `--rounds` and `--calls` too."""
    made = parser(description)
    made.add_argument("--shape", default="8x128", choices=traffic.SHAPES, help="(%(default)s)")
    made.add_argument("--rounds", type=int, default=5, help="turns of each system (%(default)s)")
    made.add_argument("--calls", type=int, default=2, help="of a turn (%(default)s)")
    return made


def config(args: argparse.Namespace) -> AlbertConfig:
    """Returns the config that the flags describe."""
    sizes = presets.get(args.preset).config
    return dataclasses.replace(sizes, num_hidden_layers=args.layers or sizes.num_hidden_layers)
