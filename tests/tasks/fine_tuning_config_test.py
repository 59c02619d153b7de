import pytest

from albert_tf.errors import InputError
from albert_tf.tasks.fine_tuning_config import with_fields
from albert_tf.tasks.tagging.task import TaggingConfig


def test_shared_fields_are_set_and_other_fields_kept():
    config = with_fields(TaggingConfig(word_column=2), recompute=True, metric="f1")
    assert (config.word_column, config.recompute, config.metric) == (2, True, "f1")
    assert type(config) is TaggingConfig


def test_a_value_that_would_be_lost_is_an_error():
    with pytest.raises(InputError, match="recompute of a task must be set by its macro. Received"):
        with_fields(TaggingConfig(recompute=True), recompute=False)
