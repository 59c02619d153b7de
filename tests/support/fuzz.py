"""Damages small files and reads them: a reader must succeed or raise one `InputError`.

`READERS` is the table of all readers; add a row to test another one. `python -m tests.support.fuzz
10` reads files with new seeds for ten minutes, and prints the seeds that fail.
"""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from albert_tf import files
from albert_tf.config import AlbertConfig
from albert_tf.data import documents, tables
from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.formats import hugging_face_config, keras_hub
from albert_tf.formats.load import load
from albert_tf.pretraining.records import manifest
from albert_tf.task_types import TaskDescription
from albert_tf.tasks.classification import data as classification
from albert_tf.tasks.classification import glue
from albert_tf.tasks.multiple_choice import choice_tables, race
from albert_tf.tasks.multiple_choice import data as multiple_choice
from albert_tf.tasks.question_answering import data as question_answering
from albert_tf.tasks.question_answering import squad
from albert_tf.tasks.question_answering.span_windows import WindowSettings
from albert_tf.tasks.tagging import conll
from albert_tf.tasks.tagging import data as tagging
from albert_tf.tokenization.settings import Preprocessing
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.paths import TESTDATA

SECONDS = 5.0  # Of processor time; each file has less than 100 kB.
LONGEST = 2000  # Characters of an error.

VOCABULARY = TESTDATA / "tokenization/spm.model"


class Reader(NamedTuple):
    """A row of the table.

    Attributes:
      name: the name of the row.
      file: the name of the file, with folders.
      data: the bytes of a valid file.
      read: what reads the file.
      share: the share of the seeds that the suite tries, less for what is slow.
    """

    name: str
    file: str
    data: bytes
    read: Callable[[Path], Any]
    share: float = 1.0


@cache
def tokenizer() -> AlbertTokenizer:
    return AlbertTokenizer(VOCABULARY)


# === What reads each kind of file ===
def _table(path: Path, texts=("text",), header=(), to_predict=False) -> None:
    report = RowReport(skip_broken=len(path.parts) % 2 == 0)
    columns = texts if to_predict else (*texts, "label")
    rows = tables.read(path, columns, header, report, to_predict)
    rows = tables.without_repeats(rows, report, to_predict)
    label = "" if to_predict else "label"
    rows = list(classification.labelled_texts(rows, texts, label, report))
    if rows and not to_predict and classification.are_numbers([row.label for row in rows]):
        classification.numbers(rows)
    classification.examples(rows, tokenizer(), 16, None, report)


def _predicted(path: Path) -> None:
    _table(path, to_predict=True)


def _pairs(path: Path) -> None:
    _table(path, ("first", "second"))


def _glue(path: Path) -> None:
    layout = glue.layout("mrpc")
    report = RowReport()
    rows = tables.read(path, (*layout.texts, layout.label), layout.header, report)
    rows = list(classification.labelled_texts(rows, layout.texts, layout.label, report))
    classification.classes(rows, layout.labels)


def _squad(path: Path, is_training: bool = True) -> None:
    report = RowReport("question")
    questions = squad.read([path], report)
    if is_training:
        questions = question_answering.well_placed(questions, True, report)
    settings = WindowSettings(24, 4, 8)
    list(question_answering.prepare(questions, tokenizer(), settings, report, is_training))


def _squad_to_predict(path: Path) -> None:
    _squad(path, is_training=False)


def _race(path: Path) -> None:
    report = RowReport("item")
    items = list(multiple_choice.checked(race.read([path], report), 4, True, report))
    multiple_choice.encode(items, tokenizer(), 4, 32, 8, report)


def _swag(path: Path) -> None:
    report, columns = RowReport("item"), choice_tables.Columns()
    rows = tables.read(path, [*columns.texts(), "label"], report=report)
    items = choice_tables.items(rows, columns, True, report)
    items = list(multiple_choice.checked(items, 4, True, report))
    multiple_choice.encode(items, tokenizer(), 4, 32, 8, report)


def _conll(path: Path, labelled: bool = True) -> None:
    report = RowReport("sentence")
    sentences = list(conll.read(path, labelled=labelled, report=report))
    tagging.encode(sentences, tokenizer(), tagging.labels_of(sentences), 16, report)


def _words(path: Path) -> None:
    _conll(path, labelled=False)


def _corpus(path: Path) -> None:
    documents.count(path)
    list(documents.TextLines([path], replace_invalid=True))


def _manifest(path: Path) -> None:
    for needed in ((), ("settings", "complete", "shards"), ("vocabulary", "preprocessing")):
        values = manifest.read(path.parent, *needed)
        manifest.total(values.get("shards", {}).values())
    manifest.check_vocabulary([str(path)], tokenizer())


def _beside_the_model(path: Path) -> None:
    model = path.with_name("spm.model")
    model.write_bytes(VOCABULARY.read_bytes())
    AlbertTokenizer.from_pretrained(model).encode("The 1,000 towers")


def _hugging_face_tokenizer(path: Path) -> None:
    model = path.with_name("spiece.model")
    model.write_bytes(VOCABULARY.read_bytes())
    AlbertTokenizer.from_pretrained(model).encode("The <e1> 1,000 towers")


def _vocabulary(path: Path) -> None:
    AlbertTokenizer(path).tokenize_with_offsets("The 1,000 towers")


def _keras_hub(path: Path) -> None:
    if keras_hub.is_preset(path.parent):
        keras_hub.read_config(path.parent)


def _model(file: Path, folder: Path) -> Callable[[Path], None]:
    """Returns what reads the model of `folder`, in which `file` is damaged."""

    def read(path: Path) -> None:
        root = path.parents[len(file.parts) - 1]
        for other in folder.rglob("*"):
            target = root / other.relative_to(folder).with_suffix(
                "" if other.suffix == ".gz" else other.suffix
            )
            if other.is_file() and target != path and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(_content(other))
        source = load(root)
        for name in source.weights:
            source.weights[name]
        if source.model_file:
            AlbertTokenizer.from_pretrained(root).encode("The 1,000 towers")

    return read


def _content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _models() -> Iterator[Reader]:
    """Yields a row for each file of model folders in all formats."""
    for name in (
        *("tf1_tiny", "tfhub1_tiny", "hf_tiny", "hf_tasks/classification", "kerashub_tiny_mlm"),
        *("modelgarden_tiny", "hf_tensorflow/TFAlbertForTokenClassification"),
    ):
        folder = TESTDATA / name
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix not in (".npz", ".txt", ".vocab"):
                file = path.relative_to(folder)
                file = file.with_suffix("") if file.suffix == ".gz" else file
                target, read = f"{name}/{file}", _model(file, folder)
                yield Reader(target, target, _content(path), read, share=0.08)


# === Valid files ===
def _json(value: Any, indent: int | None = None) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=indent).encode()


def _lines(*values: Any) -> bytes:
    return b"".join(_json(value) + b"\n" for value in values)


_ANSWER = {"text": "Zoë", "answer_start": 17}
_CONTEXT = "Ada wrote notes. Zoë read them in 1912, all of them."
_SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Ada",
            "paragraphs": [
                {
                    "context": _CONTEXT,
                    "qas": [
                        {"id": "q1", "question": "Who read?", "answers": [_ANSWER, _ANSWER]},
                        {"id": "q2", "question": "?", "answers": [], "is_impossible": True},
                    ],
                }
            ],
        }
    ],
}
_ASKED = {"question": "Who?", "context": _CONTEXT}
_QUESTION = {**_ASKED, "id": "x"}
_RACE = {
    "id": "high1.txt",
    "article": "Ada wrote notes.",
    "questions": ["Who wrote?", "Ada _ notes."],
    "options": [["Ada", "Zoë", "Bo", "Cy"], ["reads", "writes", "sells", "eats"]],
    "answers": ["A", "B"],
}
_SWAG = b"""sent1,sent2,ending0,ending1,ending2,ending3,label
"A man, old, sits.",He,"sings ""la"", la",runs,sleeps,eats,2
A dog barks.,It,is big,is red,,,0
"""
_HUGGING_FACE = {
    "architectures": ["AlbertForSequenceClassification"],
    "model_type": "albert",
    "hidden_act": "gelu_new",
    "hidden_size": 32,
    "embedding_size": 16,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "layer_norm_eps": 1e-12,
    "classifier_dropout_prob": 0.1,
    "id2label": {"0": "bad", "1": "good"},
    "pruned_heads": {},
    "num_labels": 2,
}
_MANIFEST = {
    "format": 1,
    "settings": {"max_seq_length": 128, "seed": 3},
    "vocabulary": {"size": 500, "sha256": hashlib.sha256(VOCABULARY.read_bytes()).hexdigest()},
    "preprocessing": {"lower_case": True, "keep_accents": False, "rules": "original"},
    "complete": True,
    "shards": {"0": {"sha256": {"a.tfrecord": "0f"}, "counts": {"documents": 3}}},
    "counts": {"documents": 3},
}
_KERAS_HUB = {
    "class_name": "AlbertBackbone",
    "config": {
        **dict(vocabulary_size=500, num_layers=2, num_heads=2, num_groups=1),
        **dict(num_inner_repetitions=1, embedding_dim=8, hidden_dim=16, intermediate_dim=32),
        **dict(max_sequence_length=32, num_segments=2, dropout=0.1, name="albert_backbone"),
    },
}

READERS = [
    Reader("csv", "a.csv", b'text,label\n"Zo\xc3\xab, ""so""",1\nno,0\n\n"a\nb",1.5\n', _table),
    Reader("csv with ids", "a.csv", b"id,text,label\n7,a,x\n7,a,x\n7,b,y\n,c,x\n", _table),
    Reader("tsv", "a.tsv", b"text\tlabel\nZo\xc3\xab\tyes\n\tno\nc\tno\n", _table),
    Reader("tsv of pairs", "a.tsv", b"first\tsecond\tlabel\na\tb\t0.5\n\tc\t1\n", _pairs),
    Reader("text to predict", "a.txt", b"one\n\n three \nfo\xc3\xbcr\n", _predicted),
    Reader(
        "json lines",
        "a.jsonl",
        _lines({"text": "Zoë", "label": "a"}, {"text": "x", "label": 1.5, "id": [1]}),
        _table,
    ),
    Reader(
        "glue",
        "train.tsv",
        b'Quality\t#1 ID\t#1 String\t#2 String\n1\t2\tHe said "no\tA man\n0\t4\t\tb\n',
        _glue,
    ),
    Reader("squad", "a.json", _json(_SQUAD, 1), _squad),
    Reader("squad to predict", "a.json", _json(_SQUAD), _squad_to_predict),
    Reader(
        "questions on lines",
        "a.jsonl",
        _lines({**_QUESTION, "answers": {"text": ["Ada"], "answer_start": [0]}}, _ASKED),
        _squad_to_predict,
    ),
    Reader("race", "high/1.txt", _lines(_RACE, {**_RACE, "id": "high2.txt"}), _race),
    Reader("swag", "a.csv", _SWAG, _swag),
    Reader("conll", "a.txt", b"-DOCSTART- O\n\n# a = b\nEU B\n# O\n\nZo\xc3\xab O\n", _conll),
    Reader("conll with tabs", "a.txt", b"#\tx\n1\tEU\tB\n2\t\tO\n\t\n1\ta\tO\n", _conll),
    Reader("words", "a.txt", b"EU\nsays\n\n#no\n", _words),
    Reader("corpus", "a.txt", "\ufeffOne.\r\nTwó.\n\nThree.\n".encode(), _corpus),
    Reader("corpus of objects", "a.jsonl", _lines({"text": "a\nb"}, {"text": ["c"]}), _corpus),
    Reader("albert_config", "a.json", _json(AlbertConfig().to_dict()), AlbertConfig.from_json_file),
    Reader("config of Hugging Face", "config.json", _json(_HUGGING_FACE), hugging_face_config.read),
    Reader("config of KerasHub", "config.json", _json(_KERAS_HUB), _keras_hub),
    Reader(
        "task",
        "task.json",
        TaskDescription("tagging", ("O", "B"), {"seq_length": 16}).to_json().encode(),
        TaskDescription.from_json_file,
    ),
    Reader(
        "preprocess",
        "spm.preprocess.json",
        _json(Preprocessing(added_tokens=[{"id": 1000, "content": "<e1>"}]).to_dict()),
        _beside_the_model,
    ),
    Reader(
        "tokenizer config",
        "tokenizer_config.json",
        _json(
            {
                "do_lower_case": True,
                "keep_accents": False,
                "additional_special_tokens": ["<e1>", {"content": "<e2>", "lstrip": True}],
                "added_tokens_decoder": {"1000": {"content": "<e1>"}, "4": {"content": "[MASK]"}},
            }
        ),
        _hugging_face_tokenizer,
    ),
    Reader(
        "added tokens",
        "added_tokens.json",
        _json({"<e1>": 1000, "[MASK]": 4}),
        _hugging_face_tokenizer,
    ),
    Reader(
        "special tokens",
        "special_tokens_map.json",
        _json({"mask_token": {"content": "[MASK]"}, "additional_special_tokens": ["<e1>"]}),
        _hugging_face_tokenizer,
    ),
    Reader(
        "fast tokenizer",
        "tokenizer.json",
        _json({"added_tokens": [{"id": 1000, "content": "<e1>", "special": True}]}),
        _hugging_face_tokenizer,
    ),
    Reader("manifest", "manifest.json", _json(_MANIFEST, 1), _manifest),
    Reader("vocabulary", "a.model", VOCABULARY.read_bytes(), _vocabulary),
    Reader("json", "a.json", _json({"a": [1, {"b": None}]}), lambda p: files.read_json(p, "It")),
    *_models(),
]


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
