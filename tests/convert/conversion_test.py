import json

import numpy as np
import pytest

from albert_tf.convert import compare, conversion
from albert_tf.convert.conversion import convert, writable
from albert_tf.errors import InputError
from albert_tf.formats import load, tf1
from tests.support.goldens import TESTDATA

FULL = ["tf1", "hugging_face", "checkpoint"]  # Formats that can store every model.


def assert_same_model(path, golden):
    before, after = load.load(golden), load.load(path)
    assert before.config == after.config
    assert list(before.weights) == list(after.weights)
    for name in before.weights:
        np.testing.assert_array_equal(before.weights[name], after.weights[name])


@pytest.mark.parametrize("to", FULL)
@pytest.mark.parametrize("name", ["tf1_groups", "tf1_nofactor"])
def test_converting_there_and_back_is_bit_exact(name, to, tmp_path):
    report = convert(TESTDATA / name, to, tmp_path / "there")
    assert report["largest_weight_difference"] == 0.0
    assert set(report["largest_output_difference"]) == {
        "sequence_output",
        "pooled_output",
        "encoder_outputs",
        "mlm_logits",
        "sop_logits",
    }
    assert max(report["largest_output_difference"].values()) <= 1e-5
    written = json.loads((tmp_path / "there" / "conversion_report.json").read_text())
    assert written == json.loads(json.dumps(report))
    assert_same_model(tmp_path / "there", TESTDATA / name)
    convert(tmp_path / "there", "tf1", tmp_path / "back")
    assert_same_model(tmp_path / "back", TESTDATA / name)


@pytest.mark.parametrize("to", ["hugging_face", "keras_hub", "model_garden", "checkpoint", "tf1"])
@pytest.mark.parametrize("name", ["kerashub_tiny", "kerashub_tiny_mlm"])
def test_models_without_some_heads_convert_to_every_format(name, to, tmp_path):
    convert(TESTDATA / name, to, tmp_path / "there")
    after = load.load(tmp_path / "there")
    assert after.heads == load.load(TESTDATA / name).heads
    assert_same_model(tmp_path / "there", TESTDATA / name)


def test_these_tests_cover_every_writable_format():
    assert sorted(writable()) == sorted([*FULL, "keras_hub", "model_garden"])


def test_the_report_contains_no_local_paths(tmp_path):
    convert(TESTDATA / "tf1_tiny", "hugging_face", tmp_path / "there")
    text = (tmp_path / "there" / "conversion_report.json").read_text()
    assert str(tmp_path) not in text
    assert str(TESTDATA) not in text
    assert json.loads(text)["source"] == {"name": "tf1_tiny", "format": "tf1"}


def test_changed_outputs_raise_an_error_and_nothing_is_written(tmp_path, monkeypatch):
    real = tf1.mapping.to_theirs

    def wrong(column, source):
        for name, array in real(column, source):
            yield name, array + 1e-3 if name == "bert/pooler/dense/bias" else array

    monkeypatch.setattr(tf1.mapping, "to_theirs", wrong)
    with pytest.raises(InputError, match="by more than 1e-05. Received.*largest in sop_logits"):
        convert(TESTDATA / "tf1_tiny", "tf1", tmp_path / "there")
    assert list(tmp_path.iterdir()) == []


def test_nan_outputs_raise_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "output_differences", lambda *_: {"sequence_output": float("nan")})
    with pytest.raises(InputError, match="must not change outputs by more than"):
        convert(TESTDATA / "tf1_tiny", "tf1", tmp_path / "there")


def test_nothing_is_written_when_a_writer_fails(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(conversion, "_report", fail)
    with pytest.raises(OSError, match="disk full"):
        convert(TESTDATA / "tf1_tiny", "hugging_face", tmp_path / "there")
    assert list(tmp_path.iterdir()) == []


def test_bad_arguments_are_rejected_before_any_work(tmp_path):
    with pytest.raises(InputError, match="'huggingface'. Closest: hugging_face"):
        convert(TESTDATA / "tf1_tiny", "huggingface", tmp_path / "there")
    with pytest.raises(InputError, match="format that can be written. Received 'hub'"):
        convert(TESTDATA / "tf1_tiny", "hub", tmp_path / "there")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").write_text("keep")
    with pytest.raises(InputError, match="must be new or empty"):
        convert(TESTDATA / "tf1_tiny", "tf1", tmp_path / "there")
    assert (tmp_path / "there" / "mine").read_text() == "keep"


def test_unrecognised_weights_are_left_out_only_with_allow_partial(tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "source"
    folder.mkdir()
    golden = TESTDATA / "hf_tiny"
    (folder / "config.json").write_bytes((golden / "config.json").read_bytes())
    arrays = load_file(golden / "model.safetensors")
    save_file({**arrays, "classifier.weight": np.ones([3, 32])}, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"not recognised: classifier\.weight\. Pass --allow_part"):
        convert(folder, "tf1", tmp_path / "there")
    report = convert(folder, "tf1", tmp_path / "there", allow_partial=True)
    assert report["left_behind"] == ["classifier.weight"]
    del arrays["albert.pooler.bias"]
    save_file(arrays, folder / "model.safetensors")
    with pytest.raises(InputError, match="Only a complete .* which lacks encoder/pooler/bias"):
        convert(folder, "tf1", tmp_path / "more", allow_partial=True)


def _without_poolers(folder, architecture, *lost):
    """Writes a model of Hugging Face without its pooler and other weights."""
    from safetensors.numpy import load_file, save_file

    golden = TESTDATA / "hf_tiny"
    folder.mkdir()
    config = json.loads((golden / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": [architecture]}))
    arrays = load_file(golden / "model.safetensors")
    lost = [name for name in arrays if any(part in name for part in ("pooler", "sop", *lost))]
    save_file({n: a for n, a in arrays.items() if n not in lost}, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("to", ["tf1", "hugging_face", "keras_hub"])
def test_an_encoder_without_a_pooler_is_not_converted(to, tmp_path):
    source = _without_poolers(tmp_path / "source", "AlbertForPreTraining")
    message = (
        r"complete encoder can be converted. Received '.*source' \(hugging_face\), which lacks "
        r"encoder/pooler/.*often saved without a pooler. Continue pretraining or fine-tune from it "
        r"\(INIT_FROM\), which adds one, and convert the result"
    )
    with pytest.raises(InputError, match=message):
        convert(source, to, tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_a_weight_that_training_can_not_add_must_be_copied_again(tmp_path):
    source = _without_poolers(tmp_path / "source", "AlbertForPreTraining", "token_type")
    with pytest.raises(InputError, match="which lacks .*Copy or download it again") as error:
        convert(source, "tf1", tmp_path / "there")
    assert "Continue pretraining" not in str(error.value)


def test_a_masked_language_model_needs_no_pooler(tmp_path):
    source = _without_poolers(tmp_path / "source", "AlbertForMaskedLM")
    convert(source, "hugging_face", tmp_path / "there")
    assert not any("pooler" in name for name in load.load(tmp_path / "there").weights)
