"""Damages small files and reads them: a reader must succeed or raise one `InputError`.

`python -m tests.support.fuzz 10` reads files with new seeds for ten minutes, and prints the seeds
that fail. The table of the readers is in fuzz_readers.py.
"""

from __future__ import annotations

import copy
import gzip
import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from albert_tf.errors import InputError
from tests.support.fuzz_readers import READERS, Reader

SECONDS = 5.0  # Of processor time; each file has less than 100 kB.
LONGEST = 2000  # Characters of an error.

# === Damage ===
_ODD_BYTES = [
    *(b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xc3", b"\xf4\x90\x80\x80"),
    *(b"\n", b"\r", b"\r\n", b"\t", b",", b'"', b'""', b"#", b"\\", b"\\ud800", b"\x1a", b"\x85"),
    *(b"-1", b"1e999", b"NaN", b"null", b"true", b"{}", b"[]", b"-DOCSTART-", "\u2028".encode()),
    *("\u0301".encode(), "\ufdfa".encode() * 9, b" " * 99, b"9" * 5000, b"a" * 70_000),
]
_ODD_VALUES = [
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, float("inf")),
    *(float("nan"), "", " ", "a", "1", "\0", "\ud800", "x" * 3000, [], {}, [[]], [None], {"": 0}),
    *([1, 2], ["a"], {"a": 1}, "@huge", "@deep"),
]


def _damaged_bytes(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 5))):
        first, second = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        second = min(second, first + rng.choice((1, 4, 40, 4000)))
        part = data[first:second]
        new = rng.choice(
            (
                lambda part=part: b"",
                lambda part=part: part + part,
                lambda part=part: part * 50,
                lambda part=part: part[::-1],
                lambda part=part: bytes(b ^ (1 << rng.randrange(8)) for b in part[:3]) + part[3:],
                lambda: rng.choice(_ODD_BYTES),
                lambda: rng.choice(_ODD_BYTES) * 3,
                lambda: rng.randbytes(rng.randrange(1, 9)),
                None,
            )
        )
        data = data[:first] if new is None else data[:first] + new() + data[second:]
    return data


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yields every container in a JSON value with each of its keys."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in list(keys) if isinstance(value, (dict, list)) else ():
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])


def _damaged_json(text: bytes, rng: random.Random) -> bytes:
    """Replaces, removes, repeats or adds values of a JSON text."""
    holder = [json.loads(text)]
    for _ in range(rng.choice((1, 1, 2, 4))):
        parent, key = rng.choice(list(_places(holder)))
        action = rng.randrange(6)
        if action == 0 and parent is not holder:
            del parent[key]
        elif action == 1 and isinstance(parent, dict):
            name = rng.choice(("", "x", key.upper(), key + " ", "k" * 300))
            parent[name] = copy.deepcopy(parent[key])
        elif action == 2:
            parent[key] = [parent[key]] * rng.choice((1, 2, 20))
        elif action == 3:
            parent[key] = {str(rng.choice(_ODD_VALUES))[:9]: parent[key]}
        else:
            parent[key] = copy.deepcopy(rng.choice(_ODD_VALUES))
    depth = rng.choice((rng.randrange(1, 1100), 2000, 30_000))
    text = json.dumps(holder[0], indent=rng.choice((None, 1)) if b"\n" in text.strip() else None)
    deep = rng.choice(("[]", ['{"a":', "}"]))
    text = text.replace('"@deep"', deep[0] * depth + "1" + deep[1] * depth)
    return text.replace('"@huge"', rng.choice(("9" * 5000, "-1e99999"))).encode()


def _structural(data: bytes, rng: random.Random) -> bytes:
    try:
        json.loads(data)
        return _damaged_json(data, rng)
    except ValueError:
        lines = data.splitlines(keepends=True)
        number = rng.randrange(len(lines))
        try:
            lines[number] = _damaged_json(lines[number], rng) + b"\n"
        except ValueError:  # Not JSON: lines are lost, repeated or exchanged.
            lines[number : number + 1] = rng.choice(([], lines[number:], lines[: number + 1]))
        return b"".join(lines)


def damaged(reader: Reader, seed: int) -> tuple[str, bytes]:
    """Returns the name and the bytes of a damaged file; the same for the same seed."""
    rng = random.Random(f"{reader.name} {seed}")
    change = rng.choice((_damaged_bytes, _structural))
    data = change(reader.data, rng)
    if reader.file.endswith((".csv", ".tsv", ".jsonl")) and rng.random() < 0.15:
        data = gzip.compress(data, mtime=0)
        return f"{reader.file}.gz", _damaged_bytes(data, rng) if rng.random() < 0.7 else data
    return reader.file, data


def problem(reader: Reader, seed: int, folder: Path) -> str:
    """Reads a damaged file in `folder`, and returns what is wrong; "" if nothing is."""
    name, data = damaged(reader, seed)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    begin = time.process_time()
    try:
        reader.read(path)
    except InputError as error:
        text = str(error)
        if len(text.splitlines()) != 1 or len(text) > LONGEST:
            return f"{len(text.splitlines())} lines, {len(text)} characters: {text:.300}"
    except Exception:
        return traceback.format_exc(limit=-4)
    finally:
        path.unlink(missing_ok=True)
    seconds = time.process_time() - begin
    return f"{seconds:.1f} s" if seconds > SECONDS else ""


def main(minutes: float) -> int:
    """Reads damaged files for some minutes; returns 1 if a reader fails."""
    end, seed = time.monotonic() + 60 * minutes, random.SystemRandom().randrange(2**40)
    failures: Counter[str] = Counter()
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            seed += 1
            for reader in READERS:
                count += 1
                if found := problem(reader, seed, Path(folder)):
                    failures[found.splitlines()[-1]] += 1
                    if failures[found.splitlines()[-1]] == 1:
                        print(f"=== {reader.name}, seed {seed}\n{found}", flush=True)
    print(f"{count:,} files, {failures.total()} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
