"""Which sizes a benchmark measures, as flags."""

from __future__ import annotations

import argparse
import dataclasses

from albert_tf import AlbertConfig, presets


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declares `--preset` and `--layers`."""
    parser.add_argument("--preset", default="albert_base_v2", help="sizes (%(default)s)")
    parser.add_argument("--layers", type=int, help="fewer, for a short look; else the preset's")


def config(args: argparse.Namespace) -> AlbertConfig:
    """Returns the config that the flags describe."""
    sizes = presets.get(args.preset).config
    return dataclasses.replace(sizes, num_hidden_layers=args.layers or sizes.num_hidden_layers)
