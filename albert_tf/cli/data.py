"""Build pretraining data from text, inspect record files, or check labelled files.

`albert-tf data ACTION --help` explains an action.

examples:
  albert-tf data build --input 'text/*.txt' --vocab my.model --output_dir data --max_seq_length 128
  albert-tf data stats --input 'data/*.tfrecord' --vocab my.model --plot data.png
  albert-tf data show --input 'data/*.tfrecord' --vocab my.model --count 2
  albert-tf data check --gin_file finetune_table --gin.TRAIN_DATA=train.csv --gin.EVAL_DATA=dev.csv
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from albert_tf.cli import data_build
from albert_tf.cli.train import add_gin_arguments
from albert_tf.errors import InputError
from albert_tf.files import check_writable

if TYPE_CHECKING:
    from albert_tf.tokenization.tokenizer import AlbertTokenizer

_CHECK = """Check labelled files before fine-tuning on them.

The recipe and its macros name the files and their columns, as for `albert-tf train`. The report has
the numbers of rows and examples, the rows that training leaves out, with reason, file and line,
the labels with their shares, the rows that repeat the text of others or contradict their label, and
the lengths. With evaluation data, it also has the texts that are in both, and the labels that
training lacks. Lengths are in tokens if INIT_FROM or VOCAB is set. No weights are read, and nothing
is written.

example:
  albert-tf data check --gin_file finetune_table --gin.INIT_FROM=albert_base_v2 \\
      --gin.TRAIN_DATA=train.csv --gin.EVAL_DATA=dev.csv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the actions with their flags."""
    actions = parser.add_subparsers(dest="action", metavar="build|stats|show|check", required=True)
    shared = {"inherited_absl_flags": None, "formatter_class": parser.formatter_class}
    build = actions.add_parser(
        "build",
        help="convert text to pretraining records",
        description=data_build.__doc__,
        **shared,
    )
    stats = actions.add_parser(
        "stats",
        help="print statistics of record files",
        description="Print statistics of record files: numbers of examples and tokens, lengths, "
        "masks.",
        **shared,
    )
    show = actions.add_parser(
        "show",
        help="print training examples as text",
        description="Print the first training examples in record files as text.",
        **shared,
    )
    check = actions.add_parser(
        "check",
        help="check labelled files before fine-tuning",
        description=_CHECK,
        **shared,
    )
    add_gin_arguments(check)
    for action, what in ((build, "text files"), (stats, "record files"), (show, "record files")):
        action.add_argument(
            "--input", required=True, metavar="GLOB", help=f"{what}; separate globs by commas"
        )
        action.add_argument(
            "--vocab",
            required=True,
            metavar="MODEL",
            help="SentencePiece model or vocab.txt, or a folder, handle or released model with one",
        )
    for action in (build, stats):
        action.add_argument(
            "--plot",
            metavar="FILE.png",
            help="write a plot of sequence lengths and masked tokens (default: no plot)",
        )
    show.add_argument(
        "--count", type=int, default=3, help="number of examples to print (default: %(default)s)"
    )
    data_build.add_arguments(build)


def run(args: argparse.Namespace) -> None:
    """Runs the selected action."""
    if getattr(args, "plot", None):
        check_writable(Path(args.plot).absolute().parent, "The folder of --plot")
    {"build": _build, "stats": _stats, "show": _show, "check": _check}[args.action](args)


def _build(args: argparse.Namespace) -> None:
    _print_statistics(data_build.run(args), args.plot)


def _print_statistics(counts: Mapping[str, int], plot: str | None) -> None:
    from albert_tf.pretraining.records import statistics_report

    print(statistics_report.report(counts))
    if plot:
        statistics_report.draw(counts, plot)
        print(f"plot                    {plot}")


def _stats(args: argparse.Namespace) -> None:
    from albert_tf.pretraining.records import records

    _print_statistics(records.count(*_records(args)), args.plot)


def _show(args: argparse.Namespace) -> None:
    from albert_tf.pretraining.records import records

    if args.count < 1:
        raise InputError(f"--count must be at least 1. Received {args.count}.")
    paths, tokenizer = _records(args)
    left = args.count
    for path in paths:
        for arrays in records.read_arrays(path, tokenizer.vocab_size, left, tokenizer.special_ids):
            for row in range(len(arrays["input_ids"])):
                print(records.describe(arrays, row, tokenizer), end="\n\n")
            left -= len(arrays["input_ids"])
            break
        if left < 1:
            break


def _check(args: argparse.Namespace) -> None:
    from albert_tf.tasks import data_check, fine_tuning_config
    from albert_tf.training import gin_files

    gin_files.parse(args.gin_file, args.gin)
    if "TASK" not in gin_files.macros():
        raise InputError(
            "A check of data needs a recipe for fine-tuning. Received --gin_file "
            f"{' '.join(args.gin_file)}. Name another, or use `albert-tf data stats` for records."
        )
    config = gin_files.configured(fine_tuning_config.with_fields, scope="run")()
    print(data_check.check(config))


def _records(args: argparse.Namespace) -> tuple[list[Path], AlbertTokenizer]:
    """Returns the record files and the tokenizer, after checking that the vocabularies match."""
    from albert_tf.data.storage import expand
    from albert_tf.pretraining.records import manifest
    from albert_tf.tokenization.tokenizer import AlbertTokenizer

    paths, tokenizer = expand(args.input), AlbertTokenizer.from_pretrained(args.vocab)
    manifest.check_vocabulary(args.input, tokenizer)
    return paths, tokenizer
