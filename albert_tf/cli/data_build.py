"""Convert text to TFRecord files for pretraining.

The input is UTF-8 text, plain or compressed (.gz): either text files with one sentence per line and
an empty line between documents, or JSON Lines (.jsonl) with one document per object. With
--split_sentences, lines may be whole paragraphs. Text is streamed, so memory does not grow with its
size. If a build is interrupted, run the same command again to build the missing shards. The result
is the same as that of an uninterrupted build, for any number of workers and any runner.

examples:
  albert-tf data build --input 'text/*.txt' --vocab my.model --output_dir data --max_seq_length 128
  albert-tf data build --input 'web/*.jsonl.gz' --split_sentences en --vocab my.model --output_dir d
  albert-tf data build --input 'text/*.txt' --vocab my.model --output_dir data --shards 64 \\
      --runner FlinkRunner -- --flink_master localhost:8081
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

from albert_tf.pretraining.records.build_settings import (
    RECORD_FORMATS,
    SINGLE_SENTENCE,
    BuildSettings,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of a build, named as in the original script where it has them."""
    _add_text(parser.add_argument_group("input text"))
    _add_segments(parser.add_argument_group("sequences"))
    _add_masks(
        parser.add_argument_group(
            "masking", "With --record_format dynamic, set masking in the training run instead."
        )
    )
    _add_work(parser.add_argument_group("output and execution"))


def _add_setting(
    group: argparse._ArgumentGroup, name: str, text: str, kind: Callable = int, **more: Any
) -> None:
    """Adds a flag for a field of `BuildSettings`, with its default."""
    default = getattr(BuildSettings(), name)
    shown = str(default).lower() if isinstance(default, bool) else default
    group.add_argument(
        f"--{name}", type=kind, default=default, help=f"{text} (default: {shown})", **more
    )


def _add_text(group: argparse._ArgumentGroup) -> None:
    _add_setting(group, "text_field", "key of the text in the objects of JSON Lines files", str)
    group.add_argument(
        "--split_sentences",
        metavar="LANGUAGE",
        help="split each line into sentences by the rules of this language, such as en, de or ja "
        "(default: each line is one sentence)",
    )


def _add_segments(group: argparse._ArgumentGroup) -> None:
    _add_setting(
        group, "max_seq_length", "length of each example in tokens, with [CLS] and two [SEP]"
    )
    _add_setting(
        group, "short_seq_prob", "fraction of examples that get a random shorter length", float
    )
    _add_setting(
        group,
        "dupe_factor",
        "number of times to go through the text, each time with different segment pairs and masks",
    )
    _add_setting(
        group,
        "sentence_order",
        "true: examples have two segments and a sentence-order label; false: one segment and no "
        "label, for masked language modelling only",
        _boolean,
        metavar="true|false",
    )
    _add_setting(
        group,
        "single_sentence",
        "drop documents with a single sentence, or split them into two segments",
        str,
        choices=SINGLE_SENTENCE,
    )
    group.add_argument(
        "--random_next_sentence",
        action="store_true",
        help="next-sentence prediction as in BERT: the second segment either follows the first or "
        "comes from a random other document (default: sentence order, as in ALBERT)",
    )


def _add_masks(group: argparse._ArgumentGroup) -> None:
    _add_setting(
        group,
        "record_format",
        "dynamic: training draws new masks each time it reads a record; original, model_garden: "
        "the build draws fixed masks and writes records with the feature names of the original "
        "script or of Model Garden",
        str,
        choices=RECORD_FORMATS,
    )
    group.add_argument(
        "--max_predictions_per_seq",
        type=int,
        help="maximum number of masked tokens per example (default: masked_lm_prob x "
        "max_seq_length, rounded)",
    )
    _add_setting(group, "masked_lm_prob", "fraction of tokens to mask", float)
    _add_setting(group, "ngram", "maximum number of consecutive words to mask together")
    for name, text in (
        ("favor_longer_ngram", "mask long n-grams more often than short ones (default: off)"),
        (
            "do_permutation",
            "also shuffle as many other n-grams as are masked, and predict their original tokens "
            "(default: off)",
        ),
    ):
        group.add_argument(f"--{name}", action="store_true", help=text)


def _add_work(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--output_dir",
        required=True,
        metavar="DIR",
        help="output folder: new, empty, or that of an interrupted build to resume",
    )
    group.add_argument(
        "--shards",
        type=int,
        help="number of parts to divide the documents into. Each part gives dupe_factor files, and "
        "an interruption loses at most one part (default: one for each 32 MB of text)",
    )
    _add_setting(group, "seed", "random seed")
    group.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        help="number of processes (default: one per processor, here %(default)s)",
    )
    group.add_argument(
        "--runner",
        help="run on Apache Beam with this runner: DirectRunner, FlinkRunner, SparkRunner or "
        "DataflowRunner. All its workers must be able to open the paths, for example "
        "gs://bucket/text/*.txt (default: run on this machine without Beam)",
    )
    group.add_argument(
        "pipeline_options",
        nargs="*",
        help="options for Apache Beam after --, for example: -- --direct_num_workers 2",
    )


def run(args: argparse.Namespace) -> dict[str, int]:
    """Builds the data with progress bars; returns the counts for the report."""
    import dataclasses
    import time

    from albert_tf.pretraining.records.pretraining_data import build

    names = [field.name for field in dataclasses.fields(BuildSettings)]
    settings = BuildSettings(**{name: getattr(args, name) for name in names})
    if args.runner:
        print(f"on {args.runner}; use `albert-tf --verbosity=0 data build ...` to see its messages")
    start = time.monotonic()
    scan, verify, work = _Bar("check", " files"), _Bar("verify", " files"), _Bar("build", "B")
    try:
        manifest = build(
            args.input,
            args.vocab,
            args.output_dir,
            settings,
            workers=args.workers,
            runner=args.runner,
            pipeline_options=args.pipeline_options,
            on_scan=scan.update,
            on_verify=verify.update,
            progress=lambda done, total: work.update(done["text_bytes"], total, _postfix(done)),
        )
    finally:
        for bar in (scan, verify, work):
            bar.close()
    files = sum(len(shard["sha256"]) for shard in manifest["shards"].values())
    print(f"{args.output_dir}: {files} files, {time.monotonic() - start:.1f} s")
    return manifest["counts"]


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"must be true or false. Received {text!r}.")
    return text.lower() == "true"


def _postfix(done: Counter) -> dict[str, int]:
    return {name: done[name] for name in ("documents", "instances")}


class _Bar:
    """A progress bar with rate and remaining time, created at the first update."""

    def __init__(self, name: str, unit: str) -> None:
        self._name, self._unit = name, unit
        self._bar = None

    def update(self, done: int, total: int, postfix: dict[str, int] | None = None) -> None:
        """Shows `done` of `total`. What is done at the first call does not count for the rate."""
        from tqdm import tqdm

        if self._bar is None:
            scale = self._unit == "B"  # kB, MB, ...
            self._bar = tqdm(
                total=total, initial=done, unit=self._unit, unit_scale=scale, desc=self._name
            )
        self._bar.set_postfix(postfix or {}, refresh=False)
        self._bar.update(done - self._bar.n)
        if done == total:
            self._bar.close()

    def close(self) -> None:
        """Ends the bar and keeps its last state on the screen."""
        if self._bar is not None:
            self._bar.close()
