"""Gin files and overrides: unknown names are errors before anything runs."""

import re

import gin
import pytest

from albert_tf import train_lib
from albert_tf.errors import InputError
from albert_tf.training import gin_files

SET = ["VOCAB=v", "TRAIN_DATA=t-*", "EVAL_DATA=e-*"]


def test_overrides_take_precedence_and_strings_need_no_quotes():
    gin_files.parse(["pretrain_tiny"], [*SET, "TRAIN_STEPS=7", "LEARNING_RATE=0.5", "SEED=3"])
    assert gin.query_parameter("TRAIN_STEPS/gin.macro.value") == 7
    assert gin.query_parameter("TRAIN_DATA/gin.macro.value") == "t-*"
    text = gin.config_str()
    assert "LEARNING_RATE = 0.5" in text and "TRAIN_DATA = 't-*'" in text


def test_an_override_can_set_a_binding():
    gin_files.parse(["pretrain_tiny"], [*SET, "model_config.ModelConfig.hidden_size=36"])
    assert gin.query_parameter("model_config.ModelConfig.hidden_size") == 36


@pytest.mark.parametrize(
    ("files", "overrides", "message"),
    [
        (
            ["pretrain_tiny"],
            [*SET, "TRIAN_STEPS=1"],
            "Received 'TRIAN_STEPS'. Closest: TRAIN_STEPS",
        ),
        (["pretrain_tiny"], SET[:1], "macros must be set. Missing: EVAL_DATA, TRAIN_DATA. Add --g"),
        (["pretrain_tiny"], [*SET, "optimization.config.rate=1"], "a parameter named 'rate'"),
        (["pretrain_tiny"], [*SET, "no.such.thing=1"], "use existing names only. .*no.such.thing"),
        (["pretrain_tiny"], [*SET, "SEED"], "the form --gin.NAME=VALUE. Received --gin.SEED"),
        (["pretrain_tinny"], SET, "Received 'pretrain_tinny'. Closest: pretrain_tiny"),
    ],
)
def test_unknown_names_are_errors(files, overrides, message):
    with pytest.raises(InputError, match=message):
        gin_files.parse(files, overrides)


def test_a_user_file_can_include_a_recipe(tmp_path):
    path = tmp_path / "mine.gin"
    path.write_text("include 'experiments/recipes/pretrain_tiny.gin'\nBATCH_SIZE = 5\n")
    gin_files.parse([str(path)], SET)
    assert gin.query_parameter("BATCH_SIZE/gin.macro.value") == 5


def test_a_file_that_configures_nothing_is_an_error(tmp_path):
    path = tmp_path / "empty.gin"
    path.write_text("X = 1\n")
    gin_files.parse([str(path)], [])
    with pytest.raises(InputError, match="must configure albert_tf.train_lib.run"):
        gin_files.configured(train_lib.run)


def test_no_file_binds_a_macro_twice():
    files = [p for root in gin_files.ROOTS[:1] for p in (root / "experiments").rglob("*.gin")]
    assert len(files) >= 6
    for path in files:
        bound = re.findall(r"^([A-Z][A-Z0-9_]*) =", path.read_text(), re.MULTILINE)
        assert len(bound) == len(set(bound)), path
