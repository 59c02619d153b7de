"""Build pretraining data from text, count what record files hold, or show instances.

Text is UTF-8, plain or gzip (.gz): text files with a sentence a line and an empty line between
documents, or JSON Lines (.jsonl) with a document an object. --split_sentences takes paragraphs in
place of sentences. A build streams: memory does not grow with the text. Run again after a stop, the
same command goes on with the shards that are missing.

examples:
  albert-tf data build --input 'text/*.txt' --vocab my.model --output_dir data --max_seq_length 128
  albert-tf data build --input 'web/*.jsonl.gz' --split_sentences en --vocab my.model --output_dir d
  albert-tf data stats --input 'data/*.tfrecord' --vocab my.model --plot data.png
  albert-tf data show --input 'data/*.tfrecord' --vocab my.model --count 2
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Mapping


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares `build`, `stats` and `show` with their flags."""
    actions = parser.add_subparsers(dest="action", metavar="build|stats|show", required=True)
    none = {"inherited_absl_flags": None}
    build = actions.add_parser("build", help="text to shards of records", **none)
    stats = actions.add_parser("stats", help="count what record files hold", **none)
    show = actions.add_parser("show", help="print instances to read", **none)
    for action, what in ((build, "text files"), (stats, "record files"), (show, "record files")):
        action.add_argument("--input", required=True, help=f"glob of {what}, or several by commas")
        action.add_argument("--vocab", required=True, help="the SentencePiece model")
    for action in (build, stats):
        action.add_argument("--plot", metavar="FILE.png", help="draw lengths and masks")
    show.add_argument("--count", type=int, default=3, help="instances to print (%(default)s)")
    _add_build_arguments(build)


def _add_build_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the settings of a build; flags that the original script has are named as there."""
    from albert_tf.data.build_settings import RECORD_FORMATS, SINGLE_SENTENCE, BuildSettings

    default = BuildSettings()
    parser.add_argument("--output_dir", required=True, help="new, empty, or of the same build")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (%(default)s)"
    )
    parser.add_argument(
        "--runner",
        help="let Apache Beam do the work: DirectRunner, FlinkRunner, SparkRunner, DataflowRunner",
    )
    parser.add_argument(
        "pipeline_options", nargs="*", help="after --, flags for Beam: -- --direct_num_workers 2"
    )

    def setting(name: str, kind: type, text: str) -> None:
        value = getattr(default, name)
        parser.add_argument(f"--{name}", type=kind, default=value, help=f"{text} ({value})")

    setting("max_seq_length", int, "tokens of an instance")
    parser.add_argument(
        "--record_format",
        choices=RECORD_FORMATS,
        default=default.record_format,
        help="dynamic: masks are drawn each time a record is read; original, model_garden: now, in "
        "records with the names of that code (%(default)s)",
    )
    parser.add_argument(
        "--max_predictions_per_seq",
        type=int,
        help="most predictions of an instance (masked_lm_prob x max_seq_length)",
    )
    setting("masked_lm_prob", float, "share of the tokens to predict")
    setting("ngram", int, "longest run of words masked together")
    parser.add_argument(
        "--favor_longer_ngram", action="store_true", help="make long runs the most frequent"
    )
    parser.add_argument(
        "--do_permutation",
        action="store_true",
        help="shuffle and predict as many further tokens as are masked",
    )
    parser.add_argument(
        "--sentence_order",
        metavar="true|false",
        type=_boolean,
        default=default.sentence_order,
        help="true: two segments and the label of their order; false: one segment, no label "
        "(%(default)s)",
    )
    parser.add_argument(
        "--random_next_sentence",
        action="store_true",
        help="as in BERT: the second segment follows or is of a random other document",
    )
    setting("short_seq_prob", float, "share of shorter sequences")
    setting("dupe_factor", int, "copies of the text, with pairs and masks of their own")
    setting("text_field", str, "field of JSON Lines that holds the text")
    parser.add_argument(
        "--split_sentences",
        metavar="LANGUAGE",
        help="lines are paragraphs; cut them by the rules of a language, such as en, de, ja",
    )
    parser.add_argument(
        "--single_sentence",
        choices=SINGLE_SENTENCE,
        default=default.single_sentence,
        help="what to do with documents of one sentence (%(default)s)",
    )
    setting("seed", int, "of all random choices")
    setting("shards", int, "ranges of documents; each gives a file for each copy")


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"must be true or false. Received {text!r}.")
    return text.lower() == "true"


def run(args: argparse.Namespace) -> None:
    """Runs the action that was asked for."""
    {"build": _build, "stats": _stats, "show": _show}[args.action](args)


def _build(args: argparse.Namespace) -> None:
    import dataclasses
    import time

    from albert_tf.data.build_settings import BuildSettings
    from albert_tf.data.pretraining_data import build

    names = [field.name for field in dataclasses.fields(BuildSettings)]
    settings = BuildSettings(**{name: getattr(args, name) for name in names})
    start = time.monotonic()
    bar = _Bar()
    try:
        manifest = build(
            args.input,
            args.vocab,
            args.output_dir,
            settings,
            workers=args.workers,
            runner=args.runner,
            pipeline_options=args.pipeline_options,
            progress=bar,
        )
    finally:
        bar.close()
    files = sum(len(shard["sha256"]) for shard in manifest["shards"].values())
    _tell(manifest["counts"], args.plot)
    print(f"{args.output_dir}: {files} files, {time.monotonic() - start:.1f} s")


def _tell(counts: Mapping[str, int], plot: str | None) -> None:
    from albert_tf.data import statistics_plot, statistics_report

    print(statistics_report.report(counts))
    if plot:
        statistics_plot.draw(counts, plot)
        print(f"plot                    {plot}")


class _Bar:
    """A progress bar over bytes of text, made at the first call, when the checks are done."""

    def __init__(self) -> None:
        self._bar = None

    def __call__(self, done: Counter, text_bytes: int) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=text_bytes, initial=done["text_bytes"], unit="B", unit_scale=True, desc="text"
            )
        self._bar.set_postfix(
            documents=done["documents"], instances=done["instances"], refresh=False
        )
        self._bar.update(done["text_bytes"] - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _stats(args: argparse.Namespace) -> None:
    from albert_tf.data import records
    from albert_tf.files import expand
    from albert_tf.tokenization.tokenizer import AlbertTokenizer

    paths = expand(args.input)
    _tell(records.count(paths, AlbertTokenizer(args.vocab)), args.plot)


def _show(args: argparse.Namespace) -> None:
    from albert_tf.data import records
    from albert_tf.errors import InputError
    from albert_tf.files import expand
    from albert_tf.tokenization.tokenizer import AlbertTokenizer

    if args.count < 1:
        raise InputError(f"--count must be at least 1. Received {args.count}.")
    paths, tokenizer = expand(args.input), AlbertTokenizer(args.vocab)
    left = args.count
    for path in paths:
        for arrays in records.read_arrays(path, tokenizer.vocab_size, left):
            for row in range(len(arrays["input_ids"])):
                print(records.describe(arrays, row, tokenizer), end="\n\n")
            left -= len(arrays["input_ids"])
            break
        if left < 1:
            break
