"""Train or evaluate what a gin file describes.

    albert-tf train --gin_file pretrain_base_v2 --mode train_and_eval --model_dir runs/base \\
        --gin.TRAIN_DATA='data/train-*' --gin.EVAL_DATA='data/eval-*'

--gin_file takes a path or the name of a recipe in experiments/recipes; recipes list the macros
that must or may be set. A second start with the same --model_dir goes on at its last checkpoint.
The folder gets checkpoints, TensorBoard summaries, history.jsonl, the gin it ran with, the model's
config and vocabulary, so that `albert-tf export` takes it as it is.

--seeds 1,2,3 makes a run for each seed, in MODEL_DIR/seed_1 and so on, and tells the median and the
best by the metric of the recipe; it needs evaluations, and goes on like any run.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from albert_tf.training import MODES


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
    parser.add_argument(
        "--export_best",
        metavar="DEST",
        help="write the encoder of the best checkpoint there as a TF-Hub SavedModel, after each "
        "evaluation that is the best so far",
    )
    parser.add_argument("--seeds", metavar="N,N,...", help="run once for each of these seeds")


def run(args: argparse.Namespace) -> None:
    """Runs what the gin files describe, once or for each seed."""
    if args.seeds is None:
        _run(args, args.gin, args.model_dir)
        return
    _run_seeds(args)


def _run(args: argparse.Namespace, gin: list[str], model_dir: str | os.PathLike) -> None:
    from albert_tf import train_lib
    from albert_tf.training import gin_files

    gin_files.parse(args.gin_file, gin)
    gin_files.configured(train_lib.run)(
        mode=args.mode,
        model_dir=model_dir,
        only_describe=args.dry_run,
        export_best=(args.export_best, _export_encoder) if args.export_best else None,
    )


def _export_encoder(source: Path, dest: Path) -> None:
    from albert_tf.cli.main import command_module

    command_module("export").write_encoder(source, dest)


def _run_seeds(args: argparse.Namespace) -> None:
    from albert_tf.errors import InputError
    from albert_tf.tasks import results
    from albert_tf.training import seeds

    if args.mode != "train_and_eval" or args.dry_run or args.export_best:
        raise InputError(
            "--seeds compares evaluations of whole runs. Received --mode "
            f"{args.mode}{' with --dry_run' if args.dry_run else ''}"
            f"{' with --export_best' if args.export_best else ''}. Use --mode train_and_eval alone."
        )
    summary = seeds.run_all(
        seeds.parse(args.seeds),
        Path(args.model_dir).expanduser(),
        lambda seed, folder: _run(args, [*args.gin, f"SEED={seed}"], folder),
        results.read_best,
    )
    print(f"\n{seeds.text(summary)}")
