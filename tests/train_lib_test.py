"""Complete runs of a tiny model on records written by the original code."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from albert_tf import AlbertPretrainer, train_lib
from albert_tf.errors import InputError
from albert_tf.export import hub_encoder
from albert_tf.training import gin_files, progress
from tests.support.commands import call
from tests.support.tiny_run import SMALL, train


def weights(model_dir):
    model = AlbertPretrainer.from_pretrained(model_dir)
    return {v.name: v.numpy() for v in model.variables}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "whole"

    def export(source, dest):
        dest.mkdir()
        (dest / "source").write_text(str(source))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub_encoder, "export", export)
        train(folder, flags=["--export_best", folder.parent / "hub"])
    return folder


def test_a_run_writes_a_model_and_its_history(run_folder):
    names = {path.name for path in run_folder.iterdir()}
    assert {"albert_config.json", "spm.model", "config.gin", "operative_config.gin"} <= names
    assert {"history.jsonl", "checkpoint", "train", "validation"} <= names
    assert "TRAIN_STEPS = 4" in (run_folder / "config.gin").read_text()
    assert list((run_folder / "train").glob("events.*"))
    history = progress.read_history(run_folder)
    assert [(h["split"], h["step"]) for h in history] == [
        ("train", 2), ("train", 4), ("validation", 4),
    ]  # fmt: skip
    keys = {"gradient_norm", "learning_rate", "tokens_per_second", "padding_fraction", "mlm_loss"}
    assert keys <= set(history[0]) and 0 < history[0]["padding_fraction"] < 1
    assert 5 < history[-1]["mlm_loss"] < 9 and 0 < history[-1]["mlm_unigram_accuracy"] < 0.3


def test_export_best_exports_the_best_checkpoint_as_a_hub_encoder(run_folder):
    assert (run_folder.parent / "hub/source").read_text() == str(run_folder / "best")


def test_the_gin_config_in_the_run_folder_reproduces_the_run(run_folder, tmp_path):
    call("train", "--gin_file", run_folder / "config.gin", "--model_dir", tmp_path / "again")
    again, before = weights(tmp_path / "again"), weights(run_folder)
    for name, value in before.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)


def test_eval_mode_reports_metrics_and_changes_no_weights(run_folder, capsys):
    before = weights(run_folder)
    train(run_folder, "eval")
    table = capsys.readouterr().out
    assert "mlm_accuracy" in table and "unigram" in table and "majority class" in table
    after = weights(run_folder)
    assert all((after[name] == before[name]).all() for name in before)


def test_a_dry_run_prints_a_description_and_writes_nothing(tmp_path, capsys):
    train(tmp_path / "none", flags=["--dry_run"])
    text = capsys.readouterr().out
    sizes = dict(vocab_size=1000, embedding_size=64, hidden_size=24, num_hidden_layers=2)
    sizes |= dict(num_attention_heads=3, intermediate_size=40, max_position_embeddings=128)
    count = sum(int(tf.size(v)) for v in AlbertPretrainer(sizes).trainable_variables)
    assert f"{count:,} trainable parameters" in text
    assert "input_word_ids          int32 (8, 64)" in text
    assert "mlm_logits              float32 (8, 10, 1000)" in text
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            dict(VOCAB_SIZE=999),
            "one row for each piece.*vocab_size=999.*1000 pieces. Set VOCAB_SIZE",
        ),
        (dict(VOCAB_SIZE=2025), "at most 1024 rows more, as padding. Received vocab_size=2025"),
        (dict(TRAIN_DATA="nowhere/*.tfrecord"), "at least one file. Received 'nowhere/"),
        (dict(SEQ_LENGTH=129), r"must have the length 129 \(max_seq_length\). Received 64 values"),
        (dict(SEQ_LENGTH=32), "must have the length 32"),
        (dict(MAX_PREDICTIONS=9), r"length 9 \(max_predictions_per_seq\). Received 10 values"),
        (dict(STRATEGY="mirored"), "must be known. Received 'mirored'. Closest: mirrored"),
        (dict(TRAIN_STEPS=0), "train_steps must be at least 1"),
        (dict(VOCAB="no.model"), "no.model"),
    ],
)
def test_wrong_settings_are_errors_before_anything_is_written(changes, message, tmp_path):
    with pytest.raises(InputError, match=message):
        train(tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("data", ["TRAIN_DATA", "EVAL_DATA"])
def test_files_without_records_are_errors_before_anything_is_written(data, tmp_path):
    (tmp_path / "empty.tfrecord").touch()
    with pytest.raises(InputError, match="must contain records. Received 1 files without records"):
        train(tmp_path / "out", **{data: tmp_path / "*.tfrecord"})
    assert not (tmp_path / "out").exists()


def test_the_error_for_a_broken_record_names_its_file(tmp_path):
    whole = Path(SMALL["TRAIN_DATA"]).parent / "original_first_101.tfrecord"
    (tmp_path / "cut.tfrecord").write_bytes(whole.read_bytes()[:-20])
    message = r"must be complete.*cut\.tfrecord', whose record 100,.*skip"
    with pytest.raises(InputError, match=message):
        train(tmp_path / "out", "train", TRAIN_DATA=tmp_path / "cut.tfrecord")


def test_a_folder_with_other_files_is_rejected_and_not_changed(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="--model_dir must be new, empty, or .* earlier run"):
        train(tmp_path)
    with pytest.raises(InputError, match="--model_dir must be a folder. Received .*, a file"):
        train(tmp_path / "thesis.txt")
    with pytest.raises(InputError, match="--model_dir must be writable. Received '.*txt/run'"):
        train(tmp_path / "thesis.txt/run")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_the_error_for_an_unknown_mode_names_the_closest():
    gin_files.parse(["pretrain_tiny"], [f"{k}={v}" for k, v in SMALL.items()])
    with pytest.raises(InputError, match="Received 'evaluate'. Closest: eval"):
        gin_files.configured(train_lib.run)(mode="evaluate", model_dir="x")


def test_each_history_line_is_json(run_folder):
    for line in (run_folder / "history.jsonl").read_text().splitlines():
        assert json.loads(line)["split"] in ("train", "validation")


def test_an_exploding_loss_stops_the_run_before_a_checkpoint_is_saved(tmp_path):
    message = "Received .* at step 2. No checkpoint was saved yet. Likely cause: float16"
    scaled = {"MIXED_PRECISION": "float16", "LOSS_SCALE": 8}
    bound = {"TrainerConfig.loss_upper_bound": 0.5, **scaled}
    with pytest.raises(InputError, match=message):
        train(tmp_path / "out", "train", **bound)
    assert not list((tmp_path / "out").glob("ckpt-*"))


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def copied(run_folder, tmp_path):
    return shutil.copytree(run_folder, tmp_path / "copy")


@pytest.fixture
def other_data(tmp_path):
    records = Path(SMALL["TRAIN_DATA"]).parent / "original_first_101.tfrecord"
    raw = tf.data.TFRecordDataset(str(records)).skip(9)
    with tf.io.TFRecordWriter(str(tmp_path / "other.tfrecord")) as writer:
        for record in raw:
            writer.write(record.numpy())
    return tmp_path / "other.tfrecord"


def test_evaluating_other_data_prints_metrics_and_changes_no_file(copied, other_data, capsys):
    before = contents(copied)
    train(copied, "eval", EVAL_DATA=other_data)
    text = capsys.readouterr().out
    assert "metrics are only printed: earlier evaluations were on other data" in text
    assert "mlm_accuracy" in text and contents(copied) == before
    info = json.loads((copied / "best/info.json").read_text())
    train(copied, "eval")  # the same data again
    assert "only printed" not in capsys.readouterr().out
    assert json.loads((copied / "best/info.json").read_text()) == info


def test_training_with_other_evaluation_data_chooses_the_best_checkpoint_anew(
    copied, other_data, capsys
):
    info = json.loads((copied / "best/info.json").read_text())
    info["mlm_loss"] = 0.0  # No other evaluation can be better.
    (copied / "best/info.json").write_text(json.dumps(info))
    changes = dict(EVAL_DATA=other_data, TRAIN_STEPS=8, LEARNING_RATE=1e-4)
    train(copied, **changes)
    text = capsys.readouterr().out
    assert "other data: the best checkpoint is chosen anew" in text
    assert "settings that differ from config.gin: " in text
    assert "LEARNING_RATE 0.0015 -> 0.0001, TRAIN_STEPS 4 -> 8" in text
    info = json.loads((copied / "best/info.json").read_text())
    assert info["best_ckpt_global_step"] == 8 and info["mlm_loss"] > 0
    train(copied, **changes)
    assert not {"differ", "anew"} & set(capsys.readouterr().out.split())


def test_a_run_that_cannot_be_written_to_can_be_evaluated(copied, monkeypatch, capsys):
    before = contents(copied)
    writable = os.access
    refuse = lambda path, mode: not str(path).startswith(str(copied)) and writable(path, mode)  # noqa: E731
    monkeypatch.setattr(os, "access", refuse)
    train(copied, "eval")
    text = capsys.readouterr().out
    assert "the folder cannot be written to" in text and "mlm_accuracy" in text
    assert contents(copied) == before
    with pytest.raises(InputError, match="--model_dir must be writable"):
        train(copied, TRAIN_STEPS=8)


def test_resuming_with_float16_names_the_cause(copied):
    before = contents(copied)
    message = "resume with float16 only if .*=float16 for '.*ckpt-4', which was saved without it"
    with pytest.raises(InputError, match=message):
        train(copied, "train", MIXED_PRECISION="float16", TRAIN_STEPS=8)
    assert contents(copied) == before


def test_initial_weights_that_are_nan_are_an_error_before_anything_is_written(copied, tmp_path):
    model = AlbertPretrainer.from_pretrained(copied)
    variable = model.variables[3]
    variable.assign(variable * np.nan)
    shutil.rmtree(copied / "best")
    for path in copied.glob("ckpt-*"):
        path.unlink()
    tf.train.Checkpoint(model=model, **model.checkpoint_items).save(str(copied / "ckpt"))
    name = "encoder/embeddings/layer_norm/gamma"
    message = f"must be finite. Received NaN or infinity in {name} of '{copied}'"
    with pytest.raises(InputError, match=message):
        train(tmp_path / "out", "train", INIT_FROM=copied)
    assert not (tmp_path / "out").exists()


def test_continuous_evaluation_of_a_mistyped_folder_is_an_error(tmp_path):
    with pytest.raises(InputError, match="Received '.*/typo', where none has started. Check"):
        train(tmp_path / "typo", "continuous_eval")
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_out_of_range_are_errors(seed, tmp_path):
    with pytest.raises(InputError, match=rf"SEED must lie in .* Received {seed}. Set another"):
        train(tmp_path / "out", SEED=seed)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Records whose 40th has an id that the vocabulary of 1000 pieces lacks."""
    folder = tmp_path_factory.mktemp("foreign")
    records = Path(SMALL["TRAIN_DATA"]).parent / "original_first_101.tfrecord"
    for name, bad in (("first", 3), ("later", 40)):
        with tf.io.TFRecordWriter(str(folder / f"{name}.tfrecord")) as writer:
            for number, record in enumerate(tf.data.TFRecordDataset(str(records))):
                example = tf.train.Example.FromString(record.numpy())
                if number == bad:
                    example.features.feature["input_ids"].int64_list.value[5] = 1000
                writer.write(example.SerializeToString())
    return folder


def test_records_of_a_larger_vocabulary_are_an_error(foreign, tmp_path):
    folder = tmp_path / "out"
    message = "has 1000 pieces. Received the id 1000 in '.*first.tfrecord'. Set VOCAB"
    with pytest.raises(InputError, match=message):
        train(folder, TRAIN_DATA=foreign / "first.tfrecord")
    assert not folder.exists()
    later = dict(TRAIN_DATA=foreign / "later.tfrecord", TRAIN_STEPS=40, CHECKPOINT_INTERVAL=40)
    message = "must fit the model.* Received .*later.tfrecord.*: A record must hold ids.* 1000"
    with pytest.raises(InputError, match=message) as raised:
        train(folder, "train", **later)
    assert "\n" not in str(raised.value)
    for path in folder.glob("ckpt-*"):
        path.unlink()
    # Nothing is trained now, so the corrected command may have another model in the same folder.
    train(folder, "train", **{"model_config.ModelConfig.hidden_size": 36})
