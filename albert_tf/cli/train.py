"""Train or evaluate what a gin file describes.

    albert-tf train --gin_file pretrain_base_v2 --mode train_and_eval --model_dir runs/base \\
        --gin.TRAIN_DATA='data/train-*' --gin.EVAL_DATA='data/eval-*'

--gin_file takes a path or the name of a recipe in experiments/recipes; recipes list the macros
that must or may be set. A second start with the same --model_dir goes on at its last checkpoint.
The folder gets checkpoints, TensorBoard summaries, history.jsonl, the gin it ran with, the model's
config and vocabulary, so that `albert-tf export` takes it as it is.
"""

from __future__ import annotations

import argparse

from albert_tf.training.modes import MODES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf train`."""
    parser.add_argument(
        "--gin_file",
        action="append",
        required=True,
        help="gin file or recipe name; may be repeated, later files win",
    )
    parser.add_argument("--mode", choices=MODES, default="train", help="default: train")
    parser.add_argument(
        "--model_dir", required=True, help="folder of the run, new or to go on with"
    )
    parser.add_argument(
        "--gin",
        action="append",
        default=[],
        metavar="MACRO=VALUE",
        help="written --gin.MACRO=VALUE: set a macro or a binding; wins over the files",
    )
    parser.add_argument(
        "--dry_run",
        action="store_true",
        help="build model and one batch, print sizes and costs, write nothing",
    )


def run(args: argparse.Namespace) -> None:
    """Parses the gin files and runs `train_lib.run`."""
    from albert_tf import train_lib
    from albert_tf.training import gin_files

    gin_files.parse(args.gin_file, args.gin)
    gin_files.configured(train_lib.run)(
        mode=args.mode, model_dir=args.model_dir, only_describe=args.dry_run
    )
