import pytest

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats.differences import check_groups


def config(layers, groups):
    return AlbertConfig(num_hidden_layers=layers, num_hidden_groups=groups)


@pytest.mark.parametrize("format_name", ["tf1", "hugging_face", "keras_hub"])
@pytest.mark.parametrize(("layers", "groups"), [(12, 1), (24, 1), (6, 3), (12, 12), (8, 2)])
def test_released_shapes_and_their_like_agree(format_name, layers, groups):
    check_groups(format_name, config(layers, groups))


@pytest.mark.parametrize(
    ("format_name", "layers", "groups", "text"),
    [
        ("tf1", 22, 22, "layer 15 uses group 14 there, but 15 here"),
        ("hugging_face", 18, 14, r"layer \d+ uses group \d+ there"),
        ("keras_hub", 5, 2, "layer 2 uses group 1 there, but 0 here"),
    ],
)
def test_others_are_refused(format_name, layers, groups, text):
    with pytest.raises(InputError, match=text):
        check_groups(format_name, config(layers, groups))


def test_how_many_pairs_the_original_misses():
    missed = 0
    for layers in range(1, 49):
        for groups in range(1, layers + 1):
            try:
                check_groups("tf1", config(layers, groups))
            except InputError:
                missed += 1
    assert missed == 11
