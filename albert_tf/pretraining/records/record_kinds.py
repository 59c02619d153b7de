"""Detects the kind of records in files and checks that they match a run, before the run starts.

Reads the first records of each file, and the manifest if there is one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from albert_tf.data.storage import location
from albert_tf.errors import InputError
from albert_tf.pretraining.masking.masking import Masking
from albert_tf.pretraining.records import manifest
from albert_tf.pretraining.records.examples import DYNAMIC, STATIC, Feature
from albert_tf.pretraining.records.record_files import first_records

CHECKED = 16  # Records of each file that are checked before a run.


class Kind(NamedTuple):
    """A kind of records.

    Attributes:
      dynamic: whether masks are drawn when reading; otherwise the records contain them.
      model_garden: whether features have Model Garden's names; otherwise the original's.
      sentence_order: whether there is a label of sentence order.
    """

    dynamic: bool
    model_garden: bool
    sentence_order: bool

    @classmethod
    def of(cls, present: Collection[str]) -> Kind:
        """Returns the kind of a record with these features."""
        return cls(
            "unit_lengths" in present,
            "input_word_ids" in present,
            "next_sentence_labels" in present,
        )

    def __str__(self) -> str:
        """Describes the kind for error messages."""
        names = "Model Garden's names" if self.model_garden else "the original's names"
        order = "" if self.sentence_order else ", without sentence order"
        return f"{'dynamic records' if self.dynamic else f'static records, {names}'}{order}"

    def features(self) -> dict[str, Feature]:
        """Returns the features to read, by their names in the records.

        Features that are not model inputs are left out, because files of other programs may lack
        them.
        """
        return {
            feature.stored_name(self.model_garden): feature
            for feature in (DYNAMIC if self.dynamic else STATIC)
            if (feature.model_name or self.dynamic) and (feature.axis != "1" or self.sentence_order)
        }


class Sizes(NamedTuple):
    """The lengths of the features that a run reads.

    Attributes:
      max_seq_length: S.
      max_predictions: P.
    """

    max_seq_length: int
    max_predictions: int


def sizes(
    paths: Sequence[str],
    max_seq_length: int | None,
    max_predictions: int | None,
    rate: float,
    skip_broken_records: bool = False,
) -> Sizes:
    """Returns S and P of a run; None stands for that of the records.

    Only records of variable length do not store S; their manifest does. They get their masks when
    they are read, so their P is the share `rate` of S, as `albert-tf data build` has it for others.

    Args:
      paths: the record files.
      max_seq_length: S of the run, or None.
      max_predictions: P of the run, or None.
      rate: the share of tokens to predict.
      skip_broken_records: whether to accept files whose first record is broken.

    Raises:
      InputError: no file has a record, or S is None and is not stored.
    """
    if max_seq_length is not None and max_predictions is not None:
        return Sizes(max_seq_length, max_predictions)
    path, record = next(_records(paths, skip_broken_records, 1), (None, None))
    if record is None:
        raise _without_records(paths)
    kind, present = Kind.of(record.features.feature), record.features.feature
    stored = {
        feature.axis: len(present[name].int64_list.value)
        for name, feature in kind.features().items()
        if name in present and not kind.dynamic and feature.dtype != "float32"
    }
    folder = location(path).parent
    if (folder / manifest.NAME).is_file():
        stored["S"] = manifest.read(folder)["settings"]["max_seq_length"]
    length = stored.get("S") if max_seq_length is None else max_seq_length
    if length is None:
        raise InputError(
            f"The length of sequences must be in {manifest.NAME} beside the records, or be set. "
            f"Received '{path}' with {kind} and no {manifest.NAME}. Set SEQ_LENGTH to the "
            "max_seq_length of the build."
        )
    drawn = max(1, round(length * rate))
    return Sizes(length, stored.get("P", drawn) if max_predictions is None else max_predictions)


def check(
    paths: Sequence[str],
    max_seq_length: int,
    masking: Masking,
    skip_broken_records: bool = False,
    vocab_size: int | None = None,
) -> Kind:
    """Checks the record files of a run and returns their kind.

    Args:
      paths: the record files; some, but not all, may be empty.
      max_seq_length: S of the run.
      masking: the mask settings of the run; for static records only P may be set.
      skip_broken_records: whether to accept files whose first record is broken.
      vocab_size: the vocabulary size of the model; None for any.

    Raises:
      InputError: a file does not contain records, a feature is missing or has the wrong length, an
        id is not in the vocabulary, the kinds of records are mixed, no file has a record, or mask
        settings are given for static records.
    """
    _check_manifests(paths, max_seq_length)
    kinds: dict[Kind, str] = {}
    checked = []
    for path, record in _records(paths, skip_broken_records, CHECKED):
        present = record.features.feature
        kind = Kind.of(present)
        kinds.setdefault(kind, path)
        _check_record(path, present, kind, max_seq_length, masking.max_predictions)
        checked.append((path, present))
    if not kinds:
        raise _without_records(paths)
    if len(kinds) > 1:
        mixed = " and ".join(f"{kind} ('{Path(path).name}')" for kind, path in kinds.items())
        raise InputError(
            f"All record files of a run must be of the same kind. Received {mixed}. Pass files of "
            "one kind only."
        )
    (kind,) = kinds
    for path, present in checked if vocab_size is not None else ():
        _check_ids(path, present, kind, vocab_size)
    if not kind.dynamic and masking != Masking(max_predictions=masking.max_predictions):
        raise InputError(
            "The masks of static records are drawn when the records are built. Received "
            f"{masking} for {kind} ('{kinds[kind]}'). Leave out these settings, or build the data "
            "with --record_format dynamic."
        )
    return kind


def _records(
    paths: Sequence[str], skip_broken_records: bool, count: int
) -> Iterator[tuple[str, tf.train.Example]]:
    """Yields the first records of each file with its path."""
    for path in paths:
        try:
            records = first_records(path, count)
        except InputError:
            if not skip_broken_records:
                raise
            continue
        yield from ((path, record) for record in records)


def _without_records(paths: Sequence[str]) -> InputError:
    return InputError(
        f"Record files must contain records. Received {len(paths)} files without records, the "
        f"first of which is '{paths[0]}'. Rebuild the data."
    )


def _check_record(
    path: str,
    present: Mapping[str, tf.train.Feature],
    kind: Kind,
    max_seq_length: int,
    max_predictions: int,
) -> None:
    lengths = {"S": max_seq_length, "P": max_predictions, "1": 1}
    options = {"S": "max_seq_length", "P": "max_predictions_per_seq", "1": "one value"}
    for name, feature in kind.features().items():
        if name not in present:
            raise InputError(
                f"A pretraining record must have the feature {name!r}. Received "
                f"'{Path(path).name}' with {sorted(present)}. Rebuild the data."
            )
        values = present[name]
        length = len(values.float_list.value) or len(values.int64_list.value)
        wanted = lengths.get(feature.axis, length)
        if length != wanted:
            raise InputError(
                f"The feature {name!r} must have the length {wanted} "
                f"({options[feature.axis]}). Received {length} values in '{path}'. Set "
                f"{options[feature.axis]}={length}, or build the data with {wanted}."
            )
        if feature.axis == "L" and length > max_seq_length:
            raise InputError(
                f"A record must have at most {max_seq_length} tokens (max_seq_length). Received "
                f"{length} in '{path}'. Set max_seq_length to the value that the data was built "
                "with."
            )


def _check_ids(
    path: str, present: Mapping[str, tf.train.Feature], kind: Kind, vocab_size: int
) -> None:
    for name, feature in kind.features().items():
        if feature.model_name in ("input_word_ids", "masked_lm_ids"):
            ids = present[name].int64_list.value
            if ids and not (min(ids) >= 0 and max(ids) < vocab_size):
                raise InputError(
                    "Records must hold ids of the model's vocabulary, which has "
                    f"{vocab_size} pieces. Received the id {max(ids, key=abs)} in '{path}'. Set "
                    "VOCAB to the vocabulary that the records were built with, or rebuild them."
                )


def _check_manifests(paths: Sequence[str], max_seq_length: int) -> None:
    """Checks max_seq_length, which records of variable length do not store.

    Before the records, whose lengths only show that another one is meant.
    """
    for folder in sorted({location(path).parent for path in paths}, key=str):
        if not (folder / manifest.NAME).is_file():
            continue
        built = manifest.read(folder)["settings"]["max_seq_length"]
        if built != max_seq_length:
            raise InputError(
                f"Records must be built for max_seq_length={max_seq_length}. Received '{folder}', "
                f"built for {built}. Set max_seq_length={built}, or rebuild the data."
            )
