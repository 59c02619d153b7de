"""`TaskFiles`: the files that a task reads, and those that it writes answers to."""

from __future__ import annotations

import abc
import gc
import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.files import expand
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.answer_files import TABLES, AnswerFile
from albert_tf.tasks.encoded_examples import EncodedExamples, Outputs
from albert_tf.tasks.fine_tuning_config import FineTuningConfig, FineTuningDataConfig


def held_out(strata: Mapping[Hashable, Hashable], fraction: float) -> set[Hashable]:
    """Returns a fraction of keys, and about the same fraction of each stratum.

    The choice depends on the keys only, not on their order or on a seed. A stratum keeps at least
    one key.

    Args:
      strata: the stratum of each key.
      fraction: the fraction to return, above 0 and below 1; at least one key is returned.

    Raises:
      InputError: no key can be held out.
    """
    members: dict[Hashable, list[Hashable]] = defaultdict(list)
    for key, stratum in strata.items():
        members[stratum].append(key)
    places = []
    for stratum, keys in members.items():
        shift = int(_digest(stratum), 16) / 16**64
        first, *others = sorted(keys, key=_digest)  # The first is kept.
        places += [((rank + shift) / len(keys), key) for rank, key in enumerate(others)]
    if not places:
        raise InputError(
            "EVAL_FRACTION needs labels with several texts each. Received "
            f"{len(strata)} texts in {len(members)} groups. Set EVAL_DATA instead."
        )
    places.sort(key=lambda place: place[0])
    return {key for _, key in places[: max(1, round(fraction * len(strata)))]}


def _digest(key: Hashable) -> str:
    return hashlib.sha256(repr(key).encode("utf-8", "surrogatepass")).hexdigest()


class Facts(NamedTuple):
    """What `data_check` counts of a labelled row.

    Attributes:
      where: the place of the row.
      sequences: the texts of each sequence that the row gives.
      labels: the names that the model has to know for this row, none if it has several labels or
        none; or its number.
      entities: the types of the entities of a sentence.
      shared: the text that several rows are about, such as a passage; "" for none.
    """

    where: str
    sequences: tuple[tuple[str, ...], ...] = ()
    labels: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    shared: str = ""


class TaskFiles(abc.ABC):
    """Reads rows, encodes them as examples, and writes answers. Tasks implement the methods.

    Attributes:
      task_config: the config of the task.
      OUTPUTS: the extensions of answer files that only this task writes; see `answer_file`.
      INPUT: the extension of the format that the task reads from standard input.
      UNIT: what a row of its files is.
      SKIPS: the field of the config that leaves broken rows out.
      KEEPS_COLUMNS: whether its files are tables, whose columns can be kept.
      longer: what happens to rows that are longer than the maximum sequence length.
      keep_columns: the columns that rows to predict keep beside the answers.
    """

    task_config: FineTuningConfig
    OUTPUTS: ClassVar[tuple[str, ...]] = ()
    INPUT: ClassVar[str] = ".txt"
    UNIT: ClassVar[str] = "row"
    SKIPS: ClassVar[str] = "skip_broken_rows"
    KEEPS_COLUMNS: ClassVar[bool] = False
    longer: str = "are cut"
    keep_columns: tuple[str, ...] = ()

    # === To implement in a subclass ===
    @abc.abstractmethod
    def rows(
        self, params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> Iterable[Any]:
        """Yields what examples are made from, such as a row of a table, in the order of the files.

        Rows can be sent to other processes. With `keep_columns`, each has their texts as `kept`.
        An iterator reads files as it goes; a list says that they had to be read as a whole.

        Args:
          params: the files.
          labelled: whether the files have labels; False for files to predict.
          report: takes the rows that are left out.

        Raises:
          InputError: a file breaks a rule of its format; the error names the file and the line.
        """

    @abc.abstractmethod
    def encode(
        self, rows: Sequence[Any], params: FineTuningDataConfig, labelled: bool, report: RowReport
    ) -> EncodedExamples:
        """Tokenises all rows, or some that follow each other; arguments and errors as above.

        The examples keep the parts of the rows that answers need.
        """

    @abc.abstractmethod
    def describe(self) -> TaskDescription:
        """Returns the content of task.json, with the labels of the training data or weights."""

    @abc.abstractmethod
    def answers(self, examples: EncodedExamples, outputs: Outputs) -> Iterable[dict[str, Any]]:
        """Yields a JSON-serializable answer for each row, in the order of the outputs."""

    def key(self, row: Any) -> tuple[Hashable, Hashable]:
        """Returns what rows to train and to evaluate on must not share, and what they both need.

        `EVAL_FRACTION` holds out whole groups of rows with the same text, such as the questions
        about one passage, and the same fraction of the rows of each label.
        """
        return repr(row), ""

    def keys(self, rows: Sequence[Any]) -> list[tuple[Hashable, Hashable]]:
        """Returns `key` of each row; a task whose keys depend on all rows overrides it."""
        return list(map(self.key, rows))

    def facts(self, row: Any) -> Facts:
        """Returns what `albert-tf data check` counts of a labelled row; by default nothing."""
        return Facts("")

    def has_numbers(self, labels: Sequence[str]) -> bool:
        """Returns whether labels are numbers to predict rather than names."""
        return False

    def columns(self) -> Mapping[str, Any]:
        """Returns the columns of answers in tables and their types: str, int, float or list[...].

        The entry "b" of a mapping "a" is the column "a.b". Without columns, a task writes no
        tables.
        """
        return {}

    def table_rows(self, answer: dict[str, Any]) -> Iterable[Mapping[str, Any]]:
        """Yields the rows of an answer in tables: by default one, the answer itself."""
        yield answer

    # === Reading ===
    def read(self, params: FineTuningDataConfig, labelled: bool = True) -> EncodedExamples:
        """Reads and encodes whole files; arguments and errors are those of `rows`.

        Python's garbage collection is off meanwhile. It looks for cycles among all the rows that
        were read, again and again: for a file of 100 MB, that is half of the time or more.
        """
        report = self.new_report(labelled)
        is_enabled = gc.isenabled()
        gc.disable()
        try:
            rows = self.rows(params, labelled, report)
            rows = rows if isinstance(rows, list) else list(rows)
            if labelled and self.task_config.eval_fraction:
                rows = self.part(rows, params)
                report.part = len(rows)
            examples = self.encode(rows, params, labelled, report)
        finally:
            if is_enabled:
                gc.enable()
        report.forget()
        return examples

    def any_labelled(self, params: FineTuningDataConfig) -> bool:
        """Returns whether files that can be predicted have labels: a row that can be trained on.

        Raises:
          InputError: a file cannot be read.
        """
        report = RowReport(self.UNIT, skip_broken=True)
        return any(True for _ in self.rows(params.replace(is_training=True), True, report))

    def part(self, rows: list[Any], params: FineTuningDataConfig) -> list[Any]:
        """Returns the rows to train on, or those that `EVAL_FRACTION` holds out."""
        if self._held is None:
            # Reading to train leaves some rows out that are evaluated.
            as_held = params.replace(is_training=False)
            all_rows = (
                rows if not params.is_training else self.rows(as_held, True, self.new_report(True))
            )
            keys = dict(self.keys(list(all_rows)))
            self._held = held_out(keys, self.task_config.eval_fraction)
        keyed = zip(rows, self.keys(rows))
        return [row for row, (key, _) in keyed if (key in self._held) != params.is_training]

    _held: set[Hashable] | None = None

    def new_report(self, labelled: bool) -> RowReport:
        """Returns a report; it leaves broken rows out if they have labels and the config says so.

        Each row to predict needs an answer.
        """
        skip = labelled and getattr(self.task_config, self.SKIPS, False)
        return RowReport(self.UNIT, skip)

    def paths(self, params: FineTuningDataConfig) -> list[Path]:
        """Returns the files, in the order in which they are read."""
        return expand(params.input_path)

    def check_kept(self, paths: Iterable[Path], named: Sequence[str] = ()) -> None:
        """Raises `InputError` if text files without named columns should keep columns.

        Args:
          paths: the files.
          named: the columns of text files.
        """
        for path in paths if set(self.keep_columns) - set(named) else ():
            if path.name.removesuffix(".gz").endswith(".txt"):
                raise InputError(
                    "Columns can be kept from tables with a header and from JSON Lines. Received "
                    f"--keep_columns {','.join(self.keep_columns)} for '{path}'. Convert the file, "
                    "or leave them out."
                )

    # === Answers ===
    def answer_file(self, ending: str, keep: Sequence[str] = ()) -> AnswerFile:
        """Returns a file of answers with this extension; every task writes .jsonl.

        Args:
          ending: the extension.
          keep: the names in answers of columns of the input, which come first.

        Raises:
          InputError: the task does not write files with this extension.
        """
        columns = self.columns()
        if ending == ".jsonl":
            return AnswerFile(keep)
        if columns and ending in TABLES:
            return TABLES[ending](columns, self.table_rows, keep)
        *most, last = dict.fromkeys([".jsonl", *(TABLES if columns else ()), *self.OUTPUTS])
        raise InputError(
            f"Answers for {self.describe().task} are written as {', '.join(most)}"
            f"{' or ' * bool(most)}{last}. Received "
            f"an --output {f'that ends in {ending!r}' if ending else 'without an extension'}."
        )
