"""Show the tokens and ids of lines of text from standard input.

For each line of input, two lines are printed: its pieces, and their ids, without
[CLS] and [SEP]. If there is a file PREFIX.preprocess.json next to the vocabulary, it determines how
text is normalised, and the flags must agree with it. Otherwise the flags do.

example:
  echo 'Hello, world' | albert-tf tokenize --vocab vocab/my.model
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from albert_tf.tokenization.offsets import TokenSpans


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf tokenize`."""
    parser.add_argument(
        "--vocab",
        required=True,
        metavar="MODEL",
        help="SentencePiece model or vocab.txt, or a folder, handle or released model that has one",
    )
    parser.add_argument(
        "--cased", action="store_true", help="do not convert text to lower case (default: convert)"
    )
    parser.add_argument(
        "--keep_accents",
        action="store_true",
        help="do not remove accents and other combining marks (default: remove)",
    )
    parser.add_argument(
        "--rules",
        help="tokenization rules: original (as in the released models) or hugging_face (as in its "
        "slow tokenizer) (default: original)",
    )
    parser.add_argument(
        "--offsets",
        action="store_true",
        help="print one token per line: id, piece, start and end as character positions in the "
        "line, and the text between them",
    )
    parser.add_argument(
        "--invalid_utf8",
        choices=("error", "replace"),
        default="replace",
        help="stop at bytes that are not valid UTF-8, or replace and count them "
        "(default: %(default)s)",
    )


def run(args: argparse.Namespace) -> None:
    """Prints the tokens of each line of standard input."""
    import sys

    from albert_tf.data.text_lines import limited
    from albert_tf.tokenization.lines import decoded
    from albert_tf.tokenization.tokenizer import AlbertTokenizer

    # Without flags, the settings are those stored next to the vocabulary.
    tokenizer = AlbertTokenizer.from_pretrained(
        args.vocab,
        lower_case=False if args.cased else None,
        keep_accents=True if args.keep_accents else None,
        rules=args.rules,
    )
    total = 0
    for number, line in enumerate(limited(sys.stdin.buffer, "standard input"), start=1):
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
