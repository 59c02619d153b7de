import json
import shutil

import pytest

from albert_tf.errors import InputError
from albert_tf.tokenization import model_files
from albert_tf.tokenization.settings import Preprocessing
from albert_tf.tokenization.tokenizer import AlbertTokenizer


def test_a_hugging_face_folder_sets_hugging_face_rules(tmp_path, model_file):
    shutil.copy(model_file, tmp_path / "spiece.model")
    tokenizer = AlbertTokenizer.from_pretrained(tmp_path)
    assert tokenizer.preprocessing == Preprocessing(rules="hugging_face")
    config = {"do_lower_case": False, "keep_accents": True, "tokenizer_class": "AlbertTokenizer"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    expected = Preprocessing(lower_case=False, keep_accents=True, rules="hugging_face")
    assert AlbertTokenizer.from_pretrained(tmp_path).preprocessing == expected
    assert AlbertTokenizer.from_pretrained(tmp_path / "spiece.model").preprocessing == expected


def test_the_constructor_and_from_pretrained_give_a_file_the_same_settings(tmp_path, model_file):
    for name, settings in {
        "spiece.model": Preprocessing(rules="hugging_face"),
        "30k-clean.model": Preprocessing(),
        "mine.model": Preprocessing(),
    }.items():
        path = shutil.copy(model_file, tmp_path / name)
        assert AlbertTokenizer(path).preprocessing == settings
        assert AlbertTokenizer.from_pretrained(path).preprocessing == settings
        assert model_files.find_preprocessing(tmp_path / name) == settings
    # Arguments take precedence over settings that were only inferred.
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    tokenizer = AlbertTokenizer(tmp_path / "spiece.model", rules="original")
    assert tokenizer.preprocessing == Preprocessing(lower_case=False)
    expected = Preprocessing(lower_case=False, rules="hugging_face")
    assert AlbertTokenizer(tmp_path / "mine.model").preprocessing == expected


def test_settings_beside_spiece_model_take_precedence(tmp_path, model_file):
    shutil.copy(model_file, tmp_path / "spiece.model")
    Preprocessing(lower_case=False).to_json_file(tmp_path / "spiece.preprocess.json")
    tokenizer = AlbertTokenizer.from_pretrained(tmp_path)
    assert tokenizer.preprocessing == Preprocessing(lower_case=False)


def test_finds_the_model_in_release_and_export_folders(tmp_path, model_file):
    for place in ("release", "export/assets"):
        (tmp_path / place).mkdir(parents=True)
        shutil.copy(model_file, tmp_path / place / "30k-clean.model")
    for place in ("release", "export"):
        assert AlbertTokenizer.from_pretrained(tmp_path / place).preprocessing == Preprocessing()


def test_folders_without_a_usable_model_are_errors(tmp_path, model_file):
    with pytest.raises(InputError, match="none', which does not exist"):
        model_files.find(tmp_path / "none")
    with pytest.raises(InputError, match=r"a folder with one \*\.model file"):
        model_files.find(tmp_path)
    for name in ("a.model", "b.model"):
        shutil.copy(model_file, tmp_path / name)
    with pytest.raises(InputError, match="with a.model, b.model. Name the file"):
        model_files.find(tmp_path)
    for name in ("a.model", "b.model"):
        (tmp_path / name).unlink()
    shutil.copy(model_file, tmp_path / "spiece.model")
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(InputError, match="A tokenizer config must be JSON"):
        AlbertTokenizer.from_pretrained(tmp_path)
    for text, message in {
        "[1]": "must be a JSON object. Received '.*tokenizer_config.json'",
        '{"do_lower_case": "yes"}': "lower_case must be true or false. Received 'yes'",
        "[" * 100_000: "A tokenizer config must be JSON",
    }.items():
        (tmp_path / "tokenizer_config.json").write_text(text)
        with pytest.raises(InputError, match=message):
            AlbertTokenizer(tmp_path / "spiece.model")
