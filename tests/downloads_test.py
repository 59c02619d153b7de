"""Released models are downloaded from a local server, whole and broken."""

import hashlib
import importlib.util
import io
import os
import shutil
import tarfile
import threading

import numpy as np
import pytest

import albert_tf
from albert_tf import downloads, presets, sources
from albert_tf.errors import InputError
from albert_tf.formats import load
from albert_tf.tokenization.settings import Preprocessing
from tests.support import wordpiece
from tests.support.paths import TESTDATA
from tests.support.release_server import archive, serving

NAME = "albert_base_v2"


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with serving(monkeypatch, tmp_path / "cache") as server:
        yield server


@pytest.fixture(scope="module")
def content():
    return archive(TESTDATA / "tf1_tiny")


@pytest.fixture
def no_hub(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def entries(cache):
    return sorted(path.name for path in cache.iterdir() if not path.name.endswith(".lock"))


def tar_gz(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            tar.addfile(info, io.BytesIO(b"x" * info.size))
    return buffer.getvalue()


def kind(name, type_, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type_, target
    return info


def test_a_released_chinese_model_comes_with_its_vocabulary(server, tmp_path):
    folder = shutil.copytree(TESTDATA / "tf1_tiny", tmp_path / "release")
    for path in [*folder.glob("*.model"), *folder.glob("*.vocab")]:
        path.unlink()
    wordpiece.write(folder, "vocab_chinese.txt")
    server.add("albert_base_zh", archive(folder))
    tokenizer = albert_tf.AlbertTokenizer.from_pretrained("albert_base_zh")
    assert tokenizer.pieces == wordpiece.pieces()
    assert tokenizer.preprocessing == Preprocessing()
    assert tokenizer.tokenize("The film 中国") == ["the", "film", "中", "国"]
    assert load.load("albert_base_zh").model_file == tokenizer.model_file


def test_a_released_name_is_downloaded_once_and_read_as_its_folder(server, content, tmp_path):
    server.add(NAME, content)
    source, expected = load.load(NAME), load.load(TESTDATA / "tf1_tiny")
    assert source.config == expected.config and source.path == tmp_path / "cache" / NAME
    for name, array in expected.weights.items():
        np.testing.assert_array_equal(source.weights[name], array)
    load.load(NAME)
    assert server.starts == [0] and entries(tmp_path / "cache") == [NAME]


def test_a_folder_takes_precedence_over_a_released_name(server, tmp_path):
    (tmp_path / NAME).symlink_to(TESTDATA / "tf1_tiny")
    assert load.load(NAME).config.hidden_size == 32
    assert server.starts == []


def test_a_broken_connection_is_resumed(server, content, tmp_path):
    server.add(NAME, content)
    server.limit = 70_000
    sources.resolve(NAME)
    assert server.starts == [0, 70_000]
    assert load.load(NAME).heads == load.load(TESTDATA / "tf1_tiny").heads


def test_a_killed_download_is_resumed_by_the_next_process(server, content, tmp_path):
    server.add(NAME, content)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f".{NAME}.tar.gz.part").write_bytes(content[:1234])
    sources.resolve(NAME)
    assert server.starts == [1234]


@pytest.mark.parametrize("rest", [0, 9])
def test_a_partial_file_that_is_not_shorter_is_downloaded_anew(server, content, tmp_path, rest):
    server.add(NAME, content)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f".{NAME}.tar.gz.part").write_bytes(content + b"x" * rest)
    sources.resolve(NAME)
    assert server.starts == [0] and entries(tmp_path / "cache") == [NAME]


def test_a_server_without_ranges_sends_the_file_from_the_start(server, content):
    server.add(NAME, content)
    server.has_ranges, server.limit = False, 50_000
    sources.resolve(NAME)
    assert server.starts == [0, 0]


def test_two_downloads_at_once_fetch_the_archive_once(server, content):
    server.add(NAME, content)
    paths = []
    threads = [
        threading.Thread(target=lambda: paths.append(sources.resolve(NAME))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 1 and len(paths) == 3 and server.starts == [0]


def test_a_known_checksum_must_match(server, content, tmp_path, monkeypatch):
    server.add(NAME, content)
    preset = presets.PRESETS[NAME]
    digest = hashlib.sha256(content).hexdigest()
    for sha256 in ("0" * 64, digest):
        changed = {NAME: albert_tf.presets.dataclasses.replace(preset, sha256=sha256)}
        monkeypatch.setattr(presets, "PRESETS", changed)
        if sha256 == digest:
            sources.resolve(NAME)
            continue
        with pytest.raises(InputError, match=f"SHA-256 is {digest} instead of 0000.*download it"):
            sources.resolve(NAME)
        assert entries(tmp_path / "cache") == []


def test_the_checksum_of_the_server_must_match(server, content, tmp_path, no_hub):
    server.add(NAME, content)
    server.files[f"/{NAME}.tar.gz"] = content[:-1] + b"x"
    with pytest.raises(InputError, match="differs from the checksum that the server sent"):
        sources.resolve(NAME)
    assert entries(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        (["albert_base/../../evil"], "'albert_base/../../evil' is outside of its folder"),
        (["/tmp/evil"], "'/tmp/evil' is outside of its folder"),
        ([kind("albert_base/a", tarfile.SYMTYPE, "/etc/passwd")], "neither a file nor a folder"),
        ([kind("albert_base/a", tarfile.LNKTYPE, "../../b")], "neither a file nor a folder"),
        ([kind("albert_base/a", tarfile.FIFOTYPE)], "neither a file nor a folder"),
        (["albert_base/albert_config.json"], "it lacks albert_config.json, model.ckpt-best"),
        (["notes.txt"], "it lacks albert_config.json, model.ckpt-best"),
    ],
)
def test_a_bad_archive_leaves_nothing(server, tmp_path, members, reason):
    server.add(NAME, tar_gz(*members))
    with pytest.raises(InputError, match=f"complete and unchanged. Received '{NAME}': .*{reason}"):
        sources.resolve(NAME)
    assert entries(tmp_path / "cache") == []
    assert sorted(os.listdir(tmp_path)) == ["cache"]


@pytest.mark.parametrize("size", [30_000, 0, 11])
def test_an_archive_that_was_cut_off_leaves_nothing(server, content, tmp_path, size):
    server.add(NAME, content[:size])
    if not size:  # A server answers a request for an empty file with 416.
        server.files[f"/{NAME}.tar.gz"] = b"\x1f"
        del server.headers["x-goog-hash"]
    with pytest.raises(InputError, match="must be complete and unchanged"):
        sources.resolve(NAME)
    assert entries(tmp_path / "cache") == []


def test_an_archive_that_expands_without_bound_is_rejected(server, tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "_SPACE", -16 * presets.get(NAME).parameters + 1000)
    big = tarfile.TarInfo("albert_base/model.ckpt-best.data-00000-of-00001")
    big.size = 1001
    server.add(NAME, tar_gz(big))
    with pytest.raises(InputError, match="its files take more than 1000 bytes"):
        sources.resolve(NAME)


def test_without_a_network_the_error_says_what_folder_would_do(monkeypatch, tmp_path, no_hub):
    monkeypatch.setenv("ALBERT_TF_CACHE", str(tmp_path))
    unreachable = albert_tf.presets.dataclasses.replace(
        presets.get(NAME), source="http://127.0.0.1:9/albert_base_v2.tar.gz"
    )
    monkeypatch.setattr(presets, "PRESETS", {NAME: unreachable})
    text = r"\(http://127.0.0.1:9/.*refused.*pass a folder with albert_config.json.*put it at"
    with pytest.raises(InputError, match=text):
        sources.resolve(NAME)


def test_an_archive_that_is_gone_is_an_error(server, no_hub):
    with pytest.raises(InputError, match="must be downloadable.*Not Found"):
        sources.resolve(NAME)


def test_without_the_archive_the_model_comes_from_hugging_face(server, tmp_path, monkeypatch):
    """The ids are those of the released model, not of Hugging Face's rules."""
    asked = []

    def download(name):
        asked.append(name)
        return str(TESTDATA / "hf_from_tf1_tiny")

    monkeypatch.setattr(sources, "_hugging_face", download)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    source = load.load(NAME)
    assert asked == ["albert/albert-base-v2"] and source.format == "hugging_face"
    assert (source.path / "spiece.preprocess.json").read_text() == "{}\n"


def test_a_cache_that_cannot_be_written_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ALBERT_TF_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="cache of released models must be .*ALBERT_TF_CACHE"):
        sources.resolve(NAME)


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("ALBERT_TF_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/ada")
    assert str(downloads.cache_folder()) == "/home/ada/.cache/albert_tf"
    monkeypatch.setenv("XDG_CACHE_HOME", "/scratch")
    assert str(downloads.cache_folder()) == "/scratch/albert_tf"
    monkeypatch.setenv("ALBERT_TF_CACHE", "~/models")
    assert str(downloads.cache_folder()) == "/home/ada/models"
