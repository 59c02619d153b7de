"""Sources: what names a model or its tokenizer, for every class, command and gin macro.

    a folder or checkpoint                   in any format of `albert_tf.formats`
    albert_base_v2                           a released model (`presets`), through `downloads`
    hf://OWNER/NAME                          through huggingface_hub
    kaggle://OWNER/MODEL/FRAMEWORK/VARIATION through kagglehub
    https://...                              through tensorflow_hub

A folder takes precedence over a released model of the same name. Nothing else in this package uses
the network.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from albert_tf import downloads, presets
from albert_tf.errors import InputError, closest

_FILES = ["*.json", "*.safetensors", "pytorch_model.bin", "*.model"]


class Resolver(NamedTuple):
    """How to turn handles of one scheme into a folder.

    Attributes:
      download: takes a handle without its scheme and returns a path. It imports the package that
        it needs only when called.
      install: how to install that package if it is missing.
      layout: the contents of a folder that users can pass instead.
    """

    download: Callable[[str], str]
    install: str
    layout: str


def resolve(path_or_handle: str | os.PathLike) -> Path:
    """Returns the local path of a source; downloads a handle or a released model if necessary.

    Args:
      path_or_handle: a path, a handle, or the name of a released model.

    Raises:
      InputError: nothing has this name, the scheme is unknown, its package is not installed, or the
        download fails.
    """
    text = os.fspath(path_or_handle)
    if "://" in text:
        return _resolve_handle(text)
    path = Path(text).expanduser()
    # The files of a checkpoint are PREFIX.index and PREFIX.data-*.
    if text and (path.exists() or path.with_name(f"{path.name}.index").exists()):
        return path
    if text in presets.PRESETS:
        return downloads.release(text, lambda name: Path(_hugging_face(name)))
    hint = "Check the path." if os.sep in text else closest(text, presets.PRESETS)
    raise InputError(
        "A model must be a folder, a checkpoint, a handle such as hf://OWNER/NAME, or the name of "
        f"a released model. Received {text!r}, which does not exist. {hint}"
    )


def _resolve_handle(text: str) -> Path:
    scheme, _, name = text.partition("://")
    if scheme not in _RESOLVERS:
        raise InputError(
            f"A handle must start with one of {[f'{s}://' for s in _RESOLVERS]}. Received "
            f"{text!r}. Pass such a handle, or a folder."
        )
    resolver = _RESOLVERS[scheme]
    try:
        return Path(resolver.download(name))
    except ImportError as error:
        raise InputError(
            f"A {scheme}:// handle requires a package that is not installed ({error}). Received "
            f"{text!r}. Run `{resolver.install}`, or pass a folder with {resolver.layout}."
        ) from error
    except Exception as error:  # Each package raises its own errors and those of its HTTP client.
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"A handle must be downloadable. Received {text!r}: {reason}. Check the name and the "
            f"network, or pass a folder with {resolver.layout}."
        ) from error


def _hugging_face(name: str) -> str:
    from huggingface_hub import snapshot_download

    folder = snapshot_download(name, allow_patterns=_FILES)
    if not any(next(Path(folder).glob(pattern), None) for pattern in _FILES[1:3]):
        folder = snapshot_download(name, allow_patterns="tf_model.h5")
    return folder


def _kaggle(name: str) -> str:
    from kagglehub import model_download

    return model_download(name)


def _tensorflow_hub(name: str) -> str:
    import tensorflow_hub

    return tensorflow_hub.resolve(f"https://{name}")


_RESOLVERS = {
    "hf": Resolver(
        _hugging_face,
        "pip install albert-tf[hf]",
        "config.json, model.safetensors and spiece.model",
    ),
    "kaggle": Resolver(
        _kaggle,
        "pip install albert-tf[kaggle]",
        "config.json, model.weights.h5 and assets/tokenizer/vocabulary.spm (KerasHub), or "
        "saved_model.pb, variables/ and assets/ (TF-Hub)",
    ),
    "https": Resolver(
        _tensorflow_hub,
        "pip install tensorflow-hub",
        "saved_model.pb, variables/ and assets/, and tfhub_module.pb for a TF1-Hub module",
    ),
}
