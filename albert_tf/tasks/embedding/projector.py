"""The files of TensorBoard's projector, which draws vectors in two or three dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from albert_tf import files
from albert_tf.tasks.answer_files import Answer, Tsv, tsv_field

CONFIG, VECTORS, METADATA = "projector_config.pbtxt", "vectors.tsv", "metadata.tsv"
WHAT = "The folder of the projector"
_BLANK = "(blank)"  # The projector skips blank lines, and blanks at both ends of a line.
_CONFIG = f"""embeddings {{
  tensor_name: "embedding"
  tensor_path: "{VECTORS}"
  metadata_path: "{METADATA}"
}}
"""


class Projector(Tsv):
    """Vectors and the kept columns; the output is a folder that TensorBoard takes as --logdir.

    The partial file has a line for each vector: its numbers, then the columns.

    Args:
      keep: the names of the columns in answers.
    """

    def __init__(self, keep: Sequence[str]) -> None:
        super().__init__({}, lambda answer: [answer], keep)

    def begin(self) -> str:
        """Returns the content before the first vector."""
        return ""

    def add(self, answers: Iterable[Answer]) -> str:
        """Returns the lines of the next vectors."""
        lines = []
        for answer in answers:
            numbers = answer["embedding"].astype(np.float64)
            cells = [*(f"{number:.9g}" for number in numbers), *(answer[n] for n in self.keep)]
            lines.append(self.line(cells))
        return "".join(lines)

    def cell(self, text: str) -> str:
        """Returns a text as a field that is not blank."""
        return tsv_field(text).strip() or _BLANK

    def put(self, partial: Path, output: Path) -> None:
        """Makes a folder of the partial file."""
        width = len(self.keep)
        with (
            files.new_directory(output, WHAT) as folder,
            open(partial, encoding="utf-8", newline="\n") as lines,
            open(folder / VECTORS, "w", encoding="utf-8", newline="\n") as vectors,
            open(folder / METADATA, "w", encoding="utf-8", newline="\n") as metadata,
        ):
            if width > 1:  # A single column has no header.
                metadata.write("\t".join(map(tsv_field, self.keep)) + "\n")
            for line in lines:
                cells = line.rstrip("\n").split("\t")
                vectors.write("\t".join(cells[:-width]) + "\n")
                metadata.write("\t".join(cells[-width:]) + "\n")
            (folder / CONFIG).write_text(_CONFIG, encoding="utf-8")
        partial.unlink()
