"""Downloads released models into a cache folder: `release("albert_base_v2")`.

The archives are those of the original code. The cache folder is $ALBERT_TF_CACHE, or albert_tf in
$XDG_CACHE_HOME or ~/.cache. A download that was interrupted is resumed. One process downloads at a
time; the others wait for it. A model is a folder under its own name, which appears only when it is
complete. This module does not import TensorFlow.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import sys
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path, PurePosixPath

import tqdm

from albert_tf import presets
from albert_tf.errors import InputError
from albert_tf.files import check_writable, new_directory, temporary_folder

CACHE = "ALBERT_TF_CACHE"
LAYOUT = "albert_config.json, model.ckpt-best.* and 30k-clean.model or vocab_chinese.txt"
_ATTEMPTS, _TIMEOUT, _BLOCK = 3, 30, 1 << 20  # connections; seconds without data; bytes
_SPACE = 64 << 20  # Bytes that the files of a model may take besides its weights.
# Broken connections and damaged compression, as raised by the modules used here.
_BROKEN = (OSError, EOFError, zlib.error, urllib.error.URLError)


def cache_folder() -> Path:
    """Returns the folder that downloaded models are kept in."""
    if folder := os.environ.get(CACHE):
        return Path(folder).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "albert_tf"


def release(name: str, hugging_face: Callable[[str], Path]) -> Path:
    """Returns the folder of a released model, and downloads it if the cache does not have it.

    Args:
      name: the name of a preset.
      hugging_face: downloads OWNER/NAME from the Hugging Face Hub and returns its folder. Used if
        the archive cannot be reached and huggingface_hub is installed.

    Raises:
      InputError: the name is unknown, the cache cannot be written, the network is unreachable, or
        the archive is damaged.
    """
    preset, folder = presets.get(name), cache_folder() / name
    if folder.is_dir():
        return folder
    _make(folder.parent)
    with _locked(folder.with_name(f".{name}.lock")):
        if folder.is_dir():  # Another process has downloaded it in the meantime.
            return folder
        part = folder.with_name(f".{name}.tar.gz.part")
        try:
            digest = _fetch(preset.source, part)
        except _BROKEN as error:
            if importlib.util.find_spec("huggingface_hub") is None:
                raise _unreachable(name, preset.source, error) from error
            _copy_hugging_face(hugging_face, name, folder, _unreachable(name, preset.source, error))
            return folder
        if preset.sha256 and digest != preset.sha256:
            part.unlink()
            raise _damaged(name, f"its SHA-256 is {digest} instead of {preset.sha256}")
        _extract(part, folder, name, 16 * preset.parameters + _SPACE)
        part.unlink()
    return folder


def _make(cache: Path) -> None:
    try:
        check_writable(cache, "The cache of released models").mkdir(parents=True, exist_ok=True)
    except InputError as error:
        raise InputError(f"{error} {CACHE} sets the folder.") from error
    except OSError as error:
        raise InputError(
            f"The cache of released models must be a folder. Received '{cache}': {error.strerror}. "
            f"Set {CACHE} to another one."
        ) from error


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a lock that ends with the process, so a killed download blocks nobody."""
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{path.parent}: waiting for another download", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# === Download ===
def _fetch(url: str, part: Path) -> str:
    """Downloads `url` to `part`, from the end of what is there; returns the SHA-256 of the file."""
    for attempt in range(_ATTEMPTS):
        try:
            headers = _append(url, part)
            break
        except urllib.error.HTTPError as error:
            if error.code == 416 and attempt == 0:  # `part` is longer than the file.
                part.unlink()
            elif error.code < 500 or attempt == _ATTEMPTS - 1:
                raise
        except _BROKEN:
            if attempt == _ATTEMPTS - 1:
                raise
    _check_sent(headers, part)
    return _digest(part, "sha256").hex()


def _append(url: str, part: Path) -> Message:
    """Appends the rest of `url` to `part`; returns the headers of the answer."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
        if response.status != 206:  # The server sends the whole file.
            start = 0
        length = response.headers["Content-Length"]
        total = start + int(length) if length else None
        print(f"{url}: downloading to {part.parent}", file=sys.stderr)
        with (
            open(part, "ab" if start else "wb") as file,
            tqdm.tqdm(initial=start, total=total, unit="B", unit_scale=True, disable=None) as bar,
        ):
            while block := response.read(_BLOCK):
                file.write(block)
                bar.update(len(block))
            if total is not None and file.tell() < total:
                raise OSError(f"the connection ended after {file.tell()} of {total} bytes")
        return response.headers


def _check_sent(headers: Message, part: Path) -> None:
    """Compares a file with the MD5 that Google Cloud Storage sends in `x-goog-hash`."""
    hashes = ",".join(headers.get_all("x-goog-hash") or ())
    sent = [value.strip()[4:] for value in hashes.split(",") if value.strip().startswith("md5=")]
    if sent and base64.b64decode(sent[0]) != _digest(part, "md5"):
        part.unlink()
        raise OSError("the file differs from the checksum that the server sent")


def _digest(path: Path, algorithm: str) -> bytes:
    digest = hashlib.new(algorithm)
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.digest()


def _unreachable(name: str, url: str, error: Exception) -> InputError:
    reason = getattr(error, "reason", None) or error
    return InputError(
        "A released model must be downloadable, in the cache, or a local folder. Received "
        f"{name!r} ({url}): {reason}. Run the same again to resume. Without a network, pass a "
        f"folder with {LAYOUT}, or put it at '{cache_folder() / name}'."
    )


def _damaged(name: str, reason: str) -> InputError:
    return InputError(
        f"The archive of a released model must be complete and unchanged. Received {name!r}: "
        f"{reason}. Nothing was kept; run the same again to download it anew."
    )


# === Extraction ===
def _extract(archive: Path, folder: Path, name: str, limit: int) -> None:
    """Extracts the folder that contains the model to `folder`; removes a bad archive."""
    try:
        with temporary_folder(folder) as temporary, tarfile.open(archive, "r:gz") as tar:
            for member in _safe_members(tar, limit):
                tar.extract(member, temporary, set_attrs=False, filter="data")
            configs = sorted(temporary.glob("**/albert_config*.json"))
            if not configs or not list(configs[0].parent.glob("*.index")):
                raise ValueError(f"it lacks {LAYOUT}")
            os.replace(configs[0].parent, folder)
    except (tarfile.TarError, ValueError, *_BROKEN) as error:
        archive.unlink()
        raise _damaged(name, str(error)) from error


def _safe_members(tar: tarfile.TarFile, limit: int) -> Iterator[tarfile.TarInfo]:
    """Yields files and folders; rejects links, devices, paths outside, and too much data."""
    total = 0
    for member in tar:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"its member {member.name[:200]!r} is outside of its folder")
        if not (member.isreg() or member.isdir()):
            raise ValueError(f"its member {member.name[:200]!r} is neither a file nor a folder")
        total += member.size
        if total > limit:
            raise ValueError(f"its files take more than {limit} bytes")
        yield member


def _copy_hugging_face(
    download: Callable[[str], Path], name: str, folder: Path, unreachable: InputError
) -> None:
    """Copies the same model from the Hugging Face Hub, with the original's tokenization rules."""
    try:
        source = download(f"albert/{name.replace('_', '-')}")
    except Exception as error:  # The package raises its own errors and those of its HTTP client.
        raise unreachable from error
    with new_directory(folder) as temporary:
        for path in source.iterdir():
            shutil.copyfile(path, temporary / path.name)
        # Its defaults are the settings of the released models. Without the file, the tokenizer
        # would follow the rules of Hugging Face, as for any other folder from there.
        stem = "vocab" if (temporary / "vocab.txt").is_file() else "spiece"
        (temporary / f"{stem}.preprocess.json").write_text("{}\n")
