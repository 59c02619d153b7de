"""What docs/security.md says about reading files holds for the code."""

import re

import tensorflow as tf
import tensorflow_hub as hub

from albert_tf import config, downloads
from albert_tf.export import hub_encoder
from albert_tf.formats import hdf5
from albert_tf.modeling.encoder import AlbertEncoder
from tests.support.commands import status
from tests.support.paths import ROOT

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
RUNS_CODE = re.compile(
    r"saved_model\.load\(|hub\.load\(|KerasLayer\(|load_model\(|\bpickle\.|\bmarshal\.|joblib\.load"
    r"|yaml\.(?:unsafe_|full_)?load\(|allow_pickle=True|torch\.load\((?!.*weights_only=True)"
    r"|(?<![\w.])(?:eval|exec)\(|extractall\(|shell=True|os\.system"
)


def test_the_pattern_sees_what_runs_code():
    for line in (
        "module = tf.saved_model.load(path)",
        "tensors = torch.load(path, mmap=True)",
        "yaml.load(text)",
        "yaml.unsafe_load(text)",
        "value = eval(text)",
    ):
        assert RUNS_CODE.search(line), line
    for line in (
        "torch.load(path, weights_only=True)",
        "yaml.safe_load(text)",
        "ast.literal_eval(value)",
        "self.eval(x)",
    ):
        assert not RUNS_CODE.search(line), line


def test_only_the_packages_own_exports_are_run():
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in (ROOT / "albert_tf", ROOT / "export")
        for path in folder.rglob("*.py")
        for line in re.sub(r'"""[\s\S]*?"""', "", path.read_text(encoding="utf-8")).splitlines()
        if RUNS_CODE.search(line.partition("  #")[0])
    }
    assert found == {
        "albert_tf/data/beam_map.py",  # files of the workers that it has just started
        "albert_tf/data/workers.py",  # a private file that it has just written
        "albert_tf/keras3.py",
        "albert_tf/quickstart/evaluation.py",
        "export/benchmark_target.py",
        "export/clean_process.py",
    }


def test_weights_of_a_saved_model_are_read_without_running_it(exports, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the SavedModel was loaded")

    for owner, name in ((tf.saved_model, "load"), (hub, "load"), (hub, "KerasLayer")):
        monkeypatch.setattr(owner, name, refuse)
    source = exports / "encoder"
    assert status("inspect", source) == 0
    assert status("convert", source, "--to", "tf1", tmp_path / "converted") == 0
    weights = AlbertEncoder.from_pretrained(source).get_embedding_table()
    stored = AlbertEncoder.from_pretrained(tmp_path / "converted").get_embedding_table()
    tf.debugging.assert_equal(weights, stored)
    assert hub_encoder.export(source, tmp_path / "again", check=False).is_dir()


def test_the_page_gives_the_limits_of_the_code():
    assert f"groups nested {hdf5._DEPTH} deep" in PAGE
    assert hdf5._SMALL == 1 << 20 and f"1 MB or {hdf5._EXPANSION} times" in PAGE
    assert downloads._SPACE == 64 << 20 and "64 MB in total" in PAGE
    assert config.LIMITS["hidden_size"] == 100_000
    limit = re.search(
        r"client_max_body_size (\d+)m;", (ROOT / "export/serving/nginx.conf").read_text()
    )
    assert f"more than {limit[1]} MB" in PAGE


def test_the_paths_on_the_page_exist():
    paths = re.findall(r"`((?:albert_tf|export)/[\w/.]+)`", PAGE)
    assert len(paths) >= 5 and all((ROOT / path).is_file() for path in paths)
