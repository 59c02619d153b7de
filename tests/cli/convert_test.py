import json
import os
import shutil

import pytest

from albert_tf.cli import convert
from albert_tf.convert.conversion import writable
from albert_tf.formats.load import FORMATS
from tests.support.commands import status
from tests.support.paths import TESTDATA


def test_convert_writes_a_model_and_a_report(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    source = shutil.copytree(TESTDATA / "tf1_tiny", tmp_path / "source")
    shutil.copy(TESTDATA / "tokenization" / "spm.model", source / "30k-clean.model")
    assert status("convert", source, "--to", "hugging_face", tmp_path / "dest") == 0
    printed = capsys.readouterr().out
    assert "tf1 -> hugging_face: 32 weights, 14,874 parameters" in printed
    assert "largest difference in sop_logits: 0.0e+00" in printed
    assert "skipped step counters: 1" in printed
    report = json.loads((tmp_path / "dest" / "conversion_report.json").read_text())
    assert report["largest_output_difference"]["mlm_logits"] <= 1e-5
    assert (tmp_path / "dest" / "spiece.model").is_file()
    # Otherwise child processes would use other kernels than this process.
    assert "TF_ENABLE_ONEDNN_OPTS" not in os.environ


def test_convert_prints_weights_that_were_not_converted(tmp_path, capsys):
    arguments = ("convert", TESTDATA / "tf1_tiny", "--to", "keras_hub", tmp_path / "dest")
    assert status(*arguments) == 2
    assert "Pass --allow_partial" in capsys.readouterr().err
    assert not (tmp_path / "dest").exists()
    assert status(*arguments, "--allow_partial") == 0
    assert "not converted: sentence_order/classifier/kernel" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("tf1_tiny", "--to", "pytorch"), "Received 'pytorch'"),
        (("absent", "--to", "tf1"), "absent', which does not exist. Check the path."),
    ],
)
def test_wrong_input_gives_a_one_line_error_and_status_2(arguments, text, tmp_path, capsys):
    source, *others = arguments
    assert status("convert", TESTDATA / source, *others, tmp_path / "dest") == 2
    error = capsys.readouterr().err
    assert error.startswith("albert-tf convert: error: ")
    assert text in error
    assert list(tmp_path.iterdir()) == []


def test_help_lists_all_formats():
    for name in FORMATS:
        assert f"\n  {name} " in convert.__doc__
    read_only = convert.__doc__.partition("one of them except ")[2].partition(";")[0]
    assert set(FORMATS) - set(writable()) == set(read_only.split(" and "))


def test_inspect_shows_format_config_heads_and_preprocessing(capsys):
    assert status("inspect", TESTDATA / "tfhub1_tiny") == 0
    printed = capsys.readouterr().out
    for line in (
        "format: tf1_hub",
        "  num_hidden_layers: 3",
        "  encoder/stack/group_0_inner_0/intermediate/kernel  [32, 64]",
        "parameters: 14,874",
        "heads: masked_lm, sentence_order",
        "vocabulary: 30k-clean.model",
        "preprocessing: lower_case=True, keep_accents=False, rules=original",
    ):
        assert f"{line}\n" in printed
    assert status("inspect", TESTDATA / "hf_tiny_gelu_erf") == 0
    printed = capsys.readouterr().out
    assert (
        "note: hidden_act 'gelu' of Hugging Face is 'gelu_erf' in albert_tf, the exact form"
        in printed
    )
    assert "layer norm epsilon of encoder: 1e-12" in printed
    assert "classifier dropout: 0.1" in printed
    assert "vocabulary: none\npreprocessing: unknown\n" in printed
