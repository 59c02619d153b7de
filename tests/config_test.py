"""`AlbertConfig`: reading, writing and checking."""

import json

import pytest

from albert_tf import AlbertConfig
from albert_tf.config import LIMITS
from albert_tf.errors import InputError


def test_a_released_config_file_can_be_read_and_written(tmp_path):
    path = tmp_path / "albert_config.json"
    AlbertConfig(hidden_size=24, num_attention_heads=3, vocab_size=77).to_json_file(path)
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "gap_size": 0, "net_structure_type": 0}))
    assert AlbertConfig.from_json_file(path).to_dict() == values


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(hiden_size=3), "known keys only. Received 'hiden_size'. Closest: hidden_size"),
        (dict(num_hidden_layers=0), "num_hidden_layers must be an integer of at least 1. Rec.* 0"),
        (dict(hidden_size=13), "hidden_size must be a multiple of num_attention_heads. .*=13"),
        (dict(num_hidden_groups=13), "num_hidden_groups must not exceed num_hidden_layers"),
        (dict(hidden_dropout_prob=1.0), r"hidden_dropout_prob must lie in \[0, 1\). Received 1.0"),
        (
            dict(hidden_act="gelo"),
            "hidden_act must be a known activation. Received 'gelo'. Closest",
        ),
        (dict(initializer_range=-1.0), "initializer_range must be positive. Received -1.0"),
    ],
)
def test_invalid_values_are_errors(change, message):
    with pytest.raises(InputError, match=message):
        AlbertConfig.from_dict(change)


def test_invalid_config_files_are_errors(tmp_path):
    path = tmp_path / "albert_config.json"
    with pytest.raises(
        InputError, match="must be an existing file. Received '.*albert_config.json"
    ):
        AlbertConfig.from_json_file(path)
    path.write_text("{")
    with pytest.raises(InputError, match="A model config must be JSON. Received"):
        AlbertConfig.from_json_file(path)
    path.write_text("[1]")
    with pytest.raises(InputError, match="must be a JSON object"):
        AlbertConfig.from_json_file(path)


@pytest.mark.parametrize("name", LIMITS)
def test_sizes_have_limits_that_an_argument_raises(name):
    size = 12 * (LIMITS[name] // 12) + 12  # a multiple of the heads
    change = {name: size}
    if name == "num_hidden_groups":
        change["num_hidden_layers"] = 1000
    if name == "num_attention_heads":
        change["hidden_size"] = 2 * size
    with pytest.raises(InputError, match=f"{name} must be at most {LIMITS[name]}. Received {size}"):
        AlbertConfig.from_dict(change)
    limits = dict.fromkeys(LIMITS, 10**9)
    change["num_hidden_layers"] = max(change.get("num_hidden_layers", 12), size)
    config = AlbertConfig(**change, limits=limits)
    assert getattr(config, name) == size and "limits" not in config.to_dict()
