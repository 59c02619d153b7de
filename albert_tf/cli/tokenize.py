"""Show the pieces and ids of lines of text from standard input.

Each line gives two: its pieces, then their ids, without [CLS] and [SEP]. The settings beside the
vocabulary (PREFIX.preprocess.json) decide on case and accents; without that file the flags do.

example:
  echo 'Hello, world' | albert-tf tokenize --vocab vocab/my.model
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from albert_tf.tokenization.offsets import TokenSpans


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the flags of `albert-tf tokenize`."""
    parser.add_argument(
        "--vocab",
        required=True,
        metavar="MODEL",
        help="a SentencePiece model, or a folder that holds one",
    )
    parser.add_argument("--cased", action="store_true", help="keep the case")
    parser.add_argument("--keep_accents", action="store_true", help="keep combining marks")
    parser.add_argument("--rules", help="original or hugging_face")
    parser.add_argument(
        "--offsets", action="store_true", help="a token a line, with its characters in the text"
    )
    parser.add_argument(
        "--invalid_utf8",
        choices=("error", "replace"),
        default="replace",
        help="what to do with bytes that are not UTF-8; replaced ones are counted (%(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    """Prints the tokens of each line of standard input."""
    import sys

    from albert_tf.tokenization.lines import decoded
    from albert_tf.tokenization.tokenizer import AlbertTokenizer

    # Flags that are not given leave the choice to the settings beside the vocabulary.
    given = {
        "lower_case": False if args.cased else None,
        "keep_accents": True if args.keep_accents else None,
        "rules": args.rules,
    }
    if any(value is not None for value in given.values()):
        tokenizer = AlbertTokenizer(args.vocab, **given)
    else:
        tokenizer = AlbertTokenizer.from_pretrained(args.vocab)
    total = 0
    for number, line in enumerate(sys.stdin.buffer, start=1):
        text, replaced = decoded(line, args.invalid_utf8 == "replace", f"line {number}")
        text = text.rstrip("\r\n")
        total += replaced
        if args.offsets:
            print(_table(tokenizer.tokenize_with_offsets(text), text))
            continue
        print(" ".join(tokenizer.tokenize(text)))
        print(" ".join(map(str, tokenizer.encode(text))))
    if total:
        print(f"replaced {total} bytes that are not UTF-8", file=sys.stderr)


def _table(tokens: TokenSpans, text: str) -> str:
    rows = zip(tokens.ids, tokens.pieces, tokens.starts, tokens.ends)
    return "\n".join(
        f"{index:6d} {piece:<16} {start:5d} {end:5d} {text[start:end]!r}"
        for index, piece, start, end in rows
    )
