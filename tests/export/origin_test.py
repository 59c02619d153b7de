"""Manifests and cards of all exports say which run, data, settings and scores they come from."""

import hashlib
import json

import pytest

import albert_tf
from albert_tf.errors import InputError
from albert_tf.export import hub_encoder, lite_model, manifest, model_card, preprocessor, task_model
from albert_tf.formats.load import load
from tests.support import tiny_run, tiny_task
from tests.support.commands import call

ROWS = [{"text": f"word {i}", "label": "ab"[i % 2]} for i in range(50)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a fine-tuning run of six steps, which holds 10 of 50 rows out."""
    folder = tmp_path_factory.mktemp("build-machine")
    data = folder / "reviews.jsonl"
    data.write_text("\n".join(map(json.dumps, ROWS)))
    sizes = [f"--gin.ModelConfig.{name}={value}" for name, value in tiny_task.MODEL.items()]
    call(
        *("train", "--gin_file", "finetune_table", "--mode", "train_and_eval"),
        *("--model_dir", folder / "mine", f"--gin.TRAIN_DATA={data}", "--gin.EVAL_FRACTION=0.2"),
        *(f"--gin.VOCAB={tiny_run.SMALL['VOCAB']}", "--gin.FROM_SCRATCH=True", *sizes),
        *("--gin.EPOCHS=1.2", "--gin.EVALUATIONS=1", "--gin.BATCH_SIZE=8", "--gin.SEQ_LENGTH=16"),
        "--gin.LEARNING_RATE=0.002",
    )
    return folder / "mine"


@pytest.fixture(scope="module", params=["encoder", "task", "lite"])
def exported(request, run, tmp_path_factory):
    """An export of each kind."""
    folder = tmp_path_factory.mktemp("elsewhere") / "export"
    if request.param == "encoder":
        return hub_encoder.export(run, folder, check=False)
    if request.param == "task":
        return task_model.export(run, folder, check=False, license="CC-BY-4.0")
    return lite_model.export(run, folder, license="CC-BY-4.0")


def test_manifests_have_source_run_data_metrics_and_sizes(run, exported):
    values = json.loads((exported / "manifest.json").read_text())
    assert values["source"] == {"name": "mine", "format": "checkpoint", "step": 6}
    model = albert_tf.AlbertClassifier.from_pretrained(run)
    assert values["parameters"]["encoder"] == model.encoder.count_params()
    if "head" in values["parameters"]:
        assert values["parameters"]["head"] == model.head.count_params()
    trained = values["run"]
    digest = hashlib.sha256((run.parent / "reviews.jsonl").read_bytes()).hexdigest()
    file = {"bytes": (run.parent / "reviews.jsonl").stat().st_size, "sha256_of_begin": digest}
    assert trained["train_data"] == {"files": {"reviews.jsonl": file}}
    assert trained["eval_data"] == {"files": {"reviews.jsonl": file}, "fraction": 0.2}
    assert (trained["rows"]["train"]["part"], trained["rows"]["eval"]["part"]) == (40, 10)
    assert trained["metrics"] == json.loads((run / "metrics.json").read_text())["best"]
    settings = trained["settings"]
    assert settings["LEARNING_RATE"] == "0.002" and settings["TRAIN_DATA"] == "'reviews.jsonl'"
    assert str(run.parent) not in (exported / "manifest.json").read_text()


def test_cards_show_the_same(run, exported):
    card = (exported / "README.md").read_text()
    accuracy = json.loads((run / "metrics.json").read_text())["best"]["accuracy"]
    for row in (
        "| source | mine (checkpoint, step 6) |",
        "| trained on | reviews.jsonl: 40 rows |",
        "| evaluated on | reviews.jsonl: 10 rows |",
        f"| metrics | step 6.0000, accuracy {accuracy:.4f}, ",
        "| settings | BATCH_SIZE=8, LEARNING_RATE=0.002, ",
        "| parameters | encoder ",
        "| licence | code: Apache-2.0; weights and vocabulary: ",
    ):
        assert row in card
    assert str(run.parent) not in card
    assert not [line for line in card.splitlines() if line.startswith("| ") and "$" in line]


def test_the_code_of_a_lite_card_runs(run, tmp_path):
    folder = lite_model.export(run, tmp_path / "lite", seq_length=16)
    code = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
    values = {}
    exec(code.replace("path/to/this/folder", str(folder)), values)
    assert values["outputs"]["probabilities"].shape == (1, 2)


def test_other_models_have_source_and_sizes(source, tmp_path):
    assert manifest.origin(load(source)) == {
        "source": {"name": "source", "format": "tf1", "step": 12345},
        "parameters": {"encoder": 14048, "masked_lm": 760, "sentence_order": 66},
    }
    preprocessor.export(source, tmp_path / "text", 16, check=False)
    card = (tmp_path / "text/README.md").read_text()
    assert "| source | small.model (SentencePiece) |" in card


def test_paths_lose_their_folders_and_names_of_models_stay(tmp_path, run):
    (tmp_path / "operative_config.gin").write_text(
        "A = '/home/me/data/train-*'\nB = 'hf://org/model'\nC = '~/x.csv'\n"
        "D = ['/a/b.csv', '../c d.csv']\nE = 'data/train.csv'\nx.y = 3\n"
    )
    (tmp_path / "config.gin").write_text("")
    (tmp_path / "metrics.json").write_text("{")
    loaded = load(run)
    moved = type(loaded)(**{**vars(loaded), "path": tmp_path / "best"})
    with pytest.raises(InputError, match="The metrics of a run must be JSON. Received"):
        manifest.origin(moved)
    (tmp_path / "metrics.json").unlink()
    entries = manifest.origin(moved)
    assert entries["source"]["name"] == tmp_path.name
    assert entries["run"] == {
        "settings": {
            "A": "'train-*'",
            "B": "'hf://org/model'",
            "C": "'x.csv'",
            "D": "['b.csv', 'c d.csv']",
            "E": "'data/train.csv'",
        }
    }
    assert model_card.AS_SOURCE == "as of their source"
