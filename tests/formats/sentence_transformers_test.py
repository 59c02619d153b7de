"""Folders of sentence-transformers: the vectors that it computed, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from albert_tf.convert.conversion import convert
from albert_tf.errors import InputError
from albert_tf.export import task_model
from albert_tf.formats.load import load
from albert_tf.tasks.predictor import Predictor
from tests.support.goldens import TOLERANCE
from tests.support.paths import TESTDATA

SAVED = TESTDATA / "sentence_transformers"  # As version 6.2 saved it.
# The modes of the poolings whose vectors sentence-transformers computed, and the keys for them.
CLS_MAX = {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True}
ALL = ("cls", "max", "mean", "mean_sqrt_len", "weighted_mean", "last")
ALL_LISTED = ["lasttoken", "cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean"]
ALL_KEYS = ("cls_token", "max_tokens", "mean_tokens", "mean_sqrt_len_tokens", "lasttoken")
ALL_KEYS = {f"pooling_mode_{name}": True for name in (*ALL_KEYS, "weightedmean_tokens")}


@pytest.fixture(scope="module")
def golden():
    return dict(np.load(SAVED / "vectors.npz"))


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(SAVED, tmp_path / "model")
    shutil.copy(TESTDATA / "tokenization/spm.model", tmp_path / "model/spiece.model")
    return tmp_path / "model"


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def pool(folder, values, normalize=False):
    (folder / "1_Pooling/config.json").write_text(json.dumps(values))
    if not normalize:
        modules = json.loads((folder / "modules.json").read_text())
        (folder / "modules.json").write_text(json.dumps(modules[:2]))


def vectors(source, texts):
    path = source.parent / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return np.stack([answer["embedding"] for answer in Predictor(source)(path, 2)])


@pytest.mark.parametrize(
    ("name", "pooling", "normalize", "modes"),
    [
        ("clsmax", None, True, ("cls", "max")),
        ("clsmax", {"word_embedding_dimension": 24, **CLS_MAX}, True, ("cls", "max")),
        ("mean", {"embedding_dimension": 24, "pooling_mode": "mean"}, False, ("mean",)),
        ("mean", {"pooling_mode_mean_tokens": True, "include_prompt": True}, False, ("mean",)),
        ("all", {"embedding_dimension": 24, "pooling_mode": ALL_LISTED}, False, ALL),
        ("all", ALL_KEYS, False, ALL),
    ],
)
def test_vectors_are_those_of_sentence_transformers(
    folder, golden, name, pooling, normalize, modes
):
    if pooling:
        pool(folder, pooling, normalize)
    source = load(folder)
    assert source.task.settings == {
        "pooling": list(modes), "normalize": normalize, "seq_length": 36
    }  # fmt: skip
    found = vectors(folder, golden["texts"])
    assert found.shape == (5, 24 * len(modes)) and found.dtype == np.float32
    assert np.max(np.abs(found - golden[name])) < TOLERANCE


def test_a_converted_folder_has_the_same_vectors_and_files(folder, golden, tmp_path):
    convert(folder, "checkpoint", tmp_path / "run")
    assert load(tmp_path / "run").task == load(folder).task
    notes = convert(tmp_path / "run", "hugging_face", tmp_path / "back")["notes"]
    assert any("sentence-transformers loads the folder" in note for note in notes)
    back = tmp_path / "back"
    assert np.max(np.abs(vectors(back, golden["texts"]) - golden["clsmax"])) < TOLERANCE
    modules = json.loads((back / "modules.json").read_text())
    # The names of all versions, which newer ones still read.
    assert [(m["idx"], m["path"], m["type"]) for m in modules] == [
        (0, "", "sentence_transformers.models.Transformer"),
        (1, "1_Pooling", "sentence_transformers.models.Pooling"),
        (2, "2_Normalize", "sentence_transformers.models.Normalize"),
    ]
    pooling = json.loads((back / "1_Pooling/config.json").read_text())
    assert pooling.pop("word_embedding_dimension") == 24
    assert {name for name, value in pooling.items() if value} == set(CLS_MAX)
    lengths = json.loads((back / "sentence_bert_config.json").read_text())
    assert lengths == {"max_seq_length": 36, "do_lower_case": False}
    config = json.loads((back / "config.json").read_text())
    assert config["architectures"] == ["AlbertModel"]


def test_the_model_may_be_in_a_folder_of_its_own(folder, golden):
    inner = folder / "0_Transformer"
    inner.mkdir()
    for name in ("config.json", "model.safetensors", "spiece.model", "tokenizer_config.json"):
        shutil.move(folder / name, inner / name)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    assert np.max(np.abs(vectors(folder, golden["texts"]) - golden["clsmax"])) < TOLERANCE


@pytest.mark.parametrize(("length", "used"), [(7, 7), (None, 36)])
def test_the_maximum_length_is_that_of_the_folder(folder, length, used):
    change(folder / "sentence_bert_config.json", max_seq_length=length)
    assert Predictor(folder).seq_length == used


def test_texts_are_lower_cased_as_the_folder_says(folder):
    change(folder / "tokenizer_config.json", do_lower_case=False)
    assert not load(folder).preprocessing.lower_case
    change(folder / "sentence_bert_config.json", do_lower_case=True)
    assert load(folder).preprocessing.lower_case


POOLING, LENGTHS = "1_Pooling/config.json", "sentence_bert_config.json"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "modules.json",
            "[",
            "must be a list of modules.*json': ",
        ),
        ("modules.json", "[]", "a path and a type for each module. Received \\[\\]"),
        ("modules.json", "{}", "Received"),
        ("modules.json", "7", "must be a list of modules"),
        ("modules.json", '[{"idx": "x", "path": "", "type": "a"}]', "must be a list of modules"),
        ("modules.json", '[{"idx": 1e999, "path": "", "type": "a"}]', "must be a list of modules"),
        ("modules.json", "[" * 5000, "must be a list of modules"),
        ("modules.json", '[{"idx": 0, "path": 5, "type": "a"}]', "a path and a type"),
        (
            "modules.json",
            '[{"idx": 0, "path": "", "type": "m.Transformer"}]',
            "Received Transformer",
        ),
        ("modules.json", '[{"idx": 0, "path": "../a", "type": "m.T"}]', "must be in the folder"),
        ("modules.json", '[{"idx": 0, "path": "..", "type": "m.T"}]', "must be in the folder"),
        (POOLING, '{"pooling_mode": "sum"}', "pooling_mode must name known modes. Received"),
        (POOLING, '{"pooling_mode": {"mean": 1}}', "pooling_mode must name known modes"),
        (POOLING, '{"pooling_mode_mean_tokens": false}', "must have a mode. Received no mode"),
        (POOLING, '{"pooling_mode_mode_tokens": true}', "only known keys.*'pooling_mode_mode_tok"),
        (POOLING, "[1]", "A pooling must be a JSON object"),
        (LENGTHS, '{"max_seq_length": "long"}', "at least 3 tokens. Received 'long'"),
        (LENGTHS, '{"max_seq_length": 2}', "at least 3 tokens. Received 2"),
        (LENGTHS, '{"max_seq_length": 40}', "exceed max_position_embeddings, 36. Received 40"),
        (
            "config_sentence_transformers.json",
            '{"default_prompt_name": "query", "prompts": {"document": "q: "}}',
            "must be null or name a text in prompts. Received 'query'",
        ),
        (
            "config_sentence_transformers.json",
            '{"default_prompt_name": "query", "prompts": {"query": 3}}',
            "must be null or name a text in prompts. Received 'query'",
        ),
        (
            "config_sentence_transformers.json",
            '{"default_prompt_name": ["a"], "prompts": 3}',
            "must be null or name a text in prompts. Received \\['a'\\]",
        ),
    ],
)
def test_a_wrong_file_is_one_error(folder, name, content, message):
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=message) as error:
        load(folder)
    assert "\n" not in str(error.value)


def insert(folder, kind, place):
    modules = json.loads((folder / "modules.json").read_text())
    modules.insert(place, {"name": "d", "path": f"{place}_X", "type": f"a.models.{kind}"})
    modules = [{**module, "idx": index} for index, module in enumerate(modules)]
    (folder / "modules.json").write_text(json.dumps(modules))


@pytest.mark.parametrize("place", [2, 3])
def test_dropout_changes_no_vector(folder, golden, place):
    insert(folder, "Dropout", place)
    assert load(folder).task.settings["normalize"]
    assert np.max(np.abs(vectors(folder, golden["texts"]) - golden["clsmax"])) < TOLERANCE


@pytest.mark.parametrize("kind", ["LayerNorm", "CNN"])
def test_another_module_is_refused_by_name(folder, kind):
    insert(folder, kind, 2)
    with pytest.raises(InputError, match=f"Received Transformer, Pooling, {kind}, Normalize"):
        load(folder)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("path", ["x" * 256, "ä" * 128, "../other", ".."])
def test_a_module_that_cannot_be_in_the_folder_is_refused(folder, place, path):
    modules = json.loads((folder / "modules.json").read_text())
    modules[place]["path"] = path
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(InputError, match="must be in the folder of the model. Received the path"):
        load(folder)


def test_a_module_for_tokens_is_refused(folder):
    change(folder / "2_Normalize/config.json", module_input_name="token_embeddings")
    with pytest.raises(InputError, match="must be sentence_embedding.*Received 'token_embeddings'"):
        load(folder)


def prompted(folder):
    values = {"default_prompt_name": "q", "prompts": {"q": "query of a film: ", "d": "x"}}
    change(folder / "config_sentence_transformers.json", **values)
    return folder


def test_the_default_prompt_is_put_before_texts(folder, golden, tmp_path):
    shutil.copytree(TESTDATA / "sentence_transformers_dense/linear", folder, dirs_exist_ok=True)
    expected = np.load(TESTDATA / "sentence_transformers_dense/vectors.npz")["prompt"]
    convert(prompted(folder), "checkpoint", tmp_path / "run")
    convert(tmp_path / "run", "hugging_face", tmp_path / "back")
    for path in (folder, tmp_path / "run", tmp_path / "back"):
        assert load(path).task.settings["prompt"] == "query of a film: "
        assert np.max(np.abs(vectors(path, golden["texts"]) - expected)) < TOLERANCE
    served = task_model.read(folder).task
    texts = tf.constant([str(text) for text in golden["texts"]])
    for found in (
        served.answer_texts({"text": texts})["embedding"],
        served.module({}).__call__(texts),
    ):
        assert np.max(np.abs(found - expected)) < TOLERANCE


def test_a_prompt_that_is_not_pooled_is_refused(folder):
    change(prompted(folder) / "1_Pooling/config.json", include_prompt=False)
    with pytest.raises(InputError, match="include_prompt must be true.*default_prompt_name='q'"):
        load(folder)
    change(folder / "config_sentence_transformers.json", prompts={"q": None})
    assert "prompt" not in load(folder).task.settings


def test_a_prompt_written_by_hand_is_checked(folder, tmp_path):
    convert(folder, "checkpoint", tmp_path / "run")
    task = json.loads((tmp_path / "run/task.json").read_text())
    task["settings"]["prompt"] = 3
    (tmp_path / "run/task.json").write_text(json.dumps(task))
    with pytest.raises(InputError, match="A prompt must be text. Received 3"):
        vectors(tmp_path / "run", ["a"])


def test_the_pooled_output_has_no_name_there(folder, tmp_path):
    from albert_tf.tasks.embedding.model import as_embedding

    with pytest.raises(InputError, match="one of sentence-transformers: cls.*Received 'pooled'"):
        convert(as_embedding(folder, "pooled"), "hugging_face", tmp_path / "out")
    assert not (tmp_path / "out").exists()
