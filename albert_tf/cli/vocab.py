"""Train a SentencePiece vocabulary with the flags of the released models.

Reads text, a line at a time, plain or gzip (.gz), and writes PREFIX.model, PREFIX.vocab (a listing
to look at) and PREFIX.preprocess.json, which tells everything that uses the model how its text was
prepared. Keep the first and the last together.

example:
  albert-tf vocab --input 'text/*.txt' --output vocab/my --vocab_size 8000
"""

from __future__ import annotations

import argparse
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the flags of `albert-tf vocab`."""
    parser.add_argument("--input", required=True, help="glob of text files, or several by commas")
    parser.add_argument("--output", required=True, metavar="PREFIX", help="path without an ending")
    parser.add_argument("--vocab_size", type=int, default=30000, help="ids in all (%(default)s)")
    case = parser.add_mutually_exclusive_group()
    case.add_argument("--lower", action="store_true", help="lower the text (the default)")
    case.add_argument("--cased", action="store_true", help="keep the case")
    parser.add_argument("--keep_accents", action="store_true", help="keep combining marks")
    parser.add_argument(
        "--rules",
        default="original",
        help="original (the default) or hugging_face, whose slow tokenizer it equals",
    )
    parser.add_argument(
        "--character_coverage",
        type=float,
        default=0.99995,
        help="share of the characters that get a piece (%(default)s)",
    )
    parser.add_argument(
        "--input_sentence_size",
        type=int,
        default=10_000_000,
        help="lines to sample from the text, 0 for all; bounds the memory (%(default)s)",
    )
    parser.add_argument("--num_threads", type=int, default=16, help="threads (%(default)s)")
    parser.add_argument(
        "--invalid_utf8",
        choices=("error", "replace"),
        default="error",
        help="what to do with bytes that are not UTF-8 (%(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the files of PREFIX")


def run(args: argparse.Namespace) -> None:
    """Trains the vocabulary and prints where it is."""
    from albert_tf.files import expand
    from albert_tf.tokenization import vocabulary
    from albert_tf.tokenization.lines import TextLines
    from albert_tf.tokenization.settings import Preprocessing

    preprocessing = Preprocessing(not args.cased, args.keep_accents, args.rules)
    lines = TextLines(expand(args.input), replace_invalid=args.invalid_utf8 == "replace")
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
        f"{model_file}: {args.vocab_size} pieces from {lines.count} lines of "
        f"{len(lines.files)} files; {preprocessing}"
    )
    if lines.replaced:
        print(f"replaced {lines.replaced} bytes that are not UTF-8", file=sys.stderr)
