import sys

import pytest
from upath import UPath

from albert_tf.data import storage
from albert_tf.errors import InputError

STORE = UPath("memory://storage_test")


@pytest.fixture
def file(request):
    path = STORE / request.node.name / "a.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("old")
    return path


def test_expand_finds_local_and_remote_files(tmp_path, file):
    (tmp_path / "b.txt").write_text("b")
    patterns = [str(tmp_path / "*.txt"), f"{file.parent}/*.txt"]
    for given in (patterns, ", ".join(patterns)):
        assert storage.expand(given) == [tmp_path / "b.txt", file]
    with pytest.raises(InputError, match=r"at least one file. Received 'memory://.*/x\*'"):
        storage.expand(f"{file.parent}/x*")
    with pytest.raises(InputError, match="must not be empty"):
        storage.expand("")


def test_only_complete_files_are_uploaded(file):
    with pytest.raises(ValueError), storage.replacing(file) as temporary:
        temporary.write_text("half")
        raise ValueError
    assert file.read_text() == "old"
    with storage.replacing(file) as temporary:
        temporary.write_text("new")
    assert {p.name: p.read_text() for p in file.parent.iterdir()} == {"a.txt": "new"}


def test_a_directory_with_files_is_not_new(tmp_path, file):
    storage.check_new(file.parent / "below")
    with pytest.raises(InputError, match="must be new or empty.*memory://"):
        storage.check_new(file.parent)
    (tmp_path / "mine").write_text("")
    with pytest.raises(InputError, match="must be new or empty.*has 1 entries"):
        storage.check_new(tmp_path)


@pytest.mark.parametrize("path", ["nowhere://bucket/data", "gs://bucket/data"])
def test_a_file_system_that_is_not_installed_is_an_error(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match=f"Received '{path}': .*pip install 'albert-tf.beam.'"):
        storage.location(path)
