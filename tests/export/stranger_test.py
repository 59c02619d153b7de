"""The exports in a process that has TensorFlow and TF-Hub only; see clean_process_program.py."""

import math

import pytest

pytestmark = pytest.mark.clean_process

TOLERANCE = 1e-5
WEIGHTS = 25  # Variables of tf1_tiny's encoder; 5 more in the head, whose table is the encoder's.


def test_every_signature_gives_the_numbers_of_the_released_module(found):
    outputs = {"pooled_output", "sequence_output"}
    assert {name: set(values) for name, values in found["signatures"].items()} == {
        "serving_default": outputs,
        "tokens": outputs,
        "mlm": outputs | {"mlm_logits"},
        "sop": outputs | {"sop_log_probs"},
    }
    assert max(max(values.values()) for values in found["signatures"].values()) < TOLERANCE


def test_the_vocabulary_is_found_where_the_module_was_moved_to(found):
    assert found["tokenization_info"] == {
        "inside": True,
        "exists": True,
        "name": "small.model",
        "do_lower_case": True,
        "attribute": True,
    }


@pytest.mark.parametrize("call", ["hub", "text", "hub mlm", "text mlm"])
def test_calls_take_both_families_of_names(found, call):
    assert max(found["calls"][call].values()) < TOLERANCE


def test_a_keras_layer_by_signature_equals_the_call(found):
    assert set(found["keras_signature"]) == {"pooled_output", "sequence_output"}
    assert max(found["keras_signature"].values()) < TOLERANCE


def test_every_way_to_run_it_gives_the_same_numbers(found):
    assert len(found["ways"]) == 11
    assert max(found["ways"].values()) < TOLERANCE, found["ways"]


def test_a_trainable_keras_layer_has_the_weights_of_the_encoder(found):
    assert found["variables"] == {
        "weights": WEIGHTS,
        "numbers": 14048,
        "frozen": 0,
        "all": WEIGHTS,
        "mlm": WEIGHTS + 5,
        "mlm numbers": 14048 + 760,
        "losses": 0,
    }


def test_one_step_of_fit_changes_the_weights(found):
    # Attention does not depend on the key's bias: its gradient is rounding, or zero.
    assert all(name.endswith("key/bias:0") for name in found["fit"]["unchanged"])
    assert found["fit"]["changed"] >= WEIGHTS - 1
    assert all(math.isfinite(loss) for loss in found["fit"]["loss"])


def test_dropout_is_live_only_in_training(found):
    live = {name for name, difference in found["dropout"].items() if difference > 1e-2}
    assert live == {"trainable layer in training", "call in training", "mlm in training"}
    still = [value for name, value in found["dropout"].items() if name not in live]
    assert len(still) == 3 and max(still) < 1e-6


def test_the_preprocessor_feeds_the_encoder_inside_tf_data(found):
    preprocessing = found["preprocessing"]
    assert preprocessing["difference"] < TOLERANCE
    assert preprocessing["longer"] < TOLERANCE
    assert preprocessing["length"] == 18
    assert preprocessing["longer length"] == 23
    assert preprocessing["empty"] == [2, 3, 0]
    assert preprocessing["spread"] > 0.1  # Or equal rows would agree whatever the order.


def test_a_row_that_is_all_masked_gives_the_numbers_of_the_original(found):
    # The scores of that row have lost digits at -10000; the original's own variants differ so.
    assert max(found["all_masked"].values()) < 5e-4


def test_one_module_takes_every_length_and_batch(found):
    assert max(found["lengths"].values()) < TOLERANCE


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("too long", "must not be longer than the position table, which has 40 rows"),
        (
            "too long for a signature",
            "must not be longer than the position table, which has 40 rows",
        ),
        ("id", "input_word_ids must lie in [0, 200)"),
        ("negative id", "input_word_ids must lie in [0, 200)"),
        ("type", "input_type_ids must lie in [0, 2)"),
        ("shape", "input_ids, input_mask and segment_ids must have the same shape"),
        ("position", "mlm_positions must be inside the sequence"),
    ],
)
def test_wrong_input_is_told_by_its_rule(found, case, message):
    assert found["errors"][case].startswith("InvalidArgumentError: ")
    assert message in found["errors"][case]


def test_a_loaded_module_can_be_saved_again(found):
    again = found["saved_again"]
    assert again["difference"] < TOLERANCE
    assert again["variables"] == WEIGHTS
    assert again["assets"] == [
        "albert_config.json",
        "small.model",
        "small.preprocess.json",
        "small.vocab",
    ]


def test_the_snippets_of_the_readme_run(found):
    assert found["readme"] == 3


def test_the_snippets_of_the_cards_run(found):
    encoder, preprocessor = found["cards"]["hub/encoder"], found["cards"]["hub/preprocessor"]
    assert encoder["outputs"]["sequence_output"] == [1, 4, 32]
    assert preprocessor["inputs"]["input_word_ids"] == [2, 18]
    assert preprocessor["longer"]["input_word_ids"] == [2, 64]
