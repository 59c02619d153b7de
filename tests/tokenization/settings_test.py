import pytest

from albert_tf.errors import InputError
from albert_tf.tokenization.settings import Preprocessing, path_beside


def test_file_round_trip(tmp_path):
    settings = Preprocessing(lower_case=False, keep_accents=True, rules="hugging_face")
    settings.to_json_file(tmp_path / "a.preprocess.json")
    assert Preprocessing.from_json_file(tmp_path / "a.preprocess.json") == settings


def test_settings_path_keeps_dots_in_the_stem():
    assert path_beside("x/30k.clean.model").as_posix() == "x/30k.clean.preprocess.json"


@pytest.mark.parametrize(
    "values, message",
    [
        ({"lower": True}, r"known keys only\. Received 'lower'\. Closest: lower_case"),
        ({"lower_case": 1}, r"lower_case must be true or false\. Received 1"),
        ({"rules": "orignal"}, r"Received 'orignal'\. Closest: original"),
    ],
)
def test_invalid_values_are_errors(values, message):
    with pytest.raises(InputError, match=message):
        Preprocessing.from_dict(values)


@pytest.mark.parametrize("text, message", [("{", "must be JSON"), ("[1]", "must be a JSON object")])
def test_invalid_files_are_errors(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        Preprocessing.from_json_file(path)


def test_different_settings_are_an_error():
    Preprocessing().check_same(Preprocessing(), "a", "b")
    with pytest.raises(InputError, match=r"'lower_case': True.* for the data, but .*False.* for m"):
        Preprocessing().check_same(Preprocessing(lower_case=False), "the data", "m")
