"""Pretraining with fewer or more layers, and with a teacher, next to NumPy."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from albert_tf import AlbertConfig, AlbertPretrainer, AlbertTokenizer
from albert_tf.errors import InputError
from albert_tf.pretraining.task import PretrainingConfig, PretrainingTask
from albert_tf.tasks.distillation.config import DistillationConfig
from albert_tf.tasks.model_config import ModelConfig
from tests.support import tiny_run, tiny_task
from tests.support.paths import TESTDATA

RECORDS = str(TESTDATA / "pretraining_data/*.tfrecord")
SIZES = {**tiny_task.MODEL, "num_hidden_layers": 4, "max_position_embeddings": 128}
T = 3.0


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    tf_keras.utils.set_random_seed(3)
    model = AlbertPretrainer(SIZES)
    for number, variable in enumerate(model.variables):
        variable.assign_add(tf.random.stateless_normal(variable.shape, [number, 1], stddev=0.1))
    folder = tmp_path_factory.mktemp("teacher") / "model"
    model.save_pretrained(folder, AlbertTokenizer(tiny_task.VOCAB))
    return folder


def pretraining(teacher, checks=True, settings=None, **changes):
    given = dict(teacher=str(teacher), labels=0.0, attention=1.0, temperature=T)
    config = PretrainingConfig(
        model=ModelConfig(**SIZES),
        vocab_file=str(tiny_task.VOCAB),
        distillation=DistillationConfig(**{**given, **(settings or {})}),
        **{"init_checkpoint": str(teacher), **changes},
    )
    for data in (config.train_data, config.validation_data):
        data.input_path, data.global_batch_size, data.seed = RECORDS, 6, 0
    task = PretrainingTask(config)
    if checks:
        task.check()
    return task


class Recorder(tf_keras.optimizers.legacy.SGD):
    """Keeps the gradients that it is to apply."""

    def apply_gradients(self, grads_and_vars, **kwargs):
        self.seen = {variable.name: tf.convert_to_tensor(g) for g, variable in grads_and_vars}


def step(task):
    model = task.build_model()
    task.initialize(model)
    batch = next(iter(task.build_inputs(task.task_config.train_data)))
    metrics, optimizer = task.build_metrics(), Recorder(1.0)
    task.train_step(batch, model, optimizer, metrics)
    values = {metric.name: float(metric.result()) for metric in metrics}
    return model, batch, values, optimizer.seen


def divergence(wanted, found):
    shares = []
    for logits in (wanted, found):
        logits = np.asarray(logits, np.float64) / T
        shares.append(np.exp(logits - np.log(np.exp(logits).sum(-1, keepdims=True))))
    return T * T * (shares[0] * np.log(shares[0] / shares[1])).sum(-1)


def test_losses_are_zero_for_a_copy_and_those_of_numpy_for_fewer_layers(teacher):
    _, _, copy, _ = step(pretraining(teacher, remove_padding=False))
    names = ("distill_logits", "distill_hidden", "distill_attention")
    assert all(abs(copy[name]) < 1e-6 for name in names)
    model, batch, values, _ = step(pretraining(teacher, num_layers=2))
    assert model.albert_config.num_hidden_layers == 2
    wanted = AlbertPretrainer.from_pretrained(teacher).predictions(batch)
    found = model.predictions(batch)
    weights = batch["masked_lm_weights"].numpy()
    mlm = divergence(wanted["mlm_logits"], found["mlm_logits"])
    expected = (mlm * weights).sum() / weights.sum()
    expected += divergence(wanted["sop_logits"], found["sop_logits"]).mean()
    assert values["distill_logits"] == pytest.approx(expected, rel=1e-4) and expected > 1e-2
    assert values["distill_hidden"] > 1e-3 and values["distill_attention"] > 1e-4


def test_parts_recomputation_and_padding_removal_leave_the_gradients_unchanged(teacher):
    settings = dict(settings=dict(labels=0.5, attention=0.0), num_layers=2)
    _, _, values, expected = step(pretraining(teacher, **settings))
    changes = dict(accumulation_steps=3, recompute=True, remove_padding=True)
    _, _, parts, found = step(pretraining(teacher, **settings, **changes))
    assert found.keys() == expected.keys() and len(found) > 20
    for name, value in expected.items():
        if "key/bias" not in name:
            np.testing.assert_allclose(found[name], value, atol=2e-5, err_msg=name)
    for name in ("label_loss", "distill_logits", "distill_hidden"):
        assert parts[name] == pytest.approx(values[name], rel=1e-4)


def test_a_teacher_without_a_head_or_vocabulary_is_refused(teacher, tmp_path):
    other = AlbertPretrainer({**SIZES, "vocab_size": 1000})
    cased = tiny_task.VOCAB.with_name("spm_cased.model")
    other.save_pretrained(tmp_path / "cased", AlbertTokenizer(cased))
    message = (
        "unless it teaches only the logits of whole texts.* with another one for pretraining. Use"
    )
    with pytest.raises(InputError, match=message):
        pretraining(tmp_path / "cased", init_checkpoint="")
    other.encoder.save_pretrained(tmp_path / "bare", AlbertTokenizer(tiny_task.VOCAB))
    message = "must have its heads. Received .* without masked_lm, sentence_order. Use"
    with pytest.raises(InputError, match=message):
        pretraining(tmp_path / "bare", init_checkpoint="")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(num_layers=0), "NUM_LAYERS must be a number of layers, 1 or more. Received .*=0"),
        (dict(num_layers=2, init_checkpoint=""), "NUM_LAYERS=2 and no INIT_FROM. Set INIT_FROM"),
        (dict(num_layers=6), "DISTILL_HIDDEN needs a teacher with at least as many layers"),
    ],
)
def test_a_number_of_layers_that_there_cannot_be_is_refused(teacher, changes, message):
    with pytest.raises(InputError, match=message):
        pretraining(teacher, **changes)


def test_a_deeper_model_starts_from_the_groups_of_a_shallower_one(teacher):
    task = pretraining(teacher, num_layers=7, settings=dict(hidden=0.0, attention=0.0))
    model = task.build_model()
    task.initialize(model)
    deep = AlbertPretrainer(dataclasses.replace(AlbertConfig(**SIZES), num_hidden_layers=7))
    deep.set_weights(AlbertPretrainer.from_pretrained(teacher).get_weights())
    batch = next(iter(task.build_inputs(task.task_config.train_data)))
    np.testing.assert_allclose(
        model.predictions(batch)["mlm_logits"], deep.predictions(batch)["mlm_logits"], atol=1e-5
    )


def test_a_pretrained_student_resumes_exactly_and_is_a_model(teacher, tmp_path):
    sizes = {f"model_config.ModelConfig.{name}": value for name, value in SIZES.items()}
    settings = dict(INIT_FROM=teacher, TEACHER=teacher, NUM_LAYERS=2, **sizes)
    tiny_run.run(tmp_path / "whole", "train_and_eval", **settings)
    shutil.copytree(tmp_path / "whole", tmp_path / "again")
    for path in (tmp_path / "again").glob("ckpt-4.*"):
        path.unlink()
    tiny_run.run(tmp_path / "again", "train_and_eval", **settings)
    one, two = (
        AlbertPretrainer.from_pretrained(tmp_path / name / "ckpt-4") for name in ("whole", "again")
    )
    assert one.albert_config.num_hidden_layers == 2
    for ours, theirs in zip(one.variables, two.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.name)
    lines = map(json.loads, (tmp_path / "whole/history.jsonl").read_text().splitlines())
    (line, *_) = [line for line in lines if line["split"] == "train"]
    total = line["label_loss"] + line["distill_logits"] + line["distill_hidden"]
    assert line["training_loss"] == pytest.approx(total, rel=1e-5)
