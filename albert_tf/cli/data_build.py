"""Text to shards of pretraining records.

Text is UTF-8, plain or gzip (.gz): text files with a sentence a line and an empty line between
documents, or JSON Lines (.jsonl) with a document an object. --split_sentences takes paragraphs in
place of sentences. A build streams: memory does not grow with the text. Run again after a stop, the
same command goes on with the shards that are missing; the result is that of an undisturbed run,
whatever the number of workers or the runner.

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
    """Declares the settings of a build; flags that the original script has are named as there."""
    _add_text(parser.add_argument_group("text"))
    _add_segments(parser.add_argument_group("segments"))
    _add_masks(parser.add_argument_group("masks, unless they are dynamic"))
    _add_work(parser.add_argument_group("work and output"))


def _add_setting(
    group: argparse._ArgumentGroup, name: str, text: str, kind: Callable = int, **more: Any
) -> None:
    """Declares a field of `BuildSettings` with its default."""
    default = getattr(BuildSettings(), name)
    group.add_argument(
        f"--{name}", type=kind, default=default, help=f"{text} (%(default)s)", **more
    )


def _add_text(group: argparse._ArgumentGroup) -> None:
    _add_setting(group, "text_field", "field of JSON Lines that holds the text", str)
    group.add_argument(
        "--split_sentences",
        metavar="LANGUAGE",
        help="lines are paragraphs; cut them by the rules of a language, such as en, de, ja",
    )


def _add_segments(group: argparse._ArgumentGroup) -> None:
    _add_setting(group, "max_seq_length", "tokens of an instance")
    _add_setting(group, "short_seq_prob", "share of shorter sequences", float)
    _add_setting(group, "dupe_factor", "copies of the text, with pairs and masks of their own")
    _add_setting(
        group,
        "sentence_order",
        "true: two segments and the label of their order; false: one segment, no label",
        _boolean,
        metavar="true|false",
    )
    _add_setting(
        group,
        "single_sentence",
        "what to do with documents of one sentence",
        str,
        choices=SINGLE_SENTENCE,
    )
    group.add_argument(
        "--random_next_sentence",
        action="store_true",
        help="as in BERT: the second segment follows or is of a random other document",
    )


def _add_masks(group: argparse._ArgumentGroup) -> None:
    _add_setting(
        group,
        "record_format",
        "dynamic: masks are drawn each time a record is read; original, model_garden: now, in "
        "records with the names of that code",
        str,
        choices=RECORD_FORMATS,
    )
    group.add_argument(
        "--max_predictions_per_seq",
        type=int,
        help="most tokens of an instance to mask (masked_lm_prob x max_seq_length)",
    )
    _add_setting(group, "masked_lm_prob", "share of the tokens to mask", float)
    _add_setting(group, "ngram", "longest run of words masked together")
    for name, text in (
        ("favor_longer_ngram", "make long runs the most frequent"),
        ("do_permutation", "shuffle and predict as many further tokens as are masked"),
    ):
        group.add_argument(f"--{name}", action="store_true", help=text)


def _add_work(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--output_dir", required=True, help="new, empty, or of the same build")
    group.add_argument(
        "--shards",
        type=int,
        help="ranges of documents; each gives a file for each copy, and a stop costs one at most "
        "(one for each 32 MB of text)",
    )
    _add_setting(group, "seed", "of all random choices")
    group.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (%(default)s)"
    )
    group.add_argument(
        "--runner",
        help="let Apache Beam do the work: DirectRunner, FlinkRunner, SparkRunner, DataflowRunner; "
        "its workers must see the same paths, such as gs://bucket/text/*.txt",
    )
    group.add_argument(
        "pipeline_options", nargs="*", help="after --, flags for Beam: -- --direct_num_workers 2"
    )


def run(args: argparse.Namespace) -> dict[str, int]:
    """Builds the data with progress bars; returns the counts for the report."""
    import dataclasses
    import time

    from albert_tf.pretraining.records.pretraining_data import build

    names = [field.name for field in dataclasses.fields(BuildSettings)]
    settings = BuildSettings(**{name: getattr(args, name) for name in names})
    if args.runner:
        print(f"on {args.runner}; `albert-tf --verbosity=0 data build ...` shows its messages")
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
    """A progress bar with rate and time left, made at the first update, when work begins."""

    def __init__(self, name: str, unit: str) -> None:
        self._name, self._unit = name, unit
        self._bar = None

    def update(self, done: int, total: int, postfix: dict[str, int] | None = None) -> None:
        """Shows that `done` of `total` are done; those of the first call were there before."""
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
        """Leaves the bar as it stands."""
        if self._bar is not None:
            self._bar.close()
