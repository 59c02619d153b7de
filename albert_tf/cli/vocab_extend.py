"""Add words to the vocabulary of a model, and rows for them to its tables.

A new word is one token wherever it stands as a whole word; other texts keep their ids and outputs.
The words are those of a file (--add), or the most frequent words of a corpus that break into many
pieces (--from), which are shown as a table first. A row begins as the mean of the rows of the
pieces that it replaces. Continue the pretraining of the extended model on text with the new words.

examples:
  albert-tf vocab extend albert_base_v2 --from 'field/*.txt' --count 500 --dry_run
  albert-tf vocab extend albert_base_v2 --from 'field/*.txt' --count 500 --output models/field
  albert-tf vocab extend albert_base_v2 --add words.txt --to hugging_face --output models/field_hf
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `albert-tf vocab extend`."""
    parser.add_argument("model", metavar="MODEL", help="name, folder, checkpoint or handle")
    words = parser.add_mutually_exclusive_group(required=True)
    words.add_argument("--add", metavar="FILE", help="the new words, one a line, in UTF-8")
    words.add_argument(
        "--from", dest="corpus", metavar="GLOB", help="text files to take words from, as --input"
    )
    parser.add_argument("--output", metavar="DIR", help="folder to create; it must be new or empty")
    parser.add_argument(
        "--to", metavar="FORMAT", default="checkpoint", help="format of DIR (default: %(default)s)"
    )
    parser.add_argument(
        "--count",
        type=int,
        default=500,
        help="the most words to take from a corpus (default: %(default)s)",
    )
    parser.add_argument(
        "--min_pieces",
        type=int,
        default=3,
        help="the least number of pieces of a word from a corpus (default: %(default)s)",
    )
    parser.add_argument(
        "--text_field",
        default="text",
        help="key of the text in the objects of JSON Lines files (default: %(default)s)",
    )
    parser.add_argument(
        "--init",
        default="mean",
        help="new rows: mean of those of the pieces, or noise as in a new model "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--dry_run", action="store_true", help="show the words and write nothing (default: write)"
    )


def run(args: argparse.Namespace) -> None:
    """Shows the words, and writes the extended model."""
    import dataclasses
    from pathlib import Path

    from albert_tf.convert.conversion import convert
    from albert_tf.data.documents import TextLines
    from albert_tf.data.storage import expand
    from albert_tf.data.text_lines import read_lines
    from albert_tf.errors import InputError
    from albert_tf.files import check_new_directory, existing
    from albert_tf.formats import resize
    from albert_tf.formats.load import load
    from albert_tf.tasks.starting_point import tokenizer_of
    from albert_tf.tokenization import new_words

    if args.output:
        check_new_directory(args.output)
    elif not args.dry_run:
        raise InputError(
            "An extended model needs a folder. Received no --output. Pass --output DIR, or "
            "--dry_run to see the words only."
        )
    source = load(args.model)
    print(f"source: {source}")
    tokenizer = tokenizer_of(source)
    if args.add:
        file = existing(args.add, "A file of words")
        words = new_words.check([line.rstrip("\n") for line in read_lines(Path(file))], tokenizer)
    else:
        lines = TextLines(expand(args.corpus), args.text_field)
        words = new_words.frequent(lines, tokenizer, args.count, args.min_pieces)
    print(new_words.table(words, tokenizer))
    settings = dataclasses.replace(
        tokenizer.preprocessing, added_tokens=new_words.tokens(words, tokenizer)
    )
    pieces = [word.ids for word in words]
    extended = resize.with_words(source, tokenizer.vocab_size, pieces, settings, args.init)
    first, rows = tokenizer.vocab_size, extended.config.vocab_size
    print(
        f"{len(words)} new words: ids {first} to {first + len(words) - 1}, "
        f"{source.config.vocab_size} -> {rows} rows in the word table, init {args.init}"
    )
    if settings.rules == "hugging_face":
        print("rules hugging_face: a new word is one token between spaces only, as in transformers")
    if args.dry_run:
        return
    report = convert(extended, args.to, args.output)
    for note in report["notes"]:
        print(f"  note: {note}")
    print(f"wrote {args.output} ({args.to}); next: albert-tf train --gin_file continue_pretraining")
