"""A tagger that is trained on texts with spans finds entities in raw text."""

import json
import random

import numpy as np
import pytest
import tensorflow as tf

import albert_tf
from albert_tf.errors import InputError
from albert_tf.tasks.encoded_examples import Outputs
from albert_tf.tasks.tagging import schemes
from albert_tf.tasks.tagging.served import ServedTagging
from albert_tf.tasks.tagging.task import TaggingTask
from tests.support import conll_file, span_file, tiny_task
from tests.support.commands import call

# Parts of random texts: entities, words, blanks, marks, scripts without spaces, emoji.
PARTS = ["Turtle", "Mouse", "Application Server", "New Api", "Python", "see", " ", " ", ". ", "'s "]
PARTS += [
    "é",
    "\u0301",
    "\0",
    "\u200b",
    "\u2028",
    "\ufeff",
    "😀",
    "👍🏽",
    "\u200d",
    "ที่",
    "日本",
    "1,000",
]


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    root = tmp_path_factory.mktemp("spans")
    (root / "model").mkdir()
    paths = (
        span_file.write(root / "train.jsonl", 200, 1),
        span_file.write(root / "dev.jsonl", 50, 2),
    )
    task = tiny_task.task(TaggingTask, *paths, seq_length=16)
    model, metrics = tiny_task.learn(task, 60, learning_rate=5e-3)
    return task, metrics, tiny_task.save(task, model, root / "model")


@pytest.fixture(scope="module")
def predictor(learned):
    return albert_tf.Predictor(learned[2])


@pytest.fixture
def answer(predictor, tmp_path):
    """Returns the answers to texts in JSON Lines."""

    def answer(texts, predictor=predictor):
        path = tmp_path / "texts.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        return list(predictor(path, batch_size=7))

    return answer


def random_texts(count, longest):
    rng = random.Random(1)
    return ["".join(rng.choices(PARTS, k=rng.randrange(longest))) for _ in range(count)]


def test_a_tiny_model_learns_spans_with_every_seed(learned):
    task, metrics, _ = learned
    assert min(m["f1"] for m in metrics) > 0.9
    description = task.describe()
    assert description.labels == ("O", "B-ORG", "B-PER", "I-ORG", "I-PER")
    assert (description.settings["words"], description.settings["scheme"]) == ("unicode", "IOB2")


def test_predicted_entities_have_the_score_of_the_evaluation(learned, answer):
    wanted = span_file.rows(50, 2)
    answers = answer([text for text, _ in wanted])
    found = {
        (row, *entity)
        for row, a in enumerate(answers)
        for entity in zip(a["starts"], a["ends"], a["labels"])
    }
    spans = {(row, *span) for row, (_, spans) in enumerate(wanted) for span in spans}
    hits = len(found & spans)
    f1 = 2 * hits / (len(found) + len(spans))
    assert f1 == pytest.approx(learned[1][-1]["f1"], abs=1e-6)


def test_the_served_model_finds_the_same_entities_at_the_same_places(predictor, answer):
    served = ServedTagging.from_predictor(predictor)
    assert served.kind == "entities"
    texts = ["", " \0", *random_texts(200, 60), " ".join(random_texts(40, 60))]
    outputs = served.signatures()["serving_default"](tf.constant(texts))
    outputs = {name: value.numpy() for name, value in outputs.items()}
    assert outputs["lengths"].sum() > 1000
    for row, (text, wanted) in enumerate(zip(texts, answer(texts), strict=True)):
        ours = {name: values[row] for name, values in outputs.items()}
        count = ours.pop("lengths")
        assert all(not value for values in ours.values() for value in values[count:])
        ours = {name: values[:count].tolist() for name, values in ours.items()}
        for name in ("entities", "labels"):
            assert [value.decode() for value in ours[name]] == wanted[name]
        assert [text[a:b] for a, b in zip(ours["starts"], ours["ends"])] == wanted["entities"]
        assert (ours["starts"], ours["ends"]) == (wanted["starts"], wanted["ends"])
        np.testing.assert_allclose(ours["scores"], wanted["scores"], atol=1e-5)


def test_no_word_of_a_long_text_is_dropped(answer):
    text = "see Turtle from New Api Form. "
    (short,), (long,) = answer([text]), answer([text * 100])
    assert short["entities"] == ["Turtle", "New Api Form"]
    assert long["starts"][-2:] == [99 * len(text) + start for start in short["starts"]]
    assert long["entities"] == short["entities"] * 100


def test_a_score_is_the_mean_probability_of_the_words(learned, tmp_path):
    task, *_ = learned
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "Turtle, New Api"}\n{"text": ""}\n')
    params = task.task_config.validation_data.replace(input_path=str(path))
    examples = task.read(params, labelled=False)
    (row, empty), labels = examples.sources, task.describe().labels
    assert empty.heads == [] and row.sentence.words == ("Turtle", ",", "New", "Api")
    logits = np.zeros([2, examples.lengths.max(), 5], np.float32)
    for head, label, logit in zip(row.heads, ("B-PER", "O", "I-ORG", "I-ORG"), (1, 2, 3, 4)):
        logits[0, head, labels.index(label)] = logit
    first, second = task.answers(
        examples, Outputs.gather([{"example": np.arange(2), "logits": logits}])
    )
    share = {logit: np.exp(logit) / (np.exp(logit) + 4) for logit in (1, 3, 4)}
    assert first.pop("scores") == pytest.approx([share[1], (share[3] + share[4]) / 2])
    found = dict(entities=["Turtle", "New Api"], starts=[0, 8], ends=[6, 15], labels=["PER", "ORG"])
    assert first == {"line": 1, **found}
    assert second == dict(line=2, entities=[], starts=[], ends=[], labels=[], scores=[])


def test_lines_of_standard_input_are_texts(learned, answers_of_stdin):
    answers = answers_of_stdin(learned[2], "[[see]] Mouse.\n\nTurtle\n")
    assert [(a["line"], a["entities"]) for a in answers] == [
        (1, ["Mouse"]),
        (2, []),
        (3, ["Turtle"]),
    ]
    answers = answers_of_stdin(learned[2], '{"text": "a\\nMouse"}\n')
    assert [(a["entities"], a["starts"]) for a in answers] == [(["Mouse"], [2])]
    words = answers_of_stdin(learned[2], "see\nMouse\n", "--input_as", ".conll")
    assert [(a["words"], a["labels"]) for a in words] == [(["see", "Mouse"], ["O", "B-PER"])]


def test_tables_have_a_row_for_each_entity(learned, tmp_path):
    texts = tmp_path / "a.txt"
    texts.write_text("see Turtle\n\nfrom Python, Mouse\n")
    paths = ["--model", learned[2], "--input", texts, "--output"]
    call("predict", *paths, tmp_path / "a.csv")
    header, *rows = (tmp_path / "a.csv").read_text().splitlines()
    assert header == "line,entity,start,end,label,score"
    assert [row.split(",")[:5] for row in rows] == [
        ["1", "Turtle", "4", "10", "PER"],
        ["3", "Python", "5", "11", "ORG"],
        ["3", "Mouse", "13", "18", "PER"],
    ]
    message = (
        r"to texts must be written as .jsonl or a table. Received '.*a.txt', which has texts, "
    )
    with pytest.raises(InputError, match=message):
        call("predict", *paths, tmp_path / "a.out.txt")
    texts.rename(tmp_path / "a.conll")
    with pytest.raises(
        InputError, match="words must be written as .jsonl or .txt. Received '.*a.conll'"
    ):
        call("predict", *paths[:3], tmp_path / "a.conll", "--output", tmp_path / "b.csv")


def test_a_copy_for_transformers_keeps_labels_and_answers(learned, answer, tmp_path):
    call("convert", learned[2], "--to", "hugging_face", tmp_path / "copy")
    texts = random_texts(20, 30)
    for part in ("task.json", "none"):
        copy = albert_tf.Predictor(tmp_path / "copy", 16)
        assert copy.task.describe().labels == learned[0].describe().labels
        for ours, theirs in zip(answer(texts), answer(texts, copy), strict=True):
            np.testing.assert_allclose(ours.pop("scores"), theirs.pop("scores"), atol=1e-5)
            assert ours == theirs
        assert ServedTagging.from_predictor(copy).kind == "entities"
        # Without task.json, as another library writes it, files without a format have words.
        assert copy.task.reads_text == (part == "task.json")
        (tmp_path / "copy/task.json").unlink(missing_ok=True)


def test_a_model_for_words_keeps_white_space(tmp_path, answer):
    path = conll_file.write(tmp_path / "train.txt", 8, 1)
    task = tiny_task.task(TaggingTask, path)
    assert task.describe().settings["words"] == "white_space"
    (tmp_path / "model").mkdir()
    tiny_task.save(task, task.build_model(), tmp_path / "model")
    for _ in ("as it is", "as an earlier version wrote it"):
        predictor = albert_tf.Predictor(tmp_path / "model")
        assert ServedTagging.from_predictor(predictor).kind == "tagging"
        assert not predictor.task.reads_text
        (sentence,) = predictor.task.rows(
            predictor.params(_file(tmp_path, "a.jsonl", '{"text": "Paris. is"}')),
            False,
            predictor.task.new_report(False),
        )
        assert sentence.words == ("Paris.", "is")
        values = json.loads((tmp_path / "model/task.json").read_text())
        for name in ("words", "scheme"):
            values["settings"].pop(name, None)
        (tmp_path / "model/task.json").write_text(json.dumps(values))
    served = ServedTagging.from_predictor(predictor)
    outputs = served.signatures()["serving_default"](tf.constant(["a\u00a0b, c\u3000", ""]))
    assert outputs["words"].numpy().tolist() == [[b"a", b"b,", b"c"], [b"", b"", b""]]
    words = albert_tf.Predictor(tmp_path / "model", words="unicode")
    assert ServedTagging.from_predictor(words).kind == "entities"


def _file(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


IOB1 = "Rome I-LOC\nParis B-LOC\nis O\nAda I-PER\nLovelace I-PER\n\n"
IOB2 = IOB1.replace("Rome I", "Rome B").replace("Ada I", "Ada B")


def labels_of(task, path):
    params = task.task_config.validation_data.replace(input_path=str(path))
    report = task.new_report(True)
    return [s.labels for s in task.rows(params, True, report)], str(report)


def test_labels_of_files_become_those_of_the_model(tmp_path):
    iob1, iob2 = _file(tmp_path, "a.txt", IOB1), _file(tmp_path, "b.txt", IOB2)
    spans = _file(tmp_path, "c.jsonl", '{"text": "Ada is", "label": [[0, 3, "PER"]]}')
    task = tiny_task.task(TaggingTask, iob1)
    assert task.describe().labels == ("O", "B-LOC", "B-PER", "I-LOC", "I-PER")
    wanted = [("B-LOC", "B-LOC", "O", "B-PER", "I-PER")]
    assert labels_of(task, iob2) == (wanted, "")
    assert labels_of(task, iob1) == (
        wanted,
        f"1 sentence(s) have labels in IOB1, read as IOB2: '{iob1}' line 1",
    )
    assert tiny_task.task(TaggingTask, iob2).describe().labels == ("O", "B-LOC", "B-PER", "I-PER")
    for scheme in ("IOBES", "BILOU", "IOB1"):
        task = tiny_task.task(TaggingTask, f"{iob2},{spans}", scheme=scheme)
        assert task.describe().settings["scheme"] == scheme
        assert set(task.describe().labels) == set(schemes.all_labels(["LOC", "PER"], scheme))
        assert labels_of(task, iob1)[0] == [schemes.converted(wanted[0], scheme)]
    with pytest.raises(InputError, match="SCHEME must be one of IOB2, .*Received 'BIO'"):
        tiny_task.task(TaggingTask, iob2, scheme="BIO")


def test_weights_with_the_types_of_the_data_keep_their_scheme_and_head(tmp_path):
    iob2 = _file(tmp_path, "b.txt", IOB2)
    task = tiny_task.task(TaggingTask, iob2, scheme="BILOU")
    (tmp_path / "model").mkdir()
    folder = str(tiny_task.save(task, task.build_model(), tmp_path / "model"))
    config = TaggingTask.config_class()(init_from=folder)
    config.train_data.input_path = str(iob2)
    again = TaggingTask(config)
    assert again.describe().labels == task.describe().labels and again.takes_head()
    other = _file(tmp_path, "c.txt", IOB2.replace("PER", "ORG"))
    config.train_data.input_path = str(other)
    assert TaggingTask(config).describe().settings["scheme"] == "IOB2"


def test_an_unknown_type_in_a_file_of_spans_is_an_error(learned, tmp_path):
    task, *_ = learned
    path = _file(tmp_path, "dev.jsonl", '\n{"text": "a b", "label": [[2, 3, "PRE"]]}\n')
    params = task.task_config.validation_data.replace(input_path=str(path))
    with pytest.raises(InputError, match=r"'B-PRE' at '.*dev.jsonl' line 2. Closest: B-PER"):
        task.read(params)
