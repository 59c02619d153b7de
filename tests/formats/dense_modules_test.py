"""Dense modules of sentence-transformers: the vectors that it computed, and what is refused."""

import json
import shutil
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.formats.load import load
from albert_tf.tasks.embedding.model import AlbertEmbedder, as_embedding
from albert_tf.tasks.predictor import Predictor
from tests.support.commands import call, status
from tests.support.goldens import TOLERANCE
from tests.support.paths import TESTDATA

SAVED = TESTDATA / "sentence_transformers_dense"  # As version 6.2 saved them, without the encoder.
LAYERS = {
    "chain": [
        dict(units=7, activation="tanh", use_bias=True, normalize_input=False),
        dict(units=5, activation="gelu_erf", use_bias=False, normalize_input=True),
    ],
    "linear": [dict(units=6, activation="linear", use_bias=True, normalize_input=True)],
}
CHAIN = ["Transformer", "Pooling", "Dense", "Normalize", "Dense", "Normalize"]


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(SAVED / "vectors.npz"))


@pytest.fixture
def folders(tmp_path):
    """Returns a folder for each name, with the encoder of the golden model."""
    for name in LAYERS:
        shutil.copytree(TESTDATA / "sentence_transformers", tmp_path / name)
        shutil.copytree(SAVED / name, tmp_path / name, dirs_exist_ok=True)
        shutil.copy(TESTDATA / "tokenization/spm.model", tmp_path / name / "spiece.model")
    return tmp_path


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    found = np.load(TESTDATA / "sentence_transformers/vectors.npz")["texts"]
    path.write_text("".join(json.dumps({"text": str(text)}) + "\n" for text in found))
    return path


def vectors(source, texts):
    return np.stack([answer["embedding"] for answer in Predictor(source)(texts, 2)])


@pytest.mark.parametrize("name", LAYERS)
def test_vectors_are_those_of_sentence_transformers(folders, golden, texts, name):
    source = load(folders / name)
    assert source.task.settings["dense"] == LAYERS[name] and not source.unread
    assert source.task.settings["normalize"] == (name == "chain") and source.heads == ("head",)
    found = vectors(source, texts)
    assert found.shape == golden[name].shape
    assert np.max(np.abs(found - golden[name])) < TOLERANCE


def test_first_numbers_are_those_of_sentence_transformers(folders, golden, texts):
    source = as_embedding(folders / "linear", normalize=True, dimensions=4)
    assert np.max(np.abs(vectors(source, texts) - golden["cut"])) < TOLERANCE


@pytest.mark.parametrize("name", LAYERS)
def test_a_converted_folder_has_the_same_modules(folders, golden, texts, name):
    convert(folders / name, "checkpoint", folders / "run")
    assert load(folders / "run").task == load(folders / name).task
    report = convert(folders / "run", "hugging_face", folders / "back")
    assert report["largest_weight_difference"] == 0 and not report["left_behind"]
    back = folders / "back"
    assert np.max(np.abs(vectors(back, texts) - golden[name])) < TOLERANCE
    modules = json.loads((back / "modules.json").read_text())
    written = json.loads((folders / name / "modules.json").read_text())
    assert [m["path"] for m in modules] == [m["path"] for m in written]
    assert modules[-1]["type"] == f"sentence_transformers.models.{modules[-1]['path'][2:]}"
    for folder in (path for path in back.glob("*_Dense")):
        values = json.loads((folder / "config.json").read_text())
        theirs = json.loads((folders / name / folder.name / "config.json").read_text())
        assert values == {key: theirs[key] for key in values} and len(values) == 4
        arrays, expected = (
            load_file(root / folder.name / "model.safetensors") for root in (back, folders / name)
        )
        assert arrays.keys() == expected.keys()
        assert all(np.array_equal(arrays[key], expected[key]) for key in arrays)
    names = load_file(back / "model.safetensors")
    assert not any("dense." in n and "linear" in n for n in names)


def test_a_dense_module_takes_the_first_numbers(folders, golden, texts):
    source = as_embedding(folders / "linear", normalize=True, dimensions=4)
    convert(source, "hugging_face", folders / "cut")
    kernel = load_file(folders / "cut/4_Dense/model.safetensors")["linear.weight"]
    assert np.array_equal(kernel, np.eye(4, 6))
    assert load(folders / "cut").task.settings["dense"][1]["units"] == 4
    assert np.max(np.abs(vectors(folders / "cut", texts) - golden["cut"])) < TOLERANCE


def test_keras_loads_the_layers(folders, golden):
    model = AlbertEmbedder.from_pretrained(folders / "chain")
    stored = load_file(folders / "chain/2_Dense/model.safetensors")
    assert np.array_equal(model.head.dense[0].kernel.numpy(), stored["linear.weight"].T)
    assert np.array_equal(model.head.dense[0].bias.numpy(), stored["linear.bias"])
    assert len(model.head.weights) == 3


def test_inspect_shows_the_modules(folders, capsys):
    call("inspect", folders / "chain")
    shown = capsys.readouterr().out
    assert (
        "vectors: cls and max (48), then dense (7, tanh), then normalize, "
        "then dense (5, gelu_erf, no bias), then normalize\n" in shown
    )
    assert "  head/dense/0/kernel  [48, 7]\n" in shown


def test_other_formats_have_no_place_for_the_layers(folders):
    for name in ("tf1", "keras_hub", "model_garden"):
        with pytest.raises(InputError, match=f"not supported by {name}: head/dense/0/kernel, head"):
            convert(folders / "chain", name, folders / "out")


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"activation_function": "torch.nn.modules.activation.Hardtanh"}, "Received 'torch.*tanh'"),
        ({"activation_function": "my.Tanh"}, "Unknown activation_function.*Received 'my.Tanh'"),
        ({"activation_function": ["a"]}, "Unknown activation_function"),
        ({"in_features": 24}, "must take the 48 numbers.*Received in_features=24 for the dense l"),
        ({"in_features": "48"}, "whole numbers as in_features and out_features.*Received '48', 7"),
        ({"out_features": 0}, "Received 48, 0 and True"),
        ({"bias": "no"}, "Received 48, 7 and 'no'"),
        ({"out_features": 8}, "must take the 8 numbers.*Received in_features=7 for the dense l"),
        ({"use_residual": True}, "no residual.*Received 'use_residual'"),
        ({"gate": 3}, "only known keys.*Received 'gate'"),
        ({"module_output_name": "other"}, "must be sentence_embedding.*Received 'other'"),
    ],
)
def test_a_wrong_dense_module_is_one_error(folders, values, message):
    change(folders / "chain/2_Dense/config.json", **values)
    with pytest.raises(InputError, match=message) as error:
        load(folders / "chain")
    assert "\n" not in str(error.value)


def test_a_layer_without_weights_is_an_error(folders, monkeypatch):
    path = folders / "chain/2_Dense/model.safetensors"
    arrays = load_file(path)
    path.unlink()
    with pytest.raises(InputError, match="must have its weights.*2_Dense' without such a file"):
        load(folders / "chain")
    (path.parent / "pytorch_model.bin").write_bytes(b"pickle")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="Only torch can read pytorch_model.bin"):
        load(folders / "chain")
    save_file({"linear.weight": arrays["linear.weight"]}, path)
    with pytest.raises(InputError, match="1 variable not initialised .head/dense/0/bias."):
        AlbertEmbedder.from_pretrained(folders / "chain")
    save_file({**arrays, "linear.weight": arrays["linear.weight"].T.copy()}, path)
    with pytest.raises(InputError, match=r"dense.0.linear.weight: \(48, 7\), but the config"):
        load(folders / "chain")
    save_file({**arrays, "other": arrays["linear.bias"]}, path)
    with pytest.raises(InputError, match="1 weight unused .dense.0.other."):
        AlbertEmbedder.from_pretrained(folders / "chain")


def test_weights_that_are_not_numbers_are_an_error(folders):
    path = folders / "chain/4_Dense/model.safetensors"
    arrays = load_file(path)
    arrays["linear.weight"][2, 3] = np.nan
    save_file(arrays, path)
    with pytest.raises(InputError, match="must be finite. Received NaN.*head/dense/1/kernel"):
        AlbertEmbedder.from_pretrained(folders / "chain")
    assert status("convert", folders / "chain", "--to", "checkpoint", folders / "out") == 2
    assert not (folders / "out").exists()


def test_the_tanh_form_of_gelu_has_no_name_there(folders):
    model = AlbertEmbedder.from_pretrained(TESTDATA / "tf1_tiny", dense=[dict(units=3)])
    model.save_pretrained(folders / "new")
    change_dense(folders / "new/task.json", activation="gelu")
    with pytest.raises(InputError, match="that sentence-transformers stores: .*Received 'gelu'"):
        convert(folders / "new", "hugging_face", folders / "out")


def change_dense(path, **values):
    task = json.loads(path.read_text())
    task["settings"]["dense"][0] |= values
    path.write_text(json.dumps(task))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"activation": "relux"},
            "Unknown activation of a dense layer. Received 'relux'. Closest: relu",
        ),
        ({"units": 9}, r"head/dense/0/kernel: \(\d+, 3\), but the config requires"),
        ({"units": 0}, "whole number of at least 1. Received 0"),
        ({"units": 1e999}, "whole number of at least 1. Received inf"),
        ({"use_bias": 1}, "use_bias must be true or false. Received 1"),
        ({"rate": 1}, "must be a dict with 'units'.*Received {'units'"),
    ],
)
def test_a_layer_written_by_hand_is_checked(folders, values, message):
    model = AlbertEmbedder.from_pretrained(TESTDATA / "tf1_tiny", dense=[dict(units=3)])
    model.save_pretrained(folders / "new")
    change_dense(folders / "new/task.json", **values)
    with pytest.raises(InputError, match=message):
        load(folders / "new")
