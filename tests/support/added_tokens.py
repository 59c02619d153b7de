"""Hugging Face folders with added tokens, and what transformers 4 makes of them."""

import json
import shutil
from pathlib import Path

from tests.support.paths import TESTDATA

_GOLDENS = TESTDATA / "tokenization"
FOLDERS = json.loads((_GOLDENS / "added_tokens.json").read_text())["folders"]
SIZE = 1000  # pieces of spm.model


def write_folder(name: str, folder: Path) -> Path:
    """Writes the tokenizer files of one of `FOLDERS`."""
    shutil.copy(_GOLDENS / "spm.model", folder / "spiece.model")
    for file, values in FOLDERS[name]["files"].items():
        (folder / file).write_text(json.dumps(values))
    return folder
