"""Handles: names of remote models, which other packages download to a local folder.

    hf://OWNER/NAME                          through huggingface_hub
    kaggle://OWNER/MODEL/FRAMEWORK/VARIATION through kagglehub
    https://...                              through tensorflow_hub

Nothing else in this package uses the network.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from albert_tf.errors import InputError

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
    """Downloads a handle if necessary and returns its folder; returns anything else as a path.

    Raises:
      InputError: the scheme is unknown, its package is not installed, or the download fails.
    """
    text = os.fspath(path_or_handle)
    scheme, separator, name = text.partition("://")
    if not separator:
        return Path(text).expanduser()
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
