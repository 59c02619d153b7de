"""Handles: names of models elsewhere, which other packages download to a folder.

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
    """How handles of one kind become a folder.

    Attributes:
      download: handle without its scheme -> path; imports its package when it is called.
      install: what to install if that package is missing.
      layout: the folder to pass instead.
    """

    download: Callable[[str], str]
    install: str
    layout: str


def resolve(path_or_handle: str | os.PathLike) -> Path:
    """Returns the folder of a handle, downloaded if need be; anything else as a path.

    Raises:
      InputError: the package for it is not installed, or the download fails.
    """
    text = os.fspath(path_or_handle)
    scheme, separator, name = text.partition("://")
    if not separator:
        return Path(text).expanduser()
    if scheme not in _RESOLVERS:
        raise InputError(
            f"A handle must begin with one of {[f'{s}://' for s in _RESOLVERS]}. Received "
            f"{text!r}. Pass one of these, or a folder."
        )
    resolver = _RESOLVERS[scheme]
    try:
        return Path(resolver.download(name))
    except ImportError as error:
        raise InputError(
            f"A {scheme}:// handle needs a package that is not installed ({error}). Received "
            f"{text!r}. {resolver.install}, or pass a folder with {resolver.layout}."
        ) from error
    except Exception as error:  # Each package has its own errors, and those of its HTTP client.
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"A handle must be reachable. Received {text!r}: {reason}. Check name and network, or "
            f"pass a folder with {resolver.layout}."
        ) from error


def _hugging_face(name: str) -> str:
    from huggingface_hub import snapshot_download

    return snapshot_download(name, allow_patterns=_FILES)


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
