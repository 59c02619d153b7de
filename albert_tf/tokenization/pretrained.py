"""Finding the SentencePiece model of a folder, and how its text was prepared."""

from __future__ import annotations

import json
import os
from pathlib import Path

from albert_tf.errors import InputError
from albert_tf.tokenization.settings import Preprocessing, path_beside

HUGGING_FACE_NAME = "spiece.model"


def find(source: str | os.PathLike) -> tuple[Path, Preprocessing | None]:
    """Returns the model of a folder or file, and its settings where the folder tells them.

    A folder may be one that `AlbertTokenizer.save` wrote, an export (the model lies in assets/), a
    release of the original code (30k-clean.model) or a Hugging Face folder (spiece.model, settings
    in tokenizer_config.json, rules "hugging_face").

    Args:
      source: a folder, or the model itself.

    Returns:
      The model, and its settings, None where only the file beside the model or the defaults tell.

    Raises:
      InputError: there is no model, or more than one.
    """
    source = Path(source).expanduser()
    model_file = source if source.is_file() else _in_folder(source)
    if model_file.name == HUGGING_FACE_NAME and not path_beside(model_file).exists():
        return model_file, _hugging_face(model_file.parent)
    return model_file, None


def _in_folder(folder: Path) -> Path:
    expected = (
        "a folder with one *.model file, in itself or in assets/, such as one that "
        "AlbertTokenizer.save wrote, an export, or a Hugging Face folder with spiece.model"
    )
    if not folder.is_dir():
        raise InputError(
            f"A tokenizer must be a local path. Received '{folder}', which does not exist. "
            f"Download it first; expected is a *.model file, or {expected}."
        )
    for place in (folder, folder / "assets"):
        found = sorted(place.glob("*.model"))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(path.name for path in found)
            raise InputError(
                f"A folder must hold one SentencePiece model. Received '{place}' with {names}. "
                "Name the file."
            )
    raise InputError(f"A tokenizer folder must be {expected}. Received '{folder}' without one.")


def _hugging_face(folder: Path) -> Preprocessing:
    file = folder / "tokenizer_config.json"
    values = {}
    if file.is_file():
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(
                f"A tokenizer config must be JSON. Received '{file}': {error}."
            ) from error
    return Preprocessing(
        lower_case=values.get("do_lower_case", True),
        keep_accents=values.get("keep_accents", False),
        rules="hugging_face",
    )
