"""Compares loss, metrics and baselines of the pretraining task with NumPy."""

import copy
import dataclasses
import math
import shutil

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.errors import InputError
from albert_tf.pretraining import report as pretraining_report
from albert_tf.pretraining.records.build_settings import BuildSettings
from albert_tf.pretraining.records.pretraining_data import build
from albert_tf.pretraining.report import MajorityShare
from albert_tf.pretraining.task import PretrainingConfig, PretrainingDataConfig, PretrainingTask
from albert_tf.tasks import model_config
from albert_tf.tokenization.tokenizer import AlbertTokenizer
from tests.support.paths import TESTDATA

B, P, V = 3, 4, 7
UNSET = dict(seq_length=None, max_predictions_per_seq=None)
CORPUS = TESTDATA / "pretraining_data/corpus.txt.gz"
VOCAB = TESTDATA / "tokenization/spm.model"


def labels_and_outputs():
    rng = np.random.default_rng(3)
    labels = dict(
        masked_lm_ids=rng.integers(0, V, [B, P]).astype(np.int32),
        masked_lm_weights=np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]], np.float32),
        next_sentence_labels=np.array([[1], [0], [1]], np.int32),
    )
    outputs = dict(
        mlm_logits=rng.normal(size=[B, P, V]).astype(np.float32),
        sop_logits=rng.normal(size=[B, 2]).astype(np.float32),
    )
    return labels, outputs


def cross_entropy(logits, labels):
    logits = logits - logits.max(-1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return -np.take_along_axis(log_probabilities, labels[..., None], -1)[..., 0]


def task():
    return PretrainingTask(PretrainingConfig(model=model_config.ModelConfig(vocab_size=V)))


def test_loss_equals_the_original():
    labels, outputs = labels_and_outputs()
    weights = labels["masked_lm_weights"]
    mlm = cross_entropy(outputs["mlm_logits"], labels["masked_lm_ids"])
    sop = cross_entropy(outputs["sop_logits"], labels["next_sentence_labels"][:, 0])
    wanted = (mlm * weights).sum() / (weights.sum() + 1e-5) + sop.mean()
    np.testing.assert_allclose(task().build_losses(labels, outputs), wanted, rtol=1e-6)
    np.testing.assert_allclose(
        task().build_losses(labels, outputs, [tf.constant(2.0)]), wanted + 2, rtol=1e-6
    )


def test_metrics_over_two_batches_equal_numpy():
    labels, outputs = labels_and_outputs()
    the_task = task()
    metrics = the_task.build_metrics(training=False)
    for _ in range(2):
        the_task.process_metrics(metrics, labels, outputs)
    results = {m.name: float(m.result()) for m in metrics}
    weights, ids = labels["masked_lm_weights"], labels["masked_lm_ids"]
    hits = outputs["mlm_logits"].argmax(-1) == ids
    counts = np.bincount(ids.ravel(), weights.ravel())
    assert results == pytest.approx(
        dict(
            mlm_loss=(cross_entropy(outputs["mlm_logits"], ids) * weights).sum() / weights.sum(),
            mlm_accuracy=(hits * weights).sum() / weights.sum(),
            sop_loss=cross_entropy(
                outputs["sop_logits"], labels["next_sentence_labels"][:, 0]
            ).mean(),
            sop_accuracy=np.mean(
                outputs["sop_logits"].argmax(-1) == labels["next_sentence_labels"][:, 0]
            ),
            mlm_unigram_accuracy=counts.max() / counts.sum(),
            sop_majority_accuracy=2 / 3,
            sop_examples=6,
        ),
        rel=1e-5,
    )
    names = {m.name for m in the_task.build_metrics(training=True)}
    assert {"mlm_loss", "mlm_accuracy", "sop_loss", "sop_accuracy", "gradient_norm"} <= names
    assert "mlm_unigram_accuracy" not in names


def records(folder, sentence_order):
    """Builds records and returns the config that reads them."""
    settings = BuildSettings(max_seq_length=32, dupe_factor=1, sentence_order=sentence_order)
    build(str(CORPUS), VOCAB, folder / str(sentence_order), settings)
    return PretrainingDataConfig(
        input_path=str(folder / str(sentence_order) / "*.tfrecord"),
        seq_length=32,
        max_predictions_per_seq=5,
        global_batch_size=5,
    )


def task_on(train_data, validation_data):
    return PretrainingTask(
        PretrainingConfig(
            vocab_file=str(VOCAB),
            model=model_config.ModelConfig(vocab_size=1000, max_position_embeddings=32),
            train_data=train_data,
            validation_data=validation_data,
        )
    )


def test_records_without_sentence_order_have_no_sop_loss_or_metrics(tmp_path):
    data = records(tmp_path, sentence_order=False)
    the_task = task_on(data, data)
    the_task.check()
    assert "next_sentence_labels" not in the_task.build_inputs(data).element_spec
    labels, outputs = labels_and_outputs()
    order = labels.pop("next_sentence_labels")
    mlm = the_task.build_losses(labels, outputs)
    metrics = the_task.build_metrics(training=False)
    the_task.process_metrics(metrics, labels, outputs)
    results = {metric.name: float(metric.result()) for metric in metrics}
    assert set(results) == {
        "mlm_loss", "mlm_loss_per_byte", "mlm_accuracy", "mlm_unigram_accuracy",
    }  # fmt: skip
    assert float(mlm) == pytest.approx(results["mlm_loss"], rel=1e-4)
    with_order = task().build_losses({**labels, "next_sentence_labels": order}, outputs)
    sop = cross_entropy(outputs["sop_logits"], order[:, 0]).mean()
    assert float(with_order - mlm) == pytest.approx(sop, rel=1e-5)
    assert "sop" not in the_task.report(results)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, (32, 5)),
        ({"max_predictions_per_seq": 7}, (32, 7)),
        ({"masked_lm_prob": 0.25}, (32, 8)),  # 32 * 0.25
        ({"seq_length": 32, "masked_lm_prob": 0.5}, (32, 16)),
    ],
)
def test_lengths_that_are_not_set_are_those_of_dynamic_records(settings, wanted, tmp_path):
    data = dataclasses.replace(
        records(tmp_path, True), **{**UNSET, **settings}, is_training=False, drop_remainder=True
    )
    the_task = task_on(data, copy.deepcopy(data))
    the_task.check()
    for part in (the_task.task_config.train_data, the_task.task_config.validation_data):
        assert (part.seq_length, part.max_predictions_per_seq) == wanted
    batch = next(iter(the_task.build_inputs(data)))
    assert batch["input_word_ids"].shape == (5, wanted[0])
    assert batch["masked_lm_positions"].shape == (5, wanted[1])


@pytest.mark.parametrize(("permutes", "predictions"), [(False, 9), (True, 18)])
@pytest.mark.parametrize("form", ["original", "model_garden"])
def test_lengths_that_are_not_set_are_those_of_static_records(
    form, permutes, predictions, tmp_path
):
    settings = BuildSettings(
        max_seq_length=24, max_predictions_per_seq=9, record_format=form, do_permutation=permutes,
        dupe_factor=1,
    )  # fmt: skip
    build(str(CORPUS), VOCAB, tmp_path, settings)
    for has_manifest in (True, False):
        data = PretrainingDataConfig(input_path=f"{tmp_path}/*.tfrecord", global_batch_size=5)
        the_task = task_on(data, copy.deepcopy(data))
        the_task.check()
        read = the_task.task_config.train_data
        assert (read.seq_length, read.max_predictions_per_seq) == (24, predictions), has_manifest
        batch = next(iter(the_task.build_inputs(data)))
        assert batch["masked_lm_ids"].shape == (5, predictions)
        (tmp_path / "manifest.json").unlink(missing_ok=True)


def test_lengths_that_contradict_the_records_are_refused(tmp_path):
    data = dataclasses.replace(records(tmp_path, True), seq_length=31)
    with pytest.raises(InputError, match="max_seq_length=31. Received '.*', built for 32. Set"):
        task_on(data, data).check()
    data = dataclasses.replace(data, **UNSET)
    the_task = task_on(data, copy.deepcopy(data))
    the_task.task_config.model.max_position_embeddings = 20
    message = (
        r"records of 32 tokens in '.*' for .*max_position_embeddings=20. .*--max_seq_length 20"
    )
    with pytest.raises(InputError, match=message):
        the_task.check()


def test_dynamic_records_without_a_manifest_need_a_length(tmp_path):
    data = dataclasses.replace(records(tmp_path, True), **UNSET)
    (tmp_path / "True/manifest.json").unlink()
    message = r"must be in manifest.json .* Received '.*\.tfrecord' with dynamic records and no"
    with pytest.raises(InputError, match=message):
        task_on(data, data).check()
    data.seq_length = 32
    the_task = task_on(data, data)
    the_task.check()
    assert the_task.task_config.validation_data.max_predictions_per_seq == 5


@pytest.mark.parametrize("rows", [1016, 2000])
def test_masking_draws_no_row_of_a_padded_table(rows, tmp_path):
    data = records(tmp_path, sentence_order=True)
    the_task = task_on(data, data)
    the_task.task_config.model.vocab_size = rows
    the_task.check()
    batches = list(the_task.build_inputs(data).take(60))
    ids = np.concatenate([batch["input_word_ids"].numpy().ravel() for batch in batches])
    assert ids.max() < 1000
    # A tenth of the masked tokens are random, so there are enough to draw an id above 900.
    assert (ids > 900).sum() > 0 and len(batches) == 60
    model = the_task.build_model()
    outputs = the_task.forward(model, batches[0])
    assert outputs["mlm_logits"].shape == [5, 5, rows]
    assert np.isfinite(the_task.build_losses(batches[0], outputs))


def test_training_and_evaluation_records_must_agree_on_sentence_order(tmp_path):
    the_task = task_on(records(tmp_path, True), records(tmp_path, False))
    message = r"both lack it. Received dynamic records in .*True.* dynamic records, without .*False"
    with pytest.raises(InputError, match=message):
        the_task.check()


def test_majority_share_is_zero_after_a_reset():
    share = MajorityShare(4)
    share.update_state([[1, 1, 3]], [[1.0, 1.0, 6.0]])
    assert float(share.result()) == pytest.approx(0.75)
    share.reset_state()
    assert float(share.result()) == 0.0
    share.update_state([2, 2, 1])
    assert float(share.result()) == pytest.approx(2 / 3)


def test_report_shows_metrics_next_to_baselines():
    metrics = dict(
        mlm_loss=3.0, mlm_accuracy=0.25, mlm_unigram_accuracy=0.05, sop_loss=0.6,
        sop_accuracy=0.7, sop_majority_accuracy=0.51, sop_examples=2100.0,
    )  # fmt: skip
    lines = pretraining_report.table(metrics, 400).splitlines()
    assert lines[1].split()[:3] == ["mlm_loss", "3.0000", f"{math.log(400):.4f}"]
    assert lines[2].split()[:3] == ["mlm_accuracy", "0.2500", "0.0500"]
    assert lines[4].split()[:3] == ["sop_accuracy", "0.7000", "0.5100"]
    assert lines[4].endswith("+/- 0.0196")  # 1.96 * sqrt(0.7 * 0.3 / 2100)


def test_the_loss_per_byte_is_that_of_the_predicted_pieces(tmp_path):
    data = records(tmp_path, sentence_order=False)
    the_task = task_on(data, data)
    labels, outputs = labels_and_outputs()
    metrics = the_task.build_metrics(training=False)
    the_task.process_metrics(metrics, labels, outputs)
    results = {metric.name: float(metric.result()) for metric in metrics}
    weights, ids = labels["masked_lm_weights"], labels["masked_lm_ids"]
    pieces = [piece.replace("▁", "") for piece in AlbertTokenizer(VOCAB).pieces]
    sizes = np.array([[len(pieces[i].encode()) for i in row] for row in ids])
    losses = cross_entropy(outputs["mlm_logits"], ids) * weights
    expected = losses.sum() / (sizes * weights).sum()
    assert results["mlm_loss_per_byte"] == pytest.approx(expected, rel=1e-5)
    assert f"mlm_loss_per_byte  {expected:.4f}  comparable" in the_task.report(results)
    assert pretraining_report.piece_bytes(["▁", "▁aé", "b▁"]).tolist() == [0, 3, 1]


def test_model_config_can_start_from_a_preset():
    config = model_config.from_preset("albert_large_v2", vocab_size=99).to_albert_config()
    assert (config.hidden_size, config.num_hidden_layers, config.vocab_size) == (1024, 24, 99)
    with pytest.raises(InputError, match="albert_base_v2"):
        model_config.from_preset("albert_base")


def test_records_of_another_vocabulary_or_preprocessing_are_refused(tmp_path):
    data = records(tmp_path, sentence_order=True)
    the_task = task_on(data, data)
    the_task.check()
    the_task = task_on(data, data)
    the_task.task_config.vocab_file = str(VOCAB.with_name("spm_cased.model"))
    with pytest.raises(InputError, match="built with the vocabulary of the run. Received records"):
        the_task.check()
    shutil.copy(VOCAB, tmp_path / "same.model")
    (tmp_path / "same.preprocess.json").write_text('{"lower_case": false}')
    the_task = task_on(data, data)
    the_task.task_config.vocab_file = str(tmp_path / "same.model")
    with pytest.raises(InputError, match="preprocessing of the run.*'lower_case': False.* here"):
        the_task.check()
