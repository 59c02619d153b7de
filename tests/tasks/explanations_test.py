"""Integrated gradients, against differences of scores, which need no gradients."""

import csv
import html
import json
import random
import re

import numpy as np
import pytest
import tf_keras

from albert_tf.config import AlbertConfig
from albert_tf.data.row_report import RowReport
from albert_tf.errors import InputError
from albert_tf.tasks import batching, explanation_page
from albert_tf.tasks.classification.model import AlbertClassifier
from albert_tf.tasks.classification.task import ClassificationTask
from albert_tf.tasks.encoded_examples import EncodedExamples
from albert_tf.tasks.explanations import Explainer
from albert_tf.tasks.predictor import Predictor
from albert_tf.tasks.tagging.task import TaggingTask
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support import conll_file, tiny_task
from tests.support.commands import call, status

PROBLEMS = {
    "classification": ("bad", "so-so", "good"),
    "multi_label": ("a", "b"),
    "regression": (),
}
TEXTS = [
    "the whole list, with this file",
    "",
    "see Zoë and the object!",
    "from <b>Python</b> & 1,000",
]
SEQ_LENGTH = 20
WORDS = ["the", "with", "from", "see", "this", "one", "line", "list"]


@pytest.fixture(scope="module")
def predictors(tmp_path_factory):
    """A predictor with large random weights for each problem."""
    made = {}
    for problem, labels in PROBLEMS.items():
        tf_keras.utils.set_random_seed(1)
        config = AlbertConfig(**{**tiny_task.MODEL, "initializer_range": 0.3})
        model = AlbertClassifier(config, len(labels) or 1, labels or None, problem=problem)
        folder = tmp_path_factory.mktemp(problem)
        model.save_pretrained(folder, AlbertTokenizer.from_pretrained(tiny_task.VOCAB))
        made[problem] = Predictor(folder, SEQ_LENGTH)
    return made


def score(problem, logits, target):
    logits = logits.astype(np.float64)
    if problem == "regression":
        return logits[:, 0]
    if problem == "multi_label":
        return 1 / (1 + np.exp(-logits[:, target]))
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers[:, target] / powers.sum(-1)


def differences(predictor, problem, ids, target, points=64, step=0.02):
    """The attributions of tokens by differences of scores along the path, and both its ends."""
    table = predictor.model.encoder.get_embedding_table().numpy()
    words = table[ids]  # [S, E]
    change = words.copy()
    change[[0, -1]] = 0  # [CLS] and [SEP] stay.

    def scores(rows):
        logits = predictor.model({"inputs_embeds": np.stack(rows).astype(np.float32)}).numpy()
        return score(problem, logits, target)

    found = np.zeros(len(ids))
    for point in (np.arange(points) + 0.5) / points:
        at = words - (1 - point) * change
        for index in range(1, len(ids) - 1):
            moved = np.zeros_like(change)
            moved[index] = step * change[index]
            after, before = scores([at + moved, at - moved])
            found[index] += (after - before) / (2 * step * points)
    start, end = scores([words - change, words])
    return found, start, end


@pytest.mark.parametrize("problem", PROBLEMS)
def test_attributions_are_the_integrals_of_differences_of_scores(problem, predictors, spm):
    predictor = predictors[problem]
    text = "the list, Zoë"
    (answer,) = predictor.explain(text)
    found = answer["explanation"]
    tokens = spm.tokenize_with_offsets(text)
    target = PROBLEMS[problem].index(found["label"]) if PROBLEMS[problem] else 0
    ids = np.array([spm.cls_id, *tokens.ids, spm.sep_id])
    wanted, start, end = differences(predictor, problem, ids, target)
    scale = np.abs(wanted).max()
    assert scale > 0.005
    assert found["baseline_score"] == pytest.approx(start, abs=1e-4)
    assert found["score"] == pytest.approx(end, abs=1e-4)
    of_words = [
        sum(
            value
            for value, first, last in zip(wanted[1:-1], tokens.starts, tokens.ends)
            if word["start"] <= first and last <= word["end"]
        )
        for word in found["words"]
    ]
    attributions = [word["attribution"] for word in found["words"]]
    np.testing.assert_allclose(attributions, of_words, atol=0.02 * scale)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_attributions_add_up_to_the_change_of_the_score(problem, predictors):
    answers = predictors[problem].explain(TEXTS, batch_size=5)
    for text, answer in zip(TEXTS, answers, strict=True):
        explanation = answer["explanation"]
        change = explanation["score"] - explanation["baseline_score"]
        total = sum(word["attribution"] for word in explanation["words"])
        assert total - change == pytest.approx(explanation["residual"], abs=1e-9)
        assert abs(explanation["residual"]) <= max(0.01 * abs(change), 1e-4)
        assert explanation["texts"] == [text] and explanation["steps"] in (32, 64, 128, 256, 512)
        assert (explanation["words"] == []) == (text == "")
        for word in explanation["words"]:
            assert text[word["start"] : word["end"]] == word["word"] != ""
        if problem == "classification":
            assert explanation["label"] == answer["label"]
            assert explanation["score"] == pytest.approx(answer["probability"], abs=1e-5)
        if problem == "multi_label":
            assert explanation["label"] == max(
                answer["probabilities"], key=answer["probabilities"].get
            )
        if problem == "regression":
            assert "label" not in explanation
            assert explanation["score"] == pytest.approx(answer["value"], abs=1e-5)
    words = [word for answer in answers for word in answer["explanation"]["words"]]
    assert max(abs(word["attribution"]) for word in words) > 0.01


def test_each_label_can_be_explained(predictors):
    predictor, labels = predictors["classification"], PROBLEMS["classification"]
    found = {name: predictor.explain(TEXTS[0], name)[0] for name in labels}
    for name, answer in found.items():
        assert answer["explanation"]["label"] == name
        share = answer["probabilities"][name]
        assert answer["explanation"]["score"] == pytest.approx(share, abs=1e-5)
    # The probabilities add up to 1 everywhere, so the attributions of a word add up to 0.
    words = zip(*(answer["explanation"]["words"] for answer in found.values()))
    for of_labels in words:
        assert sum(word["attribution"] for word in of_labels) == pytest.approx(0, abs=0.02)


def test_words_have_their_pieces_together_and_marks_apart(predictors):
    (answer,) = predictors["regression"].explain("Unbelievable, Zoë\u0301: 日本")
    words = [word["word"] for word in answer["explanation"]["words"]]
    assert words[:4] == ["Unbelievable", ",", "Zoë\u0301", ":"]
    assert "".join(words[4:]).startswith("日")
    (answer,) = predictors["regression"].explain('<b>("This" file...')
    words = [word["word"] for word in answer["explanation"]["words"]]
    assert [word for word in words if word.isalpha()] == ["b", "This", "file"]
    assert re.sub(r"\w", "", "".join(words)) == '<>(""...'


def test_pairs_name_their_text_and_what_is_cut_is_said(tmp_path, capsys):
    path = tmp_path / "pairs.csv"
    path.write_text("text,other,label\na,b,x\nc,d,y\n")
    task = tiny_task.task(ClassificationTask, path, seq_length=12, second_text="other")
    (tmp_path / "model").mkdir()
    predictor = Predictor(tiny_task.save(task, task.build_model(), tmp_path / "model"))
    pairs = [("the file", "see this list"), ("the " * 20, "one line")]
    first, second = (answer["explanation"] for answer in predictor.explain(pairs))
    assert [(word["text"], word["word"]) for word in first["words"]] == [
        *[(0, "the"), (0, "file")], *[(1, "see"), (1, "this"), (1, "list")],
    ]  # fmt: skip
    assert [word["text"] for word in second["words"]].count(1) == 2
    assert len(second["words"]) == 12 - 3
    error = capsys.readouterr().err
    assert "1 row(s) are explained up to the maximum sequence length: text 2" in error
    with pytest.raises(InputError, match=r"\['text', 'other'\]. Received 1 text\(s\) in row 1"):
        predictor.explain(["alone"])


def test_the_word_that_decides_has_the_largest_attribution(tmp_path):
    rng = random.Random(4)
    lines = ["text,label"]
    for index in range(60):
        label, word = [("io", ["file"]), ("code", ["object"]), ("none", [])][index % 3]
        words = rng.choices(WORDS, k=rng.randint(2, 6))
        place = rng.randint(0, len(words))
        words[place:place] = word
        lines.append(f"{' '.join(words)},{label}")
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
    data = tmp_path / "train.csv"
    task = tiny_task.task(ClassificationTask, data, data)
    model, (metrics,) = tiny_task.learn(task, 90, seeds=1)
    assert metrics["accuracy"] == 1.0
    (tmp_path / "model").mkdir()
    predictor = Predictor(tiny_task.save(task, model, tmp_path / "model"))
    for text, word in (("see the file from this", "file"), ("one object with the line", "object")):
        (answer,) = predictor.explain([text])
        words = answer["explanation"]["words"]
        largest = max(words, key=lambda word: word["attribution"])
        assert largest["word"] == word
        others = [abs(w["attribution"]) for w in words if w["word"] != word]
        assert largest["attribution"] > 2 * max(others)


class Known:
    """Stands for a model whose score along the path is a known function of the point."""

    def __init__(self, score, slope):
        self.score, self.slope, self.batches = score, slope, []

    def __call__(self, ids, mask, types, special, point, target):
        self.batches.append(len(ids))
        parts = np.zeros(np.shape(ids), np.float32)
        parts[:, 1] = self.slope(point)
        return Array(self.score(point)), Array(parts)


class Array(np.ndarray):
    def __new__(cls, values):
        return np.asarray(values, np.float32).view(cls)

    def numpy(self):
        return np.asarray(self)


def integrals(known, task, steps, rows=2):
    ids = [[2, 7, 3], [2, 8, 9, 3]][:rows]
    examples = EncodedExamples(ids, [len(row) for row in ids])
    return Explainer(known, task, steps=steps)._integrals(examples, np.zeros(rows, int), 5)


@pytest.fixture
def task(predictors):
    return predictors["regression"].task


def test_steps_are_doubled_until_the_residual_is_small(task):
    exact = Known(lambda x: x**4, lambda x: 4 * x**3)
    for found in integrals(exact, task, steps=2):
        assert (found.score, found.baseline, found.steps) == (1, 0, 2)
        np.testing.assert_allclose(found.attributions[1], 1.0, atol=1e-6)
        assert np.count_nonzero(found.attributions) == 1
    assert set(exact.batches) <= {5, 3} and sum(exact.batches) == 2 * 4  # never more than 5 rows
    steep = Known(lambda x: np.tanh(30 * x), lambda x: 30 / np.cosh(30 * x) ** 2)
    (found,) = integrals(steep, task, steps=4, rows=1)
    assert 4 < found.steps < 512 and found.is_exact
    wrong = Known(lambda x: x, lambda x: 2 + 0 * x)
    (found,) = integrals(wrong, task, steps=3, rows=1)
    assert found.steps == 384 and found.residual == pytest.approx(1) and not found.is_exact


def test_a_large_residual_is_said(task, spm):
    from albert_tf.tasks.classification.data import LabelledText
    from albert_tf.tasks.encoded_examples import Outputs

    known = Known(lambda x: x, lambda x: 2 + 0 * x)
    ids = [[2, *spm.encode("file"), 3]]
    report, rows = RowReport(), [LabelledText("line 7", ("file",))]
    outputs = Outputs.same(1, logits=np.zeros(1, np.float32))
    examples = EncodedExamples(ids, [len(ids[0])])
    list(Explainer(known, task).explain(rows, examples, outputs, 9, report))
    assert str(report) == "1 row(s) have a large residual: line 7"
    several = EncodedExamples(ids * 2, [len(ids[0])] * 2, choices=2)
    with pytest.raises(InputError, match="reads one row of each text. Received one that reads sev"):
        list(Explainer(known, task).explain(rows, several, outputs, 9, report))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "texts.csv"
    with path.open("w", newline="") as file:
        rows = [("name", "text"), *((f"<{i}>", text) for i, text in enumerate(TEXTS * 2))]
        csv.writer(file).writerows(rows)
    return path


def test_the_command_writes_json_lines_and_a_page(predictors, table, tmp_path, monkeypatch):
    monkeypatch.setattr(batching, "POOL", 1)
    predictor = predictors["classification"]
    words = ("predict", "--model", predictor.source.path, "--input", table, "--batch_size", 3)
    words += ("--seq_length", SEQ_LENGTH, "--keep_columns", "name", "--explain")
    call(*words, "--output", tmp_path / "a.jsonl")
    answers = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert len(answers) == 2 * len(TEXTS)
    for answer, other in zip(answers, predictor.explain(TEXTS)):
        for word, same in zip(
            answer["explanation"]["words"], other["explanation"]["words"], strict=True
        ):
            assert word == {**same, "attribution": pytest.approx(same["attribution"], abs=1e-4)}
    call(*words, "good", "--output", tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text()
    assert page.count("<section>") == 2 * len(TEXTS) == page.count("label good")
    assert "name: &lt;3&gt;" in page
    # All text is there, escaped; nothing is loaded, and no script runs.
    shown = re.findall(r'<p class="text">(.*?)</p>', page, re.DOTALL)
    assert [html.unescape(re.sub(r"</?mark[^>]*>", "", text)) for text in shown] == TEXTS * 2
    assert "<b>" not in page and "&amp;" in page
    assert not re.search(r"https?:|src=|url\(|<script|<link|@import", page)
    assert "default-src 'none'" in page and "color-scheme: light dark" in page


def test_workers_explain_too(predictors, table, monkeypatch):
    def in_this_process(make, arguments, windows, workers):
        yield from map(make(*arguments), windows)

    monkeypatch.setattr("albert_tf.tasks.predictor.ordered_map", in_this_process)
    predictor = predictors["classification"].explaining("bad", 16)
    (window,) = predictor.windows(predictor.params(table), workers=2)
    wanted = predictor.explain(TEXTS * 2, "bad", 16)
    for answer, other in zip(window.answers, wanted, strict=True):
        found, same = answer["explanation"], other["explanation"]
        assert (found["label"], found["steps"]) == ("bad", same["steps"])
        assert found["score"] == pytest.approx(same["score"], abs=1e-4)


def test_a_stopped_page_goes_on(predictors, table, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(batching, "POOL", 1)
    model = predictors["classification"].source.path
    words = ("predict", "--model", model, "--input", table, "--batch_size", 2, "--explain")
    call(*words, "--output", tmp_path / "whole.html")
    windows = Predictor.windows

    def stopping(self, *args):
        for number, window in enumerate(windows(self, *args)):
            if number == 2:
                raise KeyboardInterrupt
            yield window

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Predictor, "windows", stopping)
        assert status(*words, "--output", tmp_path / "a.html") == 130
    assert status(*words, "bad", "--output", tmp_path / "a.html") == 2
    assert 'explain null, 32, now "bad", 32' in capsys.readouterr().err
    assert status(*words, "--output", tmp_path / "a.html") == 0
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "whole.html").read_bytes()


def test_marks_have_the_sign_and_the_share_of_the_attribution():
    words = [
        {"text": 0, "word": "good", "start": 0, "end": 4, "attribution": 0.4},
        {"text": 0, "word": "not", "start": 5, "end": 8, "attribution": -0.1},
        {"text": 0, "word": "it", "start": 9, "end": 11, "attribution": 0.0},
    ]
    values = dict(score=0.9, baseline_score=0.6, residual=1e-5, texts=["good not it."], words=words)
    page = explanation_page.ExplanationPage()
    section = page.add([{"explanation": values}])
    assert 'class="for" style="--share: 1.00" title="+0.4000">good</mark> ' in section
    assert 'class="against" style="--share: 0.25" title="-0.1000">not</mark> it.</p>' in section
    assert "1 · score 0.9000 · without words 0.6000 · residual 1.0e-05" in section
    assert page.state == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--explain", "god"], "must be one of the model's. Received 'god'. Closest: good"),
        (["--explain", "--output", "a.csv"], "as .jsonl or .html. Received an --output that ends"),
        (["--explain", "--output", "a"], "or .html. Received an --output without an extension"),
        (["--explain", "--labels", "a,b"], "a model for natural language inference, whose labels"),
    ],
)
def test_wrong_flags_are_one_error(flags, message, predictors, table, tmp_path, capsys):
    flags = [
        str(tmp_path / flag) if flag.startswith("a.") or flag == "a" else flag for flag in flags
    ]
    model = predictors["classification"].source.path
    assert status("predict", "--model", model, "--input", table, *flags) == 2
    out, error = capsys.readouterr()
    assert out == "" and message in error.splitlines()[-1]


def test_other_arguments_and_tasks_are_refused(predictors, tmp_path):
    predictor = predictors["regression"]
    with pytest.raises(InputError, match="Received 'a'. It has none"):
        predictor.explain(["see"], "a")
    for steps in (0, 513):
        with pytest.raises(InputError, match=rf"steps must be in \[1, 512\]. Received {steps}"):
            predictor.explain(["see"], steps=steps)
    path = conll_file.write(tmp_path / "words.conll", 5, 1)
    task = tiny_task.task(TaggingTask, path)
    (tmp_path / "model").mkdir()
    tagger = Predictor(tiny_task.save(task, task.build_model(), tmp_path / "model"))
    with pytest.raises(
        InputError, match="for classification, multi_label, regression. Received a m"
    ):
        tagger.explain(["see"])
    nli = AlbertClassifier(AlbertConfig(**tiny_task.MODEL), labels=["entailment", "not_entailment"])
    nli.save_pretrained(tmp_path / "nli", AlbertTokenizer.from_pretrained(tiny_task.VOCAB))
    with pytest.raises(InputError, match="the model's own labels. Received labels to rank"):
        Predictor(tmp_path / "nli", candidates=["a"]).explaining()
