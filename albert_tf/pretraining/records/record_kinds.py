"""What kind of records files hold, and whether they fit a run: looked up before any work.

The first record of each file is read, and the manifest where there is one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf

from albert_tf.data.storage import location
from albert_tf.errors import InputError
from albert_tf.pretraining.masking.masking import Masking
from albert_tf.pretraining.records import manifest
from albert_tf.pretraining.records.features import DYNAMIC, STATIC, Feature
from albert_tf.pretraining.records.record_files import first_record


class Kind(NamedTuple):
    """A kind of records.

    Attributes:
      dynamic: masks are drawn when reading; else the records hold them.
      model_garden: the features have Model Garden's names; else the original's.
      sentence_order: there is a label of it.
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
        """Tells the kind in an error."""
        names = "Model Garden's names" if self.model_garden else "the original's names"
        order = "" if self.sentence_order else ", without sentence order"
        return f"{'dynamic records' if self.dynamic else f'static records, {names}'}{order}"

    def features(self) -> dict[str, Feature]:
        """Returns the features that are read, by their names in the records.

        That leaves out what the model does not take; files of other programs may lack it.
        """
        return {
            feature.stored_name(self.model_garden): feature
            for feature in (DYNAMIC if self.dynamic else STATIC)
            if (feature.model_name or self.dynamic) and (feature.axis != "1" or self.sentence_order)
        }


def check(
    paths: Sequence[str],
    max_seq_length: int,
    masking: Masking,
    skip_broken_records: bool = False,
) -> Kind:
    """Returns the kind of the records of all files.

    Args:
      paths: of record files; empty ones among others pass.
      max_seq_length: S of the run.
      masking: settings of the run; static records have theirs, and only P counts.
      skip_broken_records: files whose first record is broken pass too.

    Raises:
      InputError: a file does not hold records, a feature is missing or of another length than the
        run's, kinds are mixed, no file holds a record, or static records meet settings of masks.
    """
    found: dict[Kind, str] = {}
    for path in paths:
        try:
            record = first_record(path)
        except InputError:
            if not skip_broken_records:
                raise
            continue
        if record is not None:
            present = record.features.feature
            kind = Kind.of(present)
            found.setdefault(kind, path)
            _check_record(path, present, kind, max_seq_length, masking.max_predictions)
    if not found:
        raise InputError(
            f"Record files must hold records. Received {len(paths)} files without one, the first "
            f"'{paths[0]}'. Build the data again."
        )
    if len(found) > 1:
        kinds = " and ".join(f"{kind} ('{Path(path).name}')" for kind, path in found.items())
        raise InputError(
            f"All record files of a run must be of one kind. Received {kinds}. Name the files of "
            "one kind only."
        )
    (kind,) = found
    _check_manifests(paths, max_seq_length)
    if not kind.dynamic and masking != Masking(max_predictions=masking.max_predictions):
        raise InputError(
            "Masks of static records are drawn when they are built. Received "
            f"{masking} for {kind} ('{found[kind]}'). Leave these settings out, or build the data "
            "with --record_format dynamic."
        )
    return kind


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
                f"'{Path(path).name}' with {sorted(present)}. Build the data again."
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
                f"{length} in '{path}'. Set max_seq_length as the data was built."
            )


def _check_manifests(paths: Sequence[str], max_seq_length: int) -> None:
    """Checks what the records of variable length do not tell themselves."""
    for folder in sorted({location(path).parent for path in paths}, key=str):
        if not (folder / manifest.NAME).is_file():
            continue
        built = manifest.read(folder)["settings"]["max_seq_length"]
        if built != max_seq_length:
            raise InputError(
                f"Records must be built for max_seq_length={max_seq_length}. Received '{folder}', "
                f"built for {built}. Set max_seq_length={built}, or build the data again."
            )
