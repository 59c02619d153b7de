import subprocess
import sys

import pytest

from albert_tf import presets
from albert_tf.errors import InputError


@pytest.mark.parametrize("name", sorted(presets.PRESETS))
def test_parameter_counts_equal_those_of_the_encoder(name):
    import tensorflow as tf

    from albert_tf.modeling.encoder import AlbertEncoder

    preset = presets.get(name)
    with tf.Graph().as_default():  # Variables in a graph use no memory until a session runs.
        encoder = AlbertEncoder.from_albert_config(preset.config)
        count = sum(v.shape.num_elements() for v in encoder.variables)
    assert count == preset.parameters


@pytest.mark.parametrize(
    ("name", "hidden", "layers", "heads", "intermediate", "dropout"),
    [
        ("albert_base_v1", 768, 12, 12, 3072, 0.1),
        ("albert_large_v1", 1024, 24, 16, 4096, 0.1),
        ("albert_xlarge_v1", 2048, 24, 16, 8192, 0.1),
        ("albert_xxlarge_v1", 4096, 12, 64, 16384, 0.0),
        ("albert_base_v2", 768, 12, 12, 3072, 0.0),
        ("albert_large_v2", 1024, 24, 16, 4096, 0.0),
        ("albert_xlarge_v2", 2048, 24, 16, 8192, 0.0),
        ("albert_xxlarge_v2", 4096, 12, 64, 16384, 0.0),
        ("albert_base_zh", 768, 12, 12, 3072, 0.0),
        ("albert_large_zh", 1024, 24, 16, 4096, 0.0),
        ("albert_xlarge_zh", 2048, 24, 16, 8192, 0.0),
        ("albert_xxlarge_zh", 4096, 12, 16, 16384, 0.0),
    ],
)
def test_presets_have_the_released_sizes_and_dropout(
    name, hidden, layers, heads, intermediate, dropout
):
    preset = presets.get(name)
    config = preset.config
    assert config.hidden_size == hidden
    assert config.num_hidden_layers == layers
    assert config.num_attention_heads == heads
    assert config.intermediate_size == intermediate
    assert config.hidden_dropout_prob == config.attention_probs_dropout_prob == dropout
    assert preset.classifier_dropout == 0.1
    chinese = name.endswith("_zh")
    assert config.hidden_act == ("relu" if chinese else "gelu")
    assert config.vocab_size == (21128 if chinese else 30000)
    assert config.embedding_size == 128
    assert preset.source.endswith(f"/{name}.tar.gz")


def test_all_presets_are_tested_above():
    assert len(presets.PRESETS) == 12


def test_presets_have_the_published_scores():
    assert presets.get("albert_base_v2").scores["mnli"] == 84.6
    assert presets.get("albert_xxlarge_v1").scores["squad2.0_f1"] == 90.2
    assert presets.get("albert_xxlarge_v1").scores["race"] == 86.5
    assert presets.get("albert_base_zh").scores == {}


def test_the_error_for_an_unknown_name_lists_the_closest():
    with pytest.raises(InputError, match=r"'albert_bse_v2'\. Closest: albert_base_v2"):
        presets.get("albert_bse_v2")


def test_presets_do_not_import_tensorflow():
    code = "import sys, albert_tf.presets; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
