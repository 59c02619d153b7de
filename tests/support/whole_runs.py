"""Runs every task briefly from the command line, on files in the task's own format.

`KINDS` specifies for each task its files, how to score predictions against the labels of a file,
and the inputs and outputs of an export that correspond to these predictions.
"""

import csv
import json
import random
from pathlib import Path

import numpy as np
from seqeval.metrics import f1_score
from sklearn.metrics import f1_score as label_f1_score

from albert_tf.tasks.multiple_choice import race
from albert_tf.tasks.tagging import conll
from tests.support import choice_file, conll_file, glue_file, span_file, squad_file, tiny_task
from tests.support.commands import call

MODEL = {**tiny_task.MODEL, "num_hidden_layers": 1}  # One layer, so that tracing is fast.
GIN = {
    **{f"model_config.ModelConfig.{name}": value for name, value in MODEL.items()},
    **dict(FROM_SCRATCH=True, VOCAB=tiny_task.VOCAB, SEQ_LENGTH=24, BATCH_SIZE=8),
    **dict(TRAIN_STEPS=6, WARMUP_STEPS=1, LEARNING_RATE=0.01, EVAL_INTERVAL=3, SUMMARY_INTERVAL=3),
}
SPANS = dict(DOC_STRIDE=6, MAX_QUERY_LENGTH=8, NULL_THRESHOLD=None)


class Kind:
    """The recipe and macros of a task. Subclasses define its files, labels and outputs."""

    def __init__(self, recipe, metric="accuracy", **macros):
        self.recipe, self.metric, self.macros = recipe, metric, macros

    def data(self, root):
        """Writes the files; returns the macros for them and the path of the file to predict."""
        written = [self.write(root / f"{name}{self.ENDING}", *more) for name, *more in
                   (("train", 24, 1), ("dev", 10, 2))]  # fmt: skip
        return dict(zip(("TRAIN_DATA", "EVAL_DATA"), written)), written[1]

    def score(self, answers, path):
        """Computes the metric from the predictions for a labelled file."""
        labels = self.labels(path)
        return np.mean([self.answer(a) == b for a, b in zip(answers, labels, strict=True)])


class Glue(Kind):
    PAIRS = [("the file", "a list"), ("this", "see the line"), ("one", "object"), ("from", "it")]

    def data(self, root):
        name = self.recipe.removeprefix("finetune_")
        glue_file.write(root, name, self.PAIRS)
        file = {"mnli": "dev_mismatched.tsv", "stsb": "dev.tsv"}[name]
        return dict(DATA=root), root / file

    def rows(self, path):
        return [line.split("\t") for line in path.read_text().splitlines()[1:]]

    def asked(self, path):
        column = {"mnli": 8, "stsb": 7}[self.recipe.removeprefix("finetune_")]
        return dict(
            zip(("text", "text_b"), zip(*(r[column : column + 2] for r in self.rows(path))))
        )

    def labels(self, path):
        return [row[-1] for row in self.rows(path)]

    def answer(self, answer):
        return answer["label"]

    def outputs(self, answer):
        if "value" in answer:
            return answer
        return {
            "label": answer["label"].encode(),
            "probabilities": list(answer["probabilities"].values()),
        }


class Regression(Glue):
    def score(self, answers, path):
        values = [answer["value"] for answer in answers]
        return np.corrcoef(values, np.array(self.labels(path), float))[0, 1]


class Spans(Kind):
    ENDING = ".json"

    def write(self, path, count, seed):
        return squad_file.write(path, count, seed, 0.4 if self.recipe.endswith("2") else 0.0)

    def questions(self, path):
        (article,) = json.loads(path.read_text())["data"]
        return [(p["context"], q) for p in article["paragraphs"] for q in p["qas"]]

    def asked(self, path):
        contexts, questions = zip(*self.questions(path))
        return dict(question=[q["question"] for q in questions], context=contexts)

    def labels(self, path):
        return [[a["text"] for a in q["answers"]] or [""] for _, q in self.questions(path)]

    def score(self, answers, path):
        """Computes the percentage of exact matches, normalising the words independently."""
        hits = [
            bare(answer["answer"]) in map(bare, texts)
            for answer, texts in zip(answers, self.labels(path), strict=True)
        ]
        return 100 * np.mean(hits)

    def outputs(self, answer):
        best = [span["text"].encode() for span in answer["n_best"][:1]]
        text = answer["answer"].encode()
        return {"answer": text, "n_best_answers": best, "null_odds": answer["null_odds"]}


def bare(text):
    return [word for word in text.lower().split() if word not in ("the", "a", "an")]


class Choices(Kind):
    def answer(self, answer):
        return answer["index"]

    def outputs(self, answer):
        return {name: answer[name] for name in ("index", "probabilities")}


class Race(Choices):
    ENDING = ""

    def write(self, path, count, seed):
        return choice_file.race(path, count, seed)

    def items(self, path):
        return list(race.read(race.files(path)))

    def asked(self, path):
        items = self.items(path)
        passages, choices = ([getattr(i, name) for i in items] for name in ("passage", "choices"))
        return dict(passage=passages, question=[""] * len(items), choices=choices)

    def labels(self, path):
        return [item.label for item in self.items(path)]


class Swag(Choices):
    ENDING = ".csv"

    def write(self, path, count, seed):
        return choice_file.swag(path, count, seed)

    def rows(self, path):
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    def asked(self, path):
        rows = self.rows(path)
        asked = {n: [r[c] for r in rows] for n, c in (("passage", "sent1"), ("question", "sent2"))}
        return {**asked, "choices": [[row[f"ending{i}"] for i in range(4)] for row in rows]}

    def labels(self, path):
        return [int(row["label"]) for row in self.rows(path)]


class Tags(Kind):
    ENDING = ".txt"

    def write(self, path, count, seed):
        return conll_file.write(path, count, seed)

    def asked(self, path):
        return dict(text=[" ".join(sentence.words) for sentence in conll.read(path)])

    def score(self, answers, path):
        labels = [list(sentence.labels) for sentence in conll.read(path)]
        return f1_score(labels, [answer["labels"] for answer in answers])

    def outputs(self, answer):
        return {name: [word.encode() for word in answer[name]] for name in ("words", "labels")}


class LabelSets(Kind):
    """A column with 0 or 1 for each label, and a threshold for each."""

    ENDING = ".csv"
    WORDS = {"io": "file", "data": "list", "code": "object"}

    def write(self, path, count, seed):
        rng = random.Random(seed)
        lines = [",".join(["text", *self.WORDS])]
        for _ in range(count):
            chosen = [rng.random() < 0.5 for _ in self.WORDS]
            words = [
                "see",
                "the",
                *(w for w, is_label in zip(self.WORDS.values(), chosen) if is_label),
            ]
            lines.append(",".join([" ".join(words), *(str(int(value)) for value in chosen)]))
        path.write_text("\n".join(lines) + "\n")
        return path

    def rows(self, path):
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    def asked(self, path):
        return dict(text=[row["text"] for row in self.rows(path)])

    def score(self, answers, path):
        wanted = [[int(row[name]) for name in self.WORDS] for row in self.rows(path)]
        found = [[int(name in answer["labels"]) for name in self.WORDS] for answer in answers]
        return label_f1_score(wanted, found, average="micro", zero_division=0)

    def outputs(self, answer):
        probabilities = list(answer["probabilities"].values())
        labels = [name.encode() for name in answer["labels"]]
        known = {"probabilities": probabilities, "lengths": len(labels)}
        return {**known, "labels": labels} if labels else known


class Documents(Kind):
    """Documents of several windows, whose label depends on a word at their end."""

    ENDING = ".jsonl"

    def words(self, index):
        """Returns the number of other words of a text."""
        return 20 + index

    def write(self, path, count, seed):
        rng, lines = random.Random(seed), []
        for index in range(count):
            label = ("bad", "good", "fair")[index % 3]
            text = " ".join(
                [*rng.choices(["see", "the", "file", "from"], k=self.words(index)), label]
            )
            lines.append(json.dumps({"text": text, "label": label}))
        path.write_text("\n".join(lines) + "\n")
        return path

    def rows(self, path):
        return list(map(json.loads, path.read_text().splitlines()))

    def asked(self, path):
        return dict(text=[row["text"] for row in self.rows(path)])

    def labels(self, path):
        return [row["label"] for row in self.rows(path)]

    def answer(self, answer):
        return answer["label"]

    def outputs(self, answer):
        probabilities = list(answer["probabilities"].values())
        return {"label": answer["label"].encode(), "probabilities": probabilities}


class Sentences(Documents):
    """Texts of one row."""

    def words(self, index):
        return 2 + index % 7


class Entities(Kind):
    ENDING = ".jsonl"

    def write(self, path, count, seed):
        return span_file.write(path, count, seed)

    def asked(self, path):
        return dict(text=[json.loads(line)["text"] for line in path.read_text().splitlines()])

    def score(self, answers, path):
        names = ("starts", "ends", "labels")
        found = [set(zip(*(answer[name] for name in names))) for answer in answers]
        rows = [json.loads(line)["label"] for line in path.read_text().splitlines()]
        wanted = [set(map(tuple, spans)) for spans in rows]
        hits = sum(len(a & b) for a, b in zip(found, wanted, strict=True))
        return 2 * hits / sum(map(len, found + wanted))

    def outputs(self, answer):
        texts = {name: [text.encode() for text in answer[name]] for name in ("entities", "labels")}
        # Lists without an entity have no type.
        places = {name: answer[name] for name in ("starts", "ends", "scores")}
        return {**places, **texts} if answer["entities"] else {}


class Masks(Kind):
    """A pretrained model that fills masks; it is not fine-tuned. See whole_run_test.py."""

    def asked(self, path):
        return dict(text=path.read_text().splitlines())

    def outputs(self, answer):
        fillings = answer["fillings"]
        return {
            "pieces": [[piece["piece"].encode() for piece in mask] for mask in fillings],
            "probabilities": [[piece["probability"] for piece in mask] for mask in fillings],
        }


KINDS = {
    "classification": Glue("finetune_mnli", "accuracy_dev_mismatched"),
    "regression": Regression("finetune_stsb", "pearson"),
    "squad1": Spans("finetune_squad1", "exact", **SPANS),
    "squad2": Spans("finetune_squad2", "exact", **SPANS),
    "race": Race("finetune_race_v1", MAX_QA_LENGTH=12),
    "swag": Swag("finetune_swag", MAX_QA_LENGTH=12),
    "tagging": Tags("finetune_conll2003", "f1"),
    "multi_label": LabelSets(
        "finetune_multi_label", "micro_f1", LABEL="io,data,code", THRESHOLD="each"
    ),
    "windows": Documents("finetune_table", WINDOWS="mean", DOC_STRIDE=9),
    "few_shot": Sentences("finetune_few_shot", PER_CLASS=6, PAIRS=2, POOLING="mean"),
    "entities": Entities("finetune_tagging", "f1", TRAIN_STEPS=60, EVAL_INTERVAL=30),
}


class Run:
    """A finished run of training and evaluation."""

    def __init__(self, kind, root):
        self.kind, self.folder = kind, root / "run"
        (root / "data").mkdir()
        macros, self.labelled = kind.data(root / "data")
        self.macros = {**GIN, **kind.macros, **macros}
        self.train("train_and_eval")

    def train(self, mode, folder=None, **changes):
        """Runs the same command again, with changes or in another folder if given."""
        macros = {**self.macros, **changes}
        gin = [f"--gin.{name}={value}" for name, value in macros.items()]
        words = ["--mode", mode, "--gin_file", self.kind.recipe]
        call("train", *words, "--model_dir", folder or self.folder, *gin)

    @property
    def metrics(self):
        return json.loads((self.folder / "metrics.json").read_text())


def predicted(folder, path, output):
    """Runs `albert-tf predict` on a file and returns the answers that it wrote to `output`."""
    call("predict", "--model_dir", folder, "--input", path, "--output", output)
    text = Path(output).read_text()
    return [json.loads(line) for line in text.splitlines()]
