"""Pretrain, fine-tune or evaluate a model, configured by gin files.

    albert-tf train --gin_file pretrain_base_v2 --mode train_and_eval --model_dir runs/base \\
        --gin.TRAIN_DATA='data/train-*' --gin.EVAL_DATA='data/eval-*'

--gin_file takes a path or the name of a recipe in experiments/recipes, and --macros lists what you
must or may set. Run the same command again to resume from the newest checkpoint in --model_dir. The
folder contains checkpoints, TensorBoard summaries, history.jsonl, the gin configuration, and the
config and vocabulary of the model, so `albert-tf export` can use it directly.

--seeds 1,2,3 trains once with each seed, in MODEL_DIR/seed_1 and so on, and reports the median and
the best value of the recipe's metric. --sweep LEARNING_RATE=1e-4,3e-4,1e-3 trains once with each
value, in MODEL_DIR/LEARNING_RATE_1e-4 and so on, and names the best; several --sweep try all
combinations, and with --seeds each of them is trained with each seed. Both need --mode
train_and_eval, and the same command goes on after a stop.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from albert_tf.errors import InputError
from albert_tf.training import MODES

if TYPE_CHECKING:
    from albert_tf.training.sweep import Score


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf train`."""
    add_gin_arguments(parser)
    parser.add_argument(
        "--mode",
        choices=MODES,
        default="train",
        help="train; evaluate once; do both in turn; or evaluate each checkpoint of a training "
        "that runs in another process (default: %(default)s)",
    )
    parser.add_argument(
        "--model_dir",
        metavar="DIR",
        help="folder of the run: a new one, or that of a run to resume or evaluate",
    )
    parser.add_argument(
        "--macros",
        action="store_true",
        help="list the macros of the gin files with value and meaning, and do nothing else",
    )
    parser.add_argument(
        "--dry_run",
        action="store_true",
        help="build the model and one batch of data, print sizes, memory and compute per step, and "
        "write nothing",
    )
    parser.add_argument(
        "--export_best",
        metavar="DEST",
        help="after each evaluation with a new best checkpoint, export its encoder to DEST as a "
        "TF-Hub SavedModel (default: no export)",
    )
    parser.add_argument(
        "--seeds",
        metavar="N,N,...",
        help="train once with each of these seeds (default: one run with the seed of the recipe)",
    )
    parser.add_argument(
        "--sweep",
        action="append",
        metavar="MACRO=VALUE,...",
        help="train once with each of these values, and compare; may be repeated",
    )


def add_gin_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that name gin files and set macros."""
    parser.add_argument(
        "--gin_file",
        action="append",
        required=True,
        metavar="FILE",
        help="gin file or name of a recipe; may be repeated, and later files take precedence",
    )
    parser.add_argument(
        "--gin",
        action="append",
        default=[],
        metavar="MACRO=VALUE",
        help="set a macro or a binding, written as --gin.MACRO=VALUE; takes precedence over the "
        "gin files and may be repeated",
    )


def run(args: argparse.Namespace) -> None:
    """Lists the macros, or runs the experiment once, or once for each seed."""
    if args.macros:
        from albert_tf.training import gin_macros

        print(gin_macros.text(gin_macros.find(args.gin_file, args.gin)))
        return
    if args.model_dir is None:
        raise InputError("A run must have a folder. Received no --model_dir. Add --model_dir DIR.")
    if args.seeds is None and args.sweep is None:
        _run(args, args.gin, args.model_dir)
        return
    if args.mode != "train_and_eval" or args.dry_run or args.export_best:
        raise InputError(
            f"{'--sweep' if args.sweep else '--seeds'} needs --mode train_and_eval without "
            "--dry_run and --export_best, as it compares complete runs. Received "
            f"--mode {args.mode}{' with --dry_run' if args.dry_run else ''}"
            f"{' with --export_best' if args.export_best else ''}. Change these flags."
        )
    folder = Path(args.model_dir).expanduser()
    if args.sweep is None:
        _run_seeds(args, args.gin, folder)
    else:
        _run_sweep(args, folder)


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


def _run_seeds(args: argparse.Namespace, gin: list[str], folder: Path) -> Score:
    from albert_tf.training import sweep

    summary = sweep.run_seeds(
        sweep.parse_seeds(args.seeds),
        folder,
        lambda seed, path: _run(args, [*gin, f"SEED={seed}"], path),
        _read_best,
    )
    print(f"\n{sweep.seeds_text(summary)}")
    values = [summary[key] for key in ("metric", "median", "least", "most", "best_run")]
    return sweep.Score(*values)


def _run_sweep(args: argparse.Namespace, folder: Path) -> None:
    from albert_tf.training import gin_files, sweep

    def run(setting: Mapping[str, str], path: Path) -> Score:
        gin = [*args.gin, *(f"{name}={value}" for name, value in setting.items())]
        if args.seeds is not None:
            return _run_seeds(args, gin, path)
        _run(args, gin, path)
        metric, value = _read_best(path)
        return sweep.Score(metric, value, value, value)

    settings = sweep.parse(args.sweep)
    if args.seeds is not None:
        sweep.parse_seeds(args.seeds)
    for setting in settings:  # Reports a wrong value before the first run.
        overrides = [f"{name}={value}" for name, value in setting.items()]
        gin_files.parse(args.gin_file, [*args.gin, *overrides])
    summary = sweep.run_all(settings, folder, run)
    print(f"\n{sweep.text(summary, folder)}")


def _read_best(folder: Path) -> tuple[str, float]:
    from albert_tf.tasks import results
    from albert_tf.training import gin_files

    return results.read_best(folder, str(gin_files.macros().get("BEST_METRIC", "")))
