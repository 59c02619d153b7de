import pytest

from albert_tf.errors import InputError
from albert_tf.formats import load
from albert_tf.modeling.encoder import AlbertEncoder
from tests.support.goldens import TESTDATA

FORMATS = {
    "tf1_tiny": "tf1",
    "tf1_groups": "tf1",
    "tfhub1_tiny": "tf1_hub",
    "hf_tiny": "hugging_face",
    "hf_tiny_gelu_erf": "hugging_face",
    "kerashub_tiny": "keras_hub",
    "kerashub_tiny_mlm": "keras_hub",
    "modelgarden_tiny": "model_garden",
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_is_detected(name):
    source = load.load(TESTDATA / name)
    assert source.format == FORMATS[name]
    assert source.unread == ()


def test_weights_are_read_only_when_accessed(monkeypatch):
    from albert_tf.formats.tf_checkpoint import TensorFlowCheckpoint

    read = []
    real = TensorFlowCheckpoint.read
    monkeypatch.setattr(
        TensorFlowCheckpoint, "read", lambda self, key: read.append(key) or real(self, key)
    )
    source = load.load(TESTDATA / "tf1_tiny")
    assert read == ["global_step"]
    assert source.weights.parameters == 14874
    assert source.weights["encoder/pooler/bias"].shape == (32,)
    assert read == ["global_step", "bert/pooler/dense/bias"]


def test_the_error_for_an_unknown_folder_lists_its_contents_and_all_requirements(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"?")
    with pytest.raises(InputError) as caught:
        load.load(tmp_path)
    message = str(caught.value)
    assert f"'{tmp_path}', a folder that contains ['weights.bin']" in message
    for name, module in load.FORMATS.items():
        assert f"{name}: {module.NEEDS}" in message


def test_a_missing_path_is_rejected(tmp_path):
    with pytest.raises(InputError, match="absent', which does not exist. Check the path"):
        load.load(tmp_path / "absent")


def test_from_preset_rejects_an_unknown_name():
    with pytest.raises(InputError, match="Closest: albert_base_v2"):
        AlbertEncoder.from_preset("albert_base_v3")


def test_from_pretrained_passes_arguments_to_the_encoder():
    encoder = AlbertEncoder.from_pretrained(TESTDATA / "tf1_tiny", output_range=1)
    assert encoder.get_config()["output_range"] == 1
