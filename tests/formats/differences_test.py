import pytest

from albert_tf.config import AlbertConfig
from albert_tf.errors import InputError
from albert_tf.formats.differences import check_groups


def config(layers, groups):
    return AlbertConfig(num_hidden_layers=layers, num_hidden_groups=groups)


@pytest.mark.parametrize("format_name", ["tf1", "hugging_face", "keras_hub"])
@pytest.mark.parametrize(("layers", "groups"), [(12, 1), (24, 1), (6, 3), (12, 12), (8, 2)])
def test_released_and_similar_shapes_are_accepted(format_name, layers, groups):
    check_groups(format_name, config(layers, groups))


@pytest.mark.parametrize(
    ("format_name", "layers", "groups", "text"),
    [
        ("tf1", 22, 22, "layer 15 uses group 14 in tf1 but 15 in albert_tf"),
        ("hugging_face", 18, 14, r"layer \d+ uses group \d+ in hugging_face but \d+ in albert_tf"),
        ("keras_hub", 5, 2, "layer 2 uses group 1 in keras_hub but 0 in albert_tf"),
    ],
)
def test_shapes_with_other_groups_elsewhere_are_rejected(format_name, layers, groups, text):
    with pytest.raises(InputError, match=text):
        check_groups(format_name, config(layers, groups))


def test_the_original_differs_for_11_combinations():
    different = 0
    for layers in range(1, 49):
        for groups in range(1, layers + 1):
            try:
                check_groups("tf1", config(layers, groups))
            except InputError:
                different += 1
    assert different == 11
