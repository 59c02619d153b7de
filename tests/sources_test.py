import sys
import types

import pytest

from albert_tf import sources
from albert_tf.errors import InputError
from albert_tf.formats import load


def test_a_path_is_returned_with_its_home_directory_expanded(tmp_path, monkeypatch):
    assert sources.resolve(tmp_path) == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    assert sources.resolve("~/model") == tmp_path / "model"


@pytest.mark.parametrize(
    ("handle", "package", "text"),
    [
        ("hf://albert/albert-base-v2", "huggingface_hub", r"pip install albert-tf\[hf\]"),
        ("kaggle://keras/albert/keras/base", "kagglehub", r"pip install albert-tf\[kaggle\]"),
        ("https://tfhub.dev/google/albert_base/3", "tensorflow_hub", "pip install tensorflow-hub"),
    ],
)
def test_the_error_for_a_missing_package_says_how_to_install_it(handle, package, text, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)  # Makes importing it fail.
    with pytest.raises(InputError, match=f"Run `{text}`, or pass a folder with"):
        load.load(handle)


@pytest.mark.parametrize(
    ("handle", "package", "function", "layout"),
    [
        ("hf://a/b", "huggingface_hub", "snapshot_download", "model.safetensors and spiece.model"),
        ("kaggle://a/b/c/d", "kagglehub", "model_download", "model.weights.h5"),
        ("https://x.org/m", "tensorflow_hub", "resolve", "saved_model.pb, variables/ and assets/"),
    ],
)
def test_the_error_for_a_failed_download_describes_the_folder_to_pass(
    handle, package, function, layout, monkeypatch
):
    def fail(*arguments, **options):
        raise OSError("no network\nand many more details")

    monkeypatch.setitem(sys.modules, package, types.SimpleNamespace(**{function: fail}))
    with pytest.raises(InputError, match=f"'{handle}': no network. Check .*{layout}"):
        load.load(handle)


def test_tensorflow_hub_receives_the_whole_url(monkeypatch, tmp_path):
    resolved = []
    module = types.SimpleNamespace(resolve=lambda handle: resolved.append(handle) or str(tmp_path))
    monkeypatch.setitem(sys.modules, "tensorflow_hub", module)
    assert sources.resolve("https://tfhub.dev/google/albert_base/3") == tmp_path
    assert resolved == ["https://tfhub.dev/google/albert_base/3"]


def test_an_unknown_scheme_is_rejected():
    with pytest.raises(InputError, match=r"one of \['hf://', 'kaggle://', 'https://'\]"):
        load.load("s3://bucket/model")


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("albert_bas_v2", "Closest: albert_base_v2"),
        ("albert-base-v2", "Closest: albert_base_v2"),
        ("runs/none", "Check the path"),
        ("", "All: albert_base_v1"),
    ],
)
def test_a_name_that_is_neither_a_path_nor_a_release_lists_the_closest(name, similar, tmp_path):
    with pytest.raises(InputError, match=f"name of a released model. Received '{name}'.*{similar}"):
        sources.resolve(name)


def test_the_prefix_of_a_checkpoint_is_a_path(tmp_path):
    (tmp_path / "ckpt-5.index").write_bytes(b"")
    assert sources.resolve(tmp_path / "ckpt-5") == tmp_path / "ckpt-5"
