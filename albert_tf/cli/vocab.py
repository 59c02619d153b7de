"""Train a SentencePiece vocabulary with the options used for the released models.

Reads the same files as `albert-tf data build`: plain or gzip-compressed (.gz) text line by line,
and JSON Lines (.jsonl) with a text in each object. Writes PREFIX.model, PREFIX.vocab (a readable
list of the pieces) and PREFIX.preprocess.json (how text is normalised, for all programs that use
the model). Keep the .model and .preprocess.json files together.

example:
  albert-tf vocab --input 'text/*.txt' --output vocab/my --vocab_size 8000
"""

from __future__ import annotations

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf vocab`."""
    parser.add_argument(
        "--input", required=True, metavar="GLOB", help="text files; separate globs by commas"
    )
    parser.add_argument(
        "--output",
        required=True,
        metavar="PREFIX",
        help="path of the output files without an extension",
    )
    parser.add_argument(
        "--vocab_size",
        type=int,
        default=30000,
        help="number of pieces, including special tokens (default: %(default)s)",
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
    """Trains the vocabulary and prints a summary."""
    from albert_tf.data.documents import TextLines
    from albert_tf.data.storage import expand
    from albert_tf.tokenization import vocabulary
    from albert_tf.tokenization.settings import Preprocessing

    preprocessing = Preprocessing(not args.cased, args.keep_accents, args.rules)
    replace = args.invalid_utf8 == "replace"
    lines = TextLines(expand(args.input), args.text_field, replace)
    model_file = vocabulary.train(
        lines,
        args.output,
        args.vocab_size,
        preprocessing,
        args.character_coverage,
        args.input_sentence_size,
        args.num_threads,
        args.overwrite,
    )
    print(
        f"{model_file}: {args.vocab_size} pieces from {lines.count} lines in "
        f"{len(lines.files)} files; {preprocessing}"
    )
    lines.report.show()
    if lines.replaced:
        print(f"replaced {lines.replaced} bytes that are not UTF-8", file=sys.stderr)
