"""Train a SentencePiece vocabulary with the options used for the released models.

`albert-tf vocab extend MODEL` adds words to the vocabulary of a model instead.

Reads the same files as `albert-tf data build`: plain or gzip-compressed (.gz) text line by line,
and JSON Lines (.jsonl) with a text in each object. Writes PREFIX.model, PREFIX.vocab (a readable
list of the pieces) and PREFIX.preprocess.json (how text is normalised, for all programs that use
the model). Keep the .model and .preprocess.json files together.

example:
  albert-tf vocab --input 'text/*.txt' --output vocab/my --vocab_size 8000
  albert-tf vocab --input 'text/*.txt' --output vocab/my --sizes 8000,16000,32000
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from albert_tf.cli import vocab_extend
from albert_tf.errors import InputError

if TYPE_CHECKING:
    from albert_tf.data.documents import TextLines
    from albert_tf.tokenization.settings import Preprocessing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf vocab`."""
    actions = parser.add_subparsers(dest="action", metavar="extend")
    extend = actions.add_parser(
        "extend",
        help="add words to the vocabulary of a model",
        description=vocab_extend.__doc__,
        formatter_class=parser.formatter_class,
        inherited_absl_flags=None,
    )
    vocab_extend.add_arguments(extend)
    parser.add_argument("--input", metavar="GLOB", help="text files; separate globs by commas")
    parser.add_argument(
        "--output", metavar="PREFIX", help="path of the output files without an extension"
    )
    parser.add_argument(
        "--vocab_size",
        type=int,
        default=30000,
        help="number of pieces, including special tokens (default: %(default)s)",
    )
    parser.add_argument(
        "--sizes",
        metavar="N,N,...",
        help="train a vocabulary of each size, PREFIX-N, and compare them on held-out text "
        "(default: train one of --vocab_size)",
    )
    parser.add_argument(
        "--heldout",
        metavar="GLOB",
        help="text files to compare --sizes on (default: every 20th line of --input, which is then "
        "not trained on)",
    )
    parser.add_argument(
        "--text_field",
        default="text",
        help="key of the text in the objects of JSON Lines files (default: %(default)s)",
    )
    case = parser.add_mutually_exclusive_group()
    case.add_argument(
        "--lower", action="store_true", help="convert text to lower case (this is the default)"
    )
    case.add_argument(
        "--cased", action="store_true", help="do not convert text to lower case (default: convert)"
    )
    parser.add_argument(
        "--keep_accents",
        action="store_true",
        help="do not remove accents and other combining marks (default: remove)",
    )
    parser.add_argument(
        "--rules",
        default="original",
        help="tokenization rules: original (as in the released models) or hugging_face (as in its "
        "slow tokenizer) (default: %(default)s)",
    )
    _add_training_arguments(parser)
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace existing output files (default: existing files are an error)",
    )


def _add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of SentencePiece's trainer."""
    parser.add_argument(
        "--character_coverage",
        type=float,
        default=0.99995,
        help="fraction of all characters in the text that the vocabulary must cover "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--input_sentence_size",
        type=int,
        default=10_000_000,
        help="number of lines to sample from the text, which limits memory; 0 uses all lines "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--num_threads", type=int, default=16, help="number of threads (default: %(default)s)"
    )
    parser.add_argument(
        "--invalid_utf8",
        choices=("error", "replace"),
        default="error",
        help="stop at bytes that are not valid UTF-8, or replace and count them "
        "(default: %(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    """Trains the vocabulary and prints a summary; or runs `extend`."""
    if args.action == "extend":
        vocab_extend.run(args)
        return
    for name in ("input", "output"):
        if getattr(args, name) is None:
            raise InputError(
                f"A vocabulary needs --input and --output. Received no --{name}. Pass it, or see "
                "albert-tf vocab --help."
            )
    from albert_tf.tokenization.settings import Preprocessing

    preprocessing = Preprocessing(not args.cased, args.keep_accents, args.rules)
    if args.sizes is not None:
        _compare(args, preprocessing)
        return
    if args.heldout:
        raise InputError(
            "--heldout is for comparing sizes. Received --heldout without --sizes. Pass --sizes "
            "N,N,..., or leave --heldout out."
        )
    lines = _lines(args)
    model_file = _train(args, lines, args.output, args.vocab_size, preprocessing)
    print(
        f"{model_file}: {args.vocab_size} pieces from {lines.count} lines in "
        f"{len(lines.files)} files; {preprocessing}"
    )
    lines.report.show()
    if lines.replaced:
        print(f"replaced {lines.replaced} bytes that are not UTF-8", file=sys.stderr)


def _lines(args: argparse.Namespace, patterns: str | None = None) -> TextLines:
    from albert_tf.data.documents import TextLines
    from albert_tf.data.storage import expand

    return TextLines(
        expand(patterns or args.input), args.text_field, args.invalid_utf8 == "replace"
    )


def _train(
    args: argparse.Namespace,
    lines: Iterable[str],
    output: str,
    size: int,
    preprocessing: Preprocessing,
) -> Path:
    from albert_tf.tokenization import vocabulary

    return vocabulary.train(
        lines,
        output,
        size,
        preprocessing,
        args.character_coverage,
        args.input_sentence_size,
        args.num_threads,
        args.overwrite,
    )


def _compare(args: argparse.Namespace, preprocessing: Preprocessing) -> None:
    """Trains vocabularies of several sizes, and prints what each makes of held-out text."""
    from albert_tf.tokenization import vocabulary, vocabulary_report

    sizes = [int(size) if size.strip().isdecimal() else size for size in args.sizes.split(",")]
    for size in sizes:
        vocabulary.check_size(size)
    if len(set(sizes)) < len(sizes):
        raise InputError(
            f"--sizes must differ. Received {args.sizes!r:.80}. Leave out what is there twice."
        )
    text = _lines(args, args.heldout)
    outputs = [f"{args.output}-{size}" for size in sizes]
    for output, size in zip(outputs, sizes):
        vocabulary.output_files(output, args.overwrite, size)
    files = []
    for output, size in zip(outputs, sizes):
        lines = _lines(args)
        kept = lines if args.heldout else vocabulary_report.held_out(lines, False)
        files.append(_train(args, kept, output, size, preprocessing))
    kept = text if args.heldout else vocabulary_report.held_out(text, True)
    rows = vocabulary_report.coverages(files, kept)
    print(f"{lines.count} lines in {len(lines.files)} files; {preprocessing}")
    lines.report.show()
    print(vocabulary_report.table(files, rows))
    if lines.replaced:
        print(f"replaced {lines.replaced} bytes that are not UTF-8", file=sys.stderr)
