import dataclasses

import pytest

from albert_tf.config import AlbertConfig
from albert_tf.formats import names
from albert_tf.modeling.pretrainer import AlbertPretrainer
from tests.support.goldens import TESTDATA

FOLDERS = ["tf1_tiny", "tf1_groups", "tf1_nofactor"]


def config(folder):
    return AlbertConfig.from_json_file(TESTDATA / folder / "albert_config.json")


@pytest.mark.parametrize("folder", FOLDERS)
def test_our_names_match_the_variables_of_the_pretrainer(folder):
    model = AlbertPretrainer(config(folder))
    built = {v.name.removesuffix(":0"): tuple(v.shape) for v in model.variables}
    assert {w.ours: w.shape for w in names.weights(config(folder))} == built


@pytest.mark.parametrize("folder", FOLDERS)
def test_tf1_names_and_shapes_match_the_original(folder):
    lines = (TESTDATA / folder / "variables.txt").read_text().splitlines()
    listed = dict(line.split("\t") for line in lines if line)
    del listed["global_step"]
    ours = {
        w.places["tf1"].name: str(list(w.places["tf1"].transform.shape(w.shape, 4)))
        for w in names.weights(config(folder))
    }
    assert ours == listed


@pytest.mark.parametrize("column", names.COLUMNS)
def test_names_are_unique_in_every_format(column):
    big = dataclasses.replace(config("tf1_groups"), num_hidden_layers=24, num_hidden_groups=12)
    places = [w.places[column].name for w in names.weights(big) if column in w.places]
    # Model Garden's encoder has a single group; its writer rejects other models.
    if column != "model_garden":
        assert len(places) == len(set(places))
    one = [w.places[column].name for w in names.weights(config("tf1_tiny")) if column in w.places]
    assert len(one) == len(set(one)) == (30 if column == "keras_hub" else 32)


def test_the_head_of_a_weight():
    assert names.head("masked_lm/output_bias") == "masked_lm"
    assert names.head("sentence_order/classifier/bias") == "sentence_order"
    assert names.head("encoder/pooler/bias") is None
