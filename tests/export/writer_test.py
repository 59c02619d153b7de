import json

import pytest
import tensorflow as tf

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.export import manifest, writer
from albert_tf.tokenization.tokenizer import AlbertTokenizer


class Doubler(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": 2.0 * x}


def write(dest, **kwargs):
    module = Doubler()
    signatures, description = {"double": module.__call__}, {"kind": "doubler"}
    return writer.write(module, dest, signatures, description, "# Doubler\n", **kwargs)


def test_the_written_artefact_can_be_run(tmp_path):
    dest = write(tmp_path / "new")
    loaded = tf.saved_model.load(str(dest))
    assert loaded.signatures["double"](x=tf.constant([[1.0, -2.0, 3.0]]))["y"].numpy().tolist() == [
        [2.0, -4.0, 6.0]
    ]
    assert (dest / "README.md").read_text() == "# Doubler\n"


def test_verification_runs_on_the_finished_folder_before_it_is_renamed(tmp_path):
    seen = []

    def verify(path):
        assert not (tmp_path / "new").exists()
        seen.append(manifest.read(path)["kind"])

    write(tmp_path / "new", verify=verify)
    assert seen == ["doubler"]


def test_nothing_is_written_when_verification_fails(tmp_path):
    def verify(path):
        raise RuntimeError("differs")

    with pytest.raises(RuntimeError, match="differs"):
        write(tmp_path / "new", verify=verify)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(InputError, match="export directory must be new or empty"):
        write(tmp_path)
    assert (tmp_path / "mine").read_text() == "kept"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_next_version_is_one_more_than_the_highest_number(tmp_path):
    assert writer.version_folder(tmp_path / "new") == tmp_path / "new/1"
    for name in ("2", "0010", "v11", ".12.part", "x"):
        (tmp_path / name).mkdir()
    assert writer.version_folder(tmp_path).name == "11"
    assert writer.version_folder(tmp_path, "007").name == "7"


@pytest.mark.parametrize("version", ["v1", "1.0", "-1", "", "٣", str(2**63)])
def test_versions_that_the_server_would_ignore_are_rejected(tmp_path, version):
    with pytest.raises(InputError, match="must be a whole number.*Received '.*Omit it"):
        writer.version_folder(tmp_path, version)


def test_the_assets_of_an_encoder_are_written(source, tmp_path):
    config = AlbertConfig(vocab_size=200, hidden_size=24, num_attention_heads=4)
    files = writer.write_assets(tmp_path, AlbertTokenizer.from_pretrained(source), config)
    assert {name: path.name for name, path in files.items()} == {
        "sp_model_file": "small.model",
        "vocab_listing": "small.vocab",
        "preprocess_description": "small.preprocess.json",
        "albert_config": "albert_config.json",
    }
    assert files["sp_model_file"].read_bytes() == (source / "small.model").read_bytes()
    assert AlbertConfig.from_json_file(files["albert_config"]) == config
    assert json.loads(files["preprocess_description"].read_text())["rules"] == "original"


def test_the_listing_equals_that_of_sentencepiece(source, tmp_path):
    files = writer.write_assets(tmp_path, AlbertTokenizer.from_pretrained(source), AlbertConfig())
    listing = (source / "small.vocab").read_text(encoding="utf-8")
    assert files["vocab_listing"].read_text(encoding="utf-8") == listing
    assert listing.count("\n") == 200
