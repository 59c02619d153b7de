"""Loads an export and makes requests for it, for `albert-tf benchmark`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from albert_tf.errors import InputError

SPECIAL = 2  # [CLS] and [SEP]
_SEED = 0
_FIRST_ID = 5  # after the special tokens


class Target(NamedTuple):
    """A loaded model.

    Attributes:
      folder: the folder that was loaded.
      kind: what it is, such as "classification" or "encoder".
      longest: the greatest number of tokens of a row.
      request: returns inputs for rows with these numbers of tokens.
      call: runs the model on inputs, and waits for the outputs.
      batches: whether it takes more than one row.
    """

    folder: Path
    kind: str
    longest: int
    request: Callable[[Sequence[int]], Mapping[str, Any]]
    call: Callable[[Mapping[str, Any]], Any]
    batches: bool = True


def find(folder: Path) -> Path:
    """Returns the folder of an export: `folder`, or its highest version.

    Raises:
      InputError: there is none.
    """
    numbered = [path for path in folder.glob("[0-9]*") if path.name.isdigit() and path.is_dir()]
    for path in (folder, *sorted(numbered, key=lambda path: -int(path.name))[:1]):
        if (path / "saved_model.pb").is_file() or (path / "model.tflite").is_file():
            return path
    raise InputError(
        "MODEL must be a folder that `albert-tf export` has written. Received "
        f"'{folder}', which has neither saved_model.pb nor model.tflite. Export the model first."
    )


def start(folder: Path) -> None:
    """Imports what runs an export, so that `load` can be measured by itself."""
    if (folder / "model.tflite").is_file():
        import ai_edge_litert.interpreter  # noqa: F401
    else:
        import tensorflow_text  # noqa: F401  Registers the operations of tokenizers.


def load(folder: Path, threads: int = 1) -> Target:
    """Loads an export.

    Args:
      folder: the result of `find`.
      threads: the threads of a LiteRT interpreter; a SavedModel has those of TensorFlow.

    Raises:
      InputError: the export is damaged, or another program wrote it without serving_default.
    """
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    config = manifest.get("config", {})
    longest = manifest.get("seq_length") or config.get("max_position_embeddings") or 512
    kind = manifest.get("task") or manifest.get("kind", "SavedModel")
    words = _words(folder)
    if (folder / "model.tflite").is_file():
        return _load_lite(folder, f"lite, {kind}", longest, threads)
    import tensorflow as tf

    start(folder)
    try:
        model = tf.saved_model.load(str(folder))
        signature = model.signatures["serving_default"]
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        raise InputError(
            "MODEL must be a complete SavedModel with the signature serving_default. Received "
            f"'{folder}': {error!r:.200}. Export the model again."
        ) from error
    specs = signature.structured_input_signature[1]

    def request(lengths: Sequence[int]) -> dict[str, tf.Tensor]:
        of_text = all(spec.dtype == tf.string for spec in specs.values())
        make = _texts(specs, lengths, words) if of_text else _ids(specs, lengths)
        return {name: tf.constant(value) for name, value in make}

    def call(inputs: Mapping[str, tf.Tensor]) -> list[Any]:
        try:
            return [value.numpy() for value in signature(**inputs).values()]
        except tf.errors.InvalidArgumentError as error:
            raise InputError(
                "A request must keep the limits of the model. Received one that it refuses: "
                f"{error.message:.200} Choose smaller --batch_sizes or --lengths."
            ) from error

    call.model = model  # type: ignore[attr-defined]  # Its variables live as long as it does.
    return Target(folder, kind, longest, request, call)


def _load_lite(folder: Path, kind: str, longest: int, threads: int) -> Target:
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(folder / "model.tflite"), num_threads=threads).get_signature_runner()
    details = run.get_input_details()

    def request(lengths: Sequence[int]) -> dict[str, Any]:
        inputs = {}
        for name, detail in details.items():
            _, *choices, length = detail["shape_signature"]
            length = length if length > 0 else lengths[0]
            row = _of_ids(name, [min(lengths[0], length)], length)  # [1, S]
            inputs[name] = np.broadcast_to(row, [1, *[2] * len(choices), length])
        return inputs

    return Target(folder, kind, longest, request, lambda inputs: run(**inputs), batches=False)


def _texts(
    specs: Mapping[str, Any], lengths: Sequence[int], words: Sequence[str]
) -> Iterator[tuple[str, Any]]:
    """Yields each text input; the tokens of a row are divided among them."""
    rng = np.random.default_rng(_SEED)
    for name, spec in specs.items():
        rows = []
        for length in lengths:
            count = max(1, (length - SPECIAL - len(specs) + 1) // len(specs))
            rows.append(" ".join(rng.choice(words, count)))
        choices = [2] * (len(spec.shape) - 1)
        array = np.array(rows, object).reshape([-1, *[1] * len(choices)])
        yield name, np.broadcast_to(array, [len(rows), *choices])


def _ids(specs: Mapping[str, Any], lengths: Sequence[int]) -> Iterator[tuple[str, Any]]:
    """Yields each input of ids; rows with choices have two."""
    for name, spec in specs.items():
        array = _of_ids(name, lengths, max(lengths))
        if len(spec.shape) == 3:
            array = np.repeat(array[:, np.newaxis], 2, axis=1)
        yield name, array


def _of_ids(name: str, lengths: Sequence[int], width: int) -> Any:
    """Returns the ids, the mask or the type ids of rows, int32 [B, S], by the input's name."""
    mask = np.arange(width) < np.array(lengths)[:, np.newaxis]
    if "mask" in name:
        return mask.astype(np.int32)
    if "type" in name or "segment" in name:
        return np.zeros(mask.shape, np.int32)
    rng = np.random.default_rng(_SEED)
    return np.where(mask, rng.integers(_FIRST_ID, 2 * _FIRST_ID, mask.shape), 0).astype(np.int32)


def _words(folder: Path) -> list[str]:
    """Returns words of the vocabulary that are one token each."""
    for path in sorted(folder.glob("assets/*.vocab")):
        pieces = (line.split("\t")[0] for line in path.read_text(encoding="utf-8").splitlines())
        words = [piece[1:] for piece in pieces if piece[:1] == "\u2581" and piece[1:].isalpha()]
        if words:
            return words[:1000]
    return ["a"]
