"""A task defined outside the package, ordinal ratings, from training to a served model.

This file contains everything that the task needs, and one call of `task_types.register` adds it. A
rating from 1 to 5 is derived from four logits, one for each threshold between two ratings.
"""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.core import task_factory

from albert_tf import Predictor, task_types
from albert_tf.data import tables
from albert_tf.errors import InputError
from albert_tf.modeling.task_model import DROPOUT, TaskModel, dense
from albert_tf.serving import signatures
from albert_tf.serving.served_task import ServedTask
from albert_tf.serving.signatures import TEXTS, Spec
from albert_tf.task_types import TaskDescription, TaskType
from albert_tf.tasks.encoded_examples import EncodedExamples
from albert_tf.tasks.fine_tuning import FineTuningTask
from albert_tf.tasks.fine_tuning_config import FineTuningConfig
from tests.support import tiny_task
from tests.support.commands import call

THRESHOLDS = np.arange(1.0, 5.0, dtype=np.float32)
WORDS = dict(zip(range(1, 6), ("cold", "rain", "house", "king", "water")))


@tf_keras.utils.register_keras_serializable(package="new_task_test")
class OrdinalModel(TaskModel):
    TASKS = ("ordinal",)

    def __init__(self, config, dropout_rate=DROPOUT, **kwargs):
        super().__init__(config, dense(4, config, "ordinal"), dropout_rate, **kwargs)

    def call(self, features, training=False):
        pooled = self.encode(features, training)  # [B, H]
        return self.head(self.dropout(pooled, training=training))  # [B, 4]


@dataclasses.dataclass
class OrdinalConfig(FineTuningConfig):
    text: str = "text"


@task_factory.register_task_cls(OrdinalConfig)
class OrdinalTask(FineTuningTask):
    MODEL = OrdinalModel
    SETTINGS = ("text",)
    metric = "absolute_error"

    @classmethod
    def config_class(cls):
        return OrdinalConfig

    def describe(self):
        return TaskDescription("ordinal", settings=self.settings())

    def rows(self, params, labelled, report):
        columns = [self.task_config.text, *(["rating"] if labelled else [])]
        for path in self.paths(params):
            yield from tables.read(path, columns, report=report)

    def encode(self, rows, params, labelled, report):
        tokens = self.tokenizer.encode_batch(row.fields[self.task_config.text] for row in rows)
        room = params.seq_length - 2
        ids = [[self.tokenizer.cls_id, *row[:room], self.tokenizer.sep_id] for row in tokens]
        ratings = np.array([row.fields.get("rating", 0) for row in rows], np.float32)
        return EncodedExamples(ids, labels={"rating": ratings}, sources=rows)

    def losses(self, labels, outputs):
        passed = tf.cast(labels["rating"][:, tf.newaxis] > THRESHOLDS, tf.float32)  # [B, 4]
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(passed, outputs), axis=1)

    def evaluate(self, examples, outputs):
        ratings = 1 + np.sum(outputs.stacked() > 0, axis=1)
        return {"absolute_error": float(np.mean(abs(ratings - examples.labels["rating"])))}

    def answers(self, examples, outputs):
        for logits in outputs["logits"]:
            yield {"rating": 1 + int(np.sum(logits > 0))}


class ServedOrdinal(ServedTask):
    SIGNATURES = {
        "ordinal": signatures.of_task({"text": TEXTS}, {"rating": Spec(tf.int32, ("B",))})
    }

    def answer_ids(self, ids, mask, types):
        logits = self.model(self.features(ids, mask, types))  # [B, 4]
        return {"rating": 1 + tf.reduce_sum(tf.cast(logits > 0, tf.int32), axis=1)}


task_types.register(
    TaskType(
        name="ordinal",
        model=f"{__name__}:OrdinalModel",
        task=f"{__name__}:OrdinalTask",
        served=f"{__name__}:ServedOrdinal",
        head=task_types.dense_head("H4"),
    )
)
RECIPE = f"""
from __gin__ import dynamic_registration
import {__name__} as ordinal
include 'experiments/runs/finetune.gin'
include 'experiments/optim/adamw.gin'
TASK = @ordinal.OrdinalConfig()
BEST_IS = "lower"
"""


def write_ratings(path, rows, seed):
    """Writes a CSV file of texts, each with one word for its rating among irrelevant words."""
    rng = np.random.default_rng(seed)
    ratings = rng.integers(1, 6, rows)
    texts = [f"the {rng.choice(['man', 'day', 'hand'])} and {WORDS[r]} of it" for r in ratings]
    path.write_text("text,rating\n" + "".join(f"{t},{r}\n" for t, r in zip(texts, ratings)))
    return texts, ratings


def test_a_new_task_trains_predicts_converts_and_is_served(tmp_path):
    write_ratings(tmp_path / "train.csv", 60, seed=1)
    texts, ratings = write_ratings(tmp_path / "dev.csv", 23, seed=2)
    (tmp_path / "ordinal.gin").write_text(RECIPE)
    macros = dict(FROM_SCRATCH=True, VOCAB=tiny_task.VOCAB, SEQ_LENGTH=24, BATCH_SIZE=12)
    macros |= dict(
        CLASSIFIER_DROPOUT=0.0, TRAIN_DATA=tmp_path / "train.csv", EVAL_DATA=tmp_path / "dev.csv"
    )
    macros |= dict(TRAIN_STEPS=120, EVAL_INTERVAL=60, LEARNING_RATE=0.003, WARMUP_STEPS=5)
    macros |= {f"model_config.ModelConfig.{name}": v for name, v in tiny_task.MODEL.items()}
    run = tmp_path / "run"
    words = ["train", "--gin_file", tmp_path / "ordinal.gin", "--mode", "train_and_eval"]
    call(*words, "--model_dir", run, *(f"--gin.{name}={v}" for name, v in macros.items()))
    errors = [entry["absolute_error"] for entry in read_json(run / "metrics.json")["history"]]
    assert errors[-1] < 0.2 < np.mean(abs(ratings - np.median(ratings)))

    out = tmp_path / "answers.jsonl"
    call("predict", "--model_dir", run, "--input", tmp_path / "dev.csv", "--output", out)
    answers = [json.loads(line)["rating"] for line in out.read_text().splitlines()]
    assert np.mean(abs(ratings - answers)) == pytest.approx(min(errors))

    call("convert", run, "--to", "checkpoint", tmp_path / "converted")
    converted = Predictor(tmp_path / "converted")(tmp_path / "dev.csv")
    assert [answer["rating"] for answer in converted] == answers
    with pytest.raises(InputError, match="hugging_face.*head/kernel, head/bias"):
        call("convert", run, "--to", "hugging_face", tmp_path / "theirs")

    call("export", "task", run, tmp_path / "served", "--no_check")
    served = tf.saved_model.load(str(tmp_path / "served/1"))
    outputs = served.signatures["serving_default"](text=tf.constant(texts))
    assert outputs["rating"].numpy().tolist() == answers


def read_json(path):
    return json.loads(path.read_text())


def test_a_built_in_task_cannot_be_replaced():
    with pytest.raises(InputError, match="the name of a built-in task. Received 'tagging'"):
        task_types.register(dataclasses.replace(task_types.get("tagging"), uses_pooler=True))


def test_an_installed_package_registers_its_tasks(monkeypatch, tmp_path):
    (tmp_path / "my_tasks.py").write_text(
        "import dataclasses\nfrom albert_tf import task_types\n"
        "task_types.register(dataclasses.replace(task_types.get('tagging'), name='chunking'))\n"
    )
    metadata = tmp_path / "my_tasks-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-tasks\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[albert_tf.tasks]\nmy_tasks = my_tasks\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(task_types, "_TYPES", dict(task_types._TYPES))
    task_types._import_installed.cache_clear()
    assert TaskDescription("chunking").type.model_class.__name__ == "AlbertTokenClassifier"
