"""Writes an artefact: its folder, version and assets, and the SavedModel itself."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.files import new_directory
from albert_tf.formats.load import load
from albert_tf.formats.source import Source
from albert_tf.tokenization import vocabulary
from albert_tf.tokenization.settings import path_beside
from albert_tf.tokenization.tokenizer import AlbertTokenizer

from . import manifest, model_card, warmup

WHAT = "The export directory"
NEXT = "next"


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Prints what an export does now and, on a terminal as progress bars, how long it took."""
    print(f"{what} ...", flush=True)
    begin = time.perf_counter()
    yield
    if sys.stdout.isatty():
        print(f"  {time.perf_counter() - begin:.1f} s", flush=True)


def read(source: str | os.PathLike | Source) -> Source:
    """Reads the model to export (`formats.load.load`), and prints what was read now."""
    if isinstance(source, Source):
        return source
    loaded = load(source)
    print("\n  note: ".join((f"source: {loaded}", *loaded.notes)))
    return loaded


def write(
    module: Any,
    dest: str | os.PathLike,
    signatures: Mapping[str, Callable[..., Any]],
    description: Mapping[str, Any],
    card: str,
    verify: Callable[[Path], Any] | None = None,
    requests: Iterable[warmup.Request] = (),
) -> Path:
    """Saves a module with a manifest; `dest` is created only if everything succeeds.

    Args:
      module: a trackable object whose assets are existing files.
      dest: the folder to create; it must be new or empty.
      signatures: concrete functions by name.
      description: entries of the manifest in addition to those that are read from the artefact.
      card: the text of the artefact's README.md.
      verify: called with the finished folder under its temporary name, before it is renamed. If it
        raises an exception, no artefact is created.
      requests: warmup requests; see `warmup`.

    Returns:
      `dest`.

    Raises:
      InputError: `dest` is not empty or cannot be written. Raised before any work.
    """
    dest = Path(dest).expanduser()
    with new_directory(dest, WHAT) as temporary:
        with step("saving the graphs and weights"):
            tf.saved_model.save(module, str(temporary), signatures=dict(signatures))
        warmup.write(temporary, requests)
        (temporary / model_card.NAME).write_text(card, encoding="utf-8")
        manifest.write(temporary, description)
        if verify is not None:
            with step("comparing with the source in a separate process"):
                verify(temporary)
    return dest


def size(variables: Iterable[tf.Variable]) -> int:
    """Returns the number of bytes of variables, the most of what an artefact takes."""
    return sum(v.shape.num_elements() * v.dtype.size for v in variables)


def version_folder(base: str | os.PathLike, version: str = NEXT) -> Path:
    """Returns the folder of a version, which need not exist yet.

    TensorFlow Serving serves the highest number that it finds. It ignores all other names, such as
    the name of the temporary folder in which an export is written before it is renamed.

    Args:
      base: the folder that contains all versions; its name is the name of the served model.
      version: a whole number, or "next" for one more than the highest existing version (1 if there
        is none).

    Raises:
      InputError: `version` is invalid.
    """
    base = Path(base).expanduser()
    if version == NEXT:
        names = [path.name for path in base.iterdir()] if base.is_dir() else []
        return base / str(max((int(n) for n in names if _is_version(n)), default=0) + 1)
    if not _is_version(version):
        raise InputError(
            "A version must be a whole number below 2**63; TensorFlow Serving ignores all other "
            f"names. Received {version!r}. Omit it to use the next number."
        )
    return base / str(int(version))


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdecimal() and int(name) < 2**63


def write_assets(folder: Path, tokenizer: AlbertTokenizer, config: AlbertConfig) -> dict[str, Path]:
    """Writes the assets and returns their paths, by the name of the module's attribute.

    - `sp_model_file`: the SentencePiece model, under its own name;
    - `vocab_listing`: its pieces and scores for human readers, in the format of SentencePiece,
      which has no place for added tokens;
    - in place of both, `vocab_file`: the WordPiece vocabulary;
    - `preprocess_description`: how text is preprocessed, with the added tokens, in a file that
      `AlbertTokenizer` finds;
    - `albert_config`: albert_config.json, as in the released models.
    """
    model_file = tokenizer.save(folder)
    if tokenizer.is_wordpiece:
        assets = {"vocab_file": model_file}
    else:
        listing = model_file.with_suffix(".vocab")
        listing.write_text(vocabulary.listing(tokenizer.processor), encoding="utf-8")
        assets = {"sp_model_file": model_file, "vocab_listing": listing}
    config_file = folder / "albert_config.json"
    config.to_json_file(config_file)
    return {
        **assets,
        "preprocess_description": path_beside(model_file),
        "albert_config": config_file,
    }
