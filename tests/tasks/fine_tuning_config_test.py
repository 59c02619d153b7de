import pytest
from official.core import config_definitions

from albert_tf.errors import InputError
from albert_tf.tasks.fine_tuning_config import with_fields
from albert_tf.tasks.tagging.task import TaggingConfig
from albert_tf.training import gin_files
from tests.support.paths import TESTDATA


def test_shared_fields_are_set_and_other_fields_kept():
    config = with_fields(TaggingConfig(word_column=2), recompute=True, metric="f1")
    assert (config.word_column, config.recompute, config.metric) == (2, True, "f1")
    assert type(config) is TaggingConfig


def test_a_value_that_would_be_lost_is_an_error():
    with pytest.raises(InputError, match="recompute of a task must be set by its macro. Received"):
        with_fields(TaggingConfig(recompute=True), recompute=False)


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("run/fine_tuning_config.with_fields.recompue=True", "'recompue'. Closest: recompute"),
        ("run/fine_tuning_config.with_fields.x=1", "must be a field of ClassificationConfig"),
        ("model_config.from_preset.hiden_size=3", "'hiden_size'. Closest: hidden_size"),
        ("model_config.from_pretrained.vocabsize=3", "'vocabsize'. Closest: vocab_size"),
    ],
)
def test_gin_files_can_set_known_fields_only(binding, message):
    recipe = {"run": "finetune_table", "model_config.from_preset": "pretrain_base_v2"}
    name = next((recipe[start] for start in recipe if binding.startswith(start)), "continue")
    given = [f"INIT_FROM={TESTDATA / 'tf1_tiny'}", "TRAIN_DATA=x", "EVAL_DATA=x", "VOCAB=x"]
    if name == "finetune_table":
        given = given[:1] + ["TRAIN_STEPS=1", "WARMUP_STEPS=1", "EVAL_INTERVAL=1"]
    if name == "pretrain_base_v2":
        given = given[1:]
    gin_files.parse(["continue_pretraining" if name == "continue" else name], [*given, binding])
    with pytest.raises(InputError, match=f"Received .*{message}|{message}"):
        gin_files.configured(config_definitions.ExperimentConfig)()
