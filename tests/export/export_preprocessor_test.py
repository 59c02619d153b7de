import pytest

from albert_tf.errors import InputError
from albert_tf.export import manifest, preprocessor
from albert_tf.tokenization.tokenizer import AlbertTokenizer


def test_the_manifest_contains_length_and_rules(exports):
    written = manifest.read(exports / "preprocessor")
    assert written["kind"] == "preprocessor"
    assert (written["seq_length"], written["vocab_size"]) == (18, 200)
    assert written["preprocessing"]["lower_case"] is True
    outputs = written["signatures"]["serving_default"]["outputs"]
    assert {name: info["shape"] for name, info in outputs.items()} == dict.fromkeys(
        ("input_word_ids", "input_mask", "input_type_ids"), [-1, 18]
    )


def test_the_cases_include_an_empty_text(source):
    ids = next(preprocessor.cases(AlbertTokenizer.from_pretrained(source), 20)).expected
    assert ids["input_word_ids"].shape == (len(preprocessor.TEXTS), 20)
    assert ids["input_mask"][1].tolist() == [1, 1] + [0] * 18  # The empty text.


def test_a_length_without_room_for_text_is_rejected(source, tmp_path):
    with pytest.raises(InputError, match="seq_length"):
        preprocessor.export(source, tmp_path / "export", seq_length=1)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_content_is_rejected_before_any_work(tmp_path):
    (tmp_path / "kept").touch()
    with pytest.raises(InputError, match="must be new or empty"):
        preprocessor.export(tmp_path / "no such source", tmp_path)


def test_a_source_without_model_is_rejected(tmp_path):
    (tmp_path / "source").mkdir()
    with pytest.raises(InputError, match="tokenizer folder must be"):
        preprocessor.export(tmp_path / "source", tmp_path / "export")
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize("name", ["albert_config.json", "config.json"])
def test_a_length_beyond_the_positions_of_the_model_is_rejected(source, name, tmp_path):
    folder = tmp_path / "source"
    AlbertTokenizer.from_pretrained(source).save(folder)
    (folder / name).write_text('{"max_position_embeddings": 40}')
    message = "Received seq_length=41 for '.*source' with 40 positions. Pass --seq_length 40 or"
    with pytest.raises(InputError, match=message):
        preprocessor.export(folder, tmp_path / "export", seq_length=41)
    assert not (tmp_path / "export").exists()
    preprocessor.export(folder, tmp_path / "export", seq_length=40, check=False)
    (folder / name).write_text("{")  # Not needed by a preprocessor.
    preprocessor.export(folder, tmp_path / "another", seq_length=41, check=False)
