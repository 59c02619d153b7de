"""The table of all readers with a small valid file for each; add a row to test another one."""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from official.core import config_definitions

from albert_tf import files
from albert_tf.config import AlbertConfig
from albert_tf.data import documents, tables, text_lines
from albert_tf.data.row_report import RowReport
from albert_tf.formats import hugging_face_config, keras_hub
from albert_tf.formats.load import load
from albert_tf.pretraining.records import manifest, record_files, records
from albert_tf.pretraining.records.examples import DYNAMIC, STATIC
from albert_tf.task_types import TaskDescription
from albert_tf.tasks import text_windows
from albert_tf.tasks.classification import data as classification
from albert_tf.tasks.classification import encoding, glue
from albert_tf.tasks.embedding import data as embedding
from albert_tf.tasks.embedding import (
    evaluation_files,
    index_folder,
    initial_metrics,
    retrieval_metrics,
)
from albert_tf.tasks.embedding.config import EmbeddingConfig, Layout
from albert_tf.tasks.encoded_examples import EncodedExamples
from albert_tf.tasks.multiple_choice import choice_tables, race
from albert_tf.tasks.multiple_choice import data as multiple_choice
from albert_tf.tasks.question_answering import data as question_answering
from albert_tf.tasks.question_answering import squad
from albert_tf.tasks.question_answering.span_windows import SpanWindowSettings
from albert_tf.tasks.tagging import conll, span_annotations, span_words
from albert_tf.tasks.tagging import data as tagging
from albert_tf.tokenization import model_files, new_words
from albert_tf.tokenization.settings import Preprocessing
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from albert_tf.training import checks, gin_files
from tests.support import small_records
from tests.support.paths import TESTDATA

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
    settings = text_windows.TextWindowSettings("mean" if len(path.parts) % 3 else "first", 16)
    encoding.examples(rows, tokenizer(), settings, None, report)


def _label_columns(path: Path) -> None:
    report = RowReport(skip_broken=len(path.parts) % 2 == 0)
    names = ("a", "b")
    rows = tables.read(path, ("text", *names), (), report)
    rows = classification.joined(rows, names, "a,b", numbers=False, report=report)
    list(classification.labelled_texts(rows, ("text",), "a,b", report, several=True))


def _predicted(path: Path) -> None:
    _table(path, to_predict=True)


def _pairs(path: Path) -> None:
    _table(path, ("first", "second"))


def _to_embed(objective: str, **columns: str) -> Callable[[Path], None]:
    """Returns what reads rows to train embeddings on."""
    config = EmbeddingConfig(objective=objective, **columns)
    layout = Layout.of(config, is_training=True)

    def read(path: Path) -> None:
        report = RowReport(skip_broken=len(path.parts) % 2 == 0)
        rows = tables.read(path, layout.columns, report=report)
        rows = tables.without_repeats(rows, report, False)
        rows = list(embedding.read(rows, layout, config, report))
        groups = embedding.groups(rows, 1.0)
        assert len(groups) == len(rows)
        str(report)

    return read


def _initial_metrics(path: Path) -> None:
    examples = EncodedExamples([[2, 3]], labels={"text": np.zeros([1, 1], np.int32)})
    initial_metrics.read(path.parent, examples)


def _glue(path: Path) -> None:
    layout = glue.layout("mrpc")
    report = RowReport()
    rows = tables.read(path, (*layout.texts, layout.label), layout.header, report)
    rows = list(classification.labelled_texts(rows, layout.texts, layout.label, report))
    classification.classes(rows, layout.labels)


def _squad(path: Path, is_training: bool = True) -> None:
    report = RowReport("question", skip_broken=True)
    questions = squad.read([path], report)
    if is_training:
        questions = question_answering.well_placed(questions, report)
    settings = SpanWindowSettings(24, 4, 8)
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


def _spans(path: Path, labelled: bool = True) -> None:
    report = RowReport("text", skip_broken=len(path.parts) % 2 == 0)
    settings = span_words.Settings("unicode", "longest")
    if span_annotations.matches(path, labelled):
        sentences = list(span_annotations.read(path, settings, labelled, report))
        tagging.encode(sentences, tokenizer(), tagging.labels_of(sentences), 16, report)


def _texts_of_spans(path: Path) -> None:
    _spans(path, labelled=False)


def _new_words(path: Path) -> None:
    lines = [line.rstrip("\n") for line in text_lines.read_lines(path)]
    added = new_words.tokens(new_words.check(lines, tokenizer()), tokenizer())
    extended = AlbertTokenizer(VOCABULARY, added_tokens=added)
    contents = [token.content for token in added]
    assert extended.encode_batch(contents) == [[token.id] for token in added], contents


def _corpus(path: Path) -> None:
    documents.count(path)
    list(documents.TextLines([path], replace_invalid=True))


def _manifest(path: Path) -> None:
    for needed in ((), ("settings", "complete", "shards"), ("vocabulary", "preprocessing")):
        values = manifest.read(path.parent, *needed)
        manifest.total(values.get("shards", {}).values())
    manifest.check_vocabulary([str(path)], tokenizer())


def _records(path: Path) -> None:
    """Reads records for training, for evaluation and to show them."""
    with record_files.naming_broken([str(path)]):
        list(small_records.read(path))
        list(small_records.read(path, is_training=True, seed=1).take(2))
    list(records.read_arrays(path, small_records.SETTINGS["vocab_size"]))


def _intact_records(path: Path) -> None:
    with record_files.naming_broken([str(path)]):
        list(small_records.read(path, skip_broken_records=True))


def _record(path: Path) -> None:
    """Reads a file whose only record, with the right checksums, has the bytes of `path`."""
    file = path.with_suffix(".tfrecord")
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(path.read_bytes())
    _records(file)


def _manifest_of_records(path: Path) -> None:
    small_records.write(path.with_name("a.tfrecord"), 0, 3, DYNAMIC)
    list(small_records.read(path.with_name("a.tfrecord")))


def _configure(recipe: str, *overrides: str) -> None:
    """Evaluates the config of an experiment and checks it, as before training."""
    gin_files.parse([recipe], overrides)
    checks.check(gin_files.configured(config_definitions.ExperimentConfig)(), 1)


def _gin_file(path: Path) -> None:
    _configure(str(path))


def _gin_overrides(path: Path) -> None:
    # The shell cannot pass zero bytes.
    text = path.read_bytes().replace(b"\0", b"").decode(errors="surrogateescape")
    _configure("finetune_table", *text.removesuffix("\n").split("\n"))


def _beside_the_model(path: Path) -> None:
    model = path.with_name("spm.model")
    model.write_bytes(VOCABULARY.read_bytes())
    AlbertTokenizer.from_pretrained(model).encode("The 1,000 towers")


def _hugging_face_tokenizer(path: Path) -> None:
    model = path.with_name("spiece.model")
    model.write_bytes(VOCABULARY.read_bytes())
    AlbertTokenizer.from_pretrained(model).encode("The <e1> 1,000 towers")


def _fast_tokenizer(path: Path) -> None:
    if model_files.find_model_file(path.parent):
        AlbertTokenizer.from_pretrained(path.parent).encode("The <e1> 1,000 towers")


def _vocabulary(path: Path) -> None:
    AlbertTokenizer(path).tokenize_with_offsets("The 1,000 towers")


def _keras_hub(path: Path) -> None:
    if keras_hub.is_preset(path.parent):
        keras_hub.read_config(path.parent)


def _index(path: Path) -> None:
    """Reads an index of which one file is damaged; its manifest has the right sizes."""
    for name, data in _INDEX.items():
        if path.name != name:
            path.with_name(name).write_bytes(data)
    if path.name != "manifest.json":
        manifest = json.loads(_INDEX["manifest.json"])
        if path.name in manifest["files"]:
            manifest["files"][path.name] = path.stat().st_size
        path.with_name("manifest.json").write_bytes(_json(manifest))
    folder = index_folder.Folder(path.parent)
    retrieval_metrics.rank(np.eye(2, folder.vectors.shape[1]), folder.vectors, 2)
    folder.columns(range(len(folder)))


def _beir(path: Path) -> None:
    root = path.parents[1] if path.parent.name == "qrels" else path.parent
    for name, data in _BEIR.items():
        if path != (other := root / name):
            other.parent.mkdir(exist_ok=True)
            other.write_bytes(data)
    evaluation_files.read_retrieval(root)


def _model(file: Path, *folders: Path) -> Callable[[Path], None]:
    """Returns what reads the model of folders, the first ones prevail; `file` is damaged."""

    def read(path: Path) -> None:
        root = path.parents[len(file.parts) - 1]
        for folder, other in ((f, other) for f in folders for other in f.rglob("*")):
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
        *("sentence_transformers", "sentence_transformers_dense/chain"),
    ):
        folder = TESTDATA / name
        # The encoder of the golden modules.
        others = [TESTDATA / "sentence_transformers"] if "_dense" in name else []
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix not in (".npz", ".txt", ".vocab"):
                file = path.relative_to(folder)
                file = file.with_suffix("") if file.suffix == ".gz" else file
                target, read = f"{name}/{file}", _model(file, folder, *others)
                yield Reader(target, target, _content(path), read, share=0.08)


# === Valid files ===
def _json(value: Any, indent: int | None = None) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=indent).encode()


def _record_file(table: tuple) -> bytes:
    with tempfile.NamedTemporaryFile() as file:
        small_records.write(file.name, 0, 5, table)
        return Path(file.name).read_bytes()


def _payload(file: bytes) -> bytes:
    """Returns the first record of a file without its frame."""
    (length,) = struct.unpack_from("<Q", file)
    return file[12 : 12 + length]


def _lines(*values: Any) -> bytes:
    return b"".join(_json(value) + b"\n" for value in values)


_WORDPIECE = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n1\n##0\n中\n,\ntower\n##s\n"
_FAST_WORDPIECE = {
    "added_tokens": [{"id": 4, "content": "[MASK]", "special": True}],
    "normalizer": {"type": "BertNormalizer", "lowercase": True, "strip_accents": None},
    "model": {"type": "WordPiece", "vocab": {p: i for i, p in enumerate(_WORDPIECE.split())}},
}
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
_DOCCANO = """{"text": "Zo\u00eb runs", "label": [[0, 3, "PER"], [4, 8, "X"]]}
{"text": "a b", "spans": [{"start": 2, "end": 3, "label": "O", "text": "b"}], "answer": "accept"}
["a b", {"entities": [[0, 1, "A"]]}]
""".encode()
_LABEL_STUDIO = b"""[{"data": {"text": "a b"}, "annotations": [{"result": [{"value":
{"start": 2, "end": 3, "text": "b", "labels": ["B"]}}, {"type": "relation"}]}]}, {"text": "c",
"label": [{"start_offset": 0, "end_offset": 1, "label": "C"}]}]"""
_MANIFEST = {
    "format": 1,
    "settings": {"max_seq_length": 128, "seed": 3},
    "vocabulary": {"size": 500, "sha256": hashlib.sha256(VOCABULARY.read_bytes()).hexdigest()},
    "preprocessing": {"lower_case": True, "keep_accents": False, "rules": "original"},
    "complete": True,
    "shards": {"0": {"sha256": {"a.tfrecord": "0f"}, "counts": {"documents": 3}}},
    "counts": {"documents": 3},
}
_MANIFEST_OF_RECORDS = {**_MANIFEST, "settings": {"max_seq_length": 7, "seed": 3}}
_GIN = b"""# A recipe.
include 'experiments/recipes/finetune_table.gin'
from __gin__ import dynamic_registration
from albert_tf.tasks import fine_tuning_config
from official.core import config_definitions as cfg
TRAIN_DATA = "a.csv"
TRAIN_STEPS = 12
WARMUP_STEPS = 0
EVAL_INTERVAL = 4
BATCH_SIZE = 2
LABELS = ["a", 'b']
cfg.TrainerConfig.max_to_keep = 3
run/fine_tuning_config.with_fields:
  recompute = True
"""
_OVERRIDES = b"""TRAIN_DATA=a.csv
TRAIN_STEPS=12
WARMUP_STEPS=0
EVAL_INTERVAL=4
LEARNING_RATE=1e-4
LABELS=[a,b]
CLASS_WEIGHTS={'a': 2.0}
THRESHOLD=None
TASK=@classification.ClassificationConfig()
EVAL_DATA=%TRAIN_DATA
cfg.TrainerConfig.max_to_keep=3
SKIP_LABELS=-
MIXED_PRECISION="float16"
"""
_BEIR = {
    "corpus.jsonl": b"""{"_id": "1", "title": "A", "text": "fine"}\n{"_id": "2", "text": "b"}\n""",
    "queries.jsonl": _lines({"_id": "q", "text": "Zoë"}, {"_id": "1", "text": "x"}),
    "qrels/test.tsv": b"query-id\tcorpus-id\tscore\nq\t2\t1\n1\t1\t2\n1\t2\t0\n",
}


def _index_files() -> dict[str, bytes]:
    """The bytes of the files of a small index."""
    model = {"path": "m", "weights": "0f", "vocabulary": "1e", "settings": {"pooling": ["mean"]}}
    with tempfile.TemporaryDirectory() as folder:
        columns = [
            {"text": "Zoë", "id": "n0"},
            {"text": "a\nb", "id": "n1"},
            {"text": "", "id": ""},
        ]
        vectors = np.arange(12, dtype=np.float32).reshape(3, 4)
        path = Path(folder, "index")
        index_folder.write(path, index_folder.rows(columns, vectors), model)
        return {file.name: file.read_bytes() for file in path.iterdir()}


_INDEX = _index_files()
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
    Reader("columns of labels", "a.csv", b'text,a,b\nx,0,1\n"y,z",1.0,true\n', _label_columns),
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
    Reader("doccano", "a.jsonl", _DOCCANO, _spans),
    Reader("label studio", "a.json", _LABEL_STUDIO, _spans),
    Reader("texts with spans", "a.jsonl", _DOCCANO, _texts_of_spans),
    Reader("conll", "a.txt", b"-DOCSTART- O\n\n# a = b\nEU B\n# O\n\nZo\xc3\xab O\n", _conll),
    Reader("conll with tabs", "a.txt", b"#\tx\n1\tEU\tB\n2\t\tO\n\t\n1\ta\tO\n", _conll),
    Reader("words", "a.txt", b"EU\nsays\n\n#no\n", _words),
    Reader("new words", "a.txt", "dyspnea\nCovid-19\nnaïve\nहिंदी\n".encode(), _new_words, 0.5),
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
    Reader(
        "fast tokenizer without a model",
        "tokenizer.json",
        (TESTDATA / "tokenization/fast_tokenizer.json").read_bytes(),
        _fast_tokenizer,
        share=0.1,
    ),
    *(Reader(f"index, {name}", name, data, _index) for name, data in _INDEX.items()),
    *(Reader(f"beir, {name}", name, data, _beir) for name, data in _BEIR.items()),
    Reader(
        "pairs of texts",
        "a.csv",
        b'sentence1,sentence2,score\n"a, b",c,1.5\nx,,-2e1\n,"z""z",0\n',
        evaluation_files.read_pairs,
    ),
    Reader(
        "pairs to train on",
        "a.csv",
        b'text,second_text,other\n"a, b",c,d\nx,"z""z",\nc,x,"a\nb"\n',
        _to_embed("pairs", negative="other"),
    ),
    Reader(
        "scored pairs to train on",
        "a.tsv",
        b"text\tsecond_text\tlabel\na\tb\t0.5\nZo\xc3\xab\tc\t5\nx\ty\t1e0\n",
        _to_embed("scores"),
    ),
    Reader(
        "premises to train on",
        "a.jsonl",
        _lines(
            {"text": "a", "second_text": "b", "label": "entailment"},
            {"text": "a", "second_text": "c", "label": "contradiction"},
            {"text": "d", "second_text": "b", "label": "neutral"},
        ),
        _to_embed("nli"),
    ),
    Reader("texts to train on", "a.txt", b"one\n\n three \nfo\xc3\xbcr\n", _to_embed("texts")),
    Reader(
        "metrics of initial weights",
        "initial.json",
        _json({"examples": "0f", "metrics": {"mrr_at_10": 0.5, "recall_at_1": 1}}),
        _initial_metrics,
    ),
    Reader("manifest", "manifest.json", _json(_MANIFEST, 1), _manifest),
    Reader(
        "manifest of records",
        "manifest.json",
        _json(_MANIFEST_OF_RECORDS),
        _manifest_of_records,
        0.1,
    ),
    *(
        row
        for kind, file in (("static", _record_file(STATIC)), ("dynamic", _record_file(DYNAMIC)))
        for row in (
            Reader(f"{kind} records", "a.tfrecord", file, _records, 0.06),
            Reader(f"intact {kind} records", "a.tfrecord", file, _intact_records, 0.06),
            Reader(f"a {kind} record", "a.bin", _payload(file), _record, 0.1),
        )
    ),
    Reader("gin file", "a.gin", _GIN, _gin_file, 0.2),
    Reader("gin overrides", "a.txt", _OVERRIDES, _gin_overrides, 0.4),
    Reader("vocabulary", "a.model", VOCABULARY.read_bytes(), _vocabulary),
    Reader("WordPiece vocabulary", "vocab.txt", _WORDPIECE.encode(), _vocabulary),
    Reader("WordPiece tokenizer.json", "tokenizer.json", _json(_FAST_WORDPIECE), _vocabulary),
    Reader("json", "a.json", _json({"a": [1, {"b": None}]}), lambda p: files.read_json(p, "It")),
    *_models(),
]
