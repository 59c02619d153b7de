"""The exports work in a process that has only TensorFlow and TF-Hub (clean_process_program.py)."""

import math

import pytest

pytestmark = pytest.mark.clean_process

TOLERANCE = 1e-5
# Variables of tf1_tiny's encoder. The masked-LM head, which shares the encoder's table, has 5 more.
WEIGHTS = 25


def test_every_signature_gives_the_outputs_of_the_released_module(results):
    outputs = {"pooled_output", "sequence_output"}
    assert {name: set(values) for name, values in results["signatures"].items()} == {
        "serving_default": outputs,
        "tokens": outputs,
        "mlm": outputs | {"mlm_logits"},
        "sop": outputs | {"sop_log_probs"},
    }
    assert max(max(values.values()) for values in results["signatures"].values()) < TOLERANCE


def test_the_vocabulary_is_found_after_the_module_was_moved(results):
    assert results["tokenization_info"] == {
        "inside": True,
        "exists": True,
        "name": "small.model",
        "do_lower_case": True,
        "attribute": True,
    }


@pytest.mark.parametrize("call", ["hub", "text", "hub mlm", "text mlm"])
def test_calls_accept_both_families_of_input_names(results, call):
    assert max(results["calls"][call].values()) < TOLERANCE


def test_a_keras_layer_for_a_signature_equals_the_call(results):
    assert set(results["keras_signature"]) == {"pooled_output", "sequence_output"}
    assert max(results["keras_signature"].values()) < TOLERANCE


def test_every_way_to_run_the_encoder_gives_the_same_outputs(results):
    assert len(results["ways"]) == 11
    assert max(results["ways"].values()) < TOLERANCE, results["ways"]


def test_a_trainable_keras_layer_has_the_weights_of_the_encoder(results):
    assert results["variables"] == {
        "weights": WEIGHTS,
        "numbers": 14048,
        "frozen": 0,
        "all": WEIGHTS,
        "mlm": WEIGHTS + 5,
        "mlm numbers": 14048 + 760,
        "losses": 0,
    }


def test_one_step_of_fit_changes_the_weights(results):
    # Attention does not depend on the bias of the key, so its gradient is zero or rounding error.
    assert all(name.endswith("key/bias:0") for name in results["fit"]["unchanged"])
    assert results["fit"]["changed"] >= WEIGHTS - 1
    assert all(math.isfinite(loss) for loss in results["fit"]["loss"])


def test_dropout_is_active_only_in_training(results):
    random = {name for name, difference in results["dropout"].items() if difference > 1e-2}
    assert random == {"trainable layer in training", "call in training", "mlm in training"}
    others = [value for name, value in results["dropout"].items() if name not in random]
    assert len(others) == 3 and max(others) < 1e-6


def test_the_preprocessor_feeds_the_encoder_inside_tf_data(results):
    preprocessing = results["preprocessing"]
    assert preprocessing["difference"] < TOLERANCE
    assert preprocessing["longer"] < TOLERANCE
    assert preprocessing["length"] == 18
    assert preprocessing["longer length"] == 23
    assert preprocessing["empty"] == [2, 3, 0]
    # The rows must differ, as equal rows would agree in any order.
    assert preprocessing["spread"] > 0.1


def test_a_fully_masked_row_gives_the_outputs_of_the_original(results):
    # Adding -10000 costs the scores of that row some digits. Variants of the original differ from
    # each other by as much.
    assert max(results["all_masked"].values()) < 5e-4


def test_one_module_accepts_every_length_and_batch_size(results):
    assert max(results["lengths"].values()) < TOLERANCE


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
def test_the_error_for_invalid_input_states_the_rule(results, case, message):
    assert results["errors"][case].startswith("InvalidArgumentError: ")
    assert message in results["errors"][case]


def test_a_loaded_module_can_be_saved_again(results):
    again = results["saved_again"]
    assert again["difference"] < TOLERANCE
    assert again["variables"] == WEIGHTS
    assert again["assets"] == [
        "albert_config.json",
        "small.model",
        "small.preprocess.json",
        "small.vocab",
    ]


def test_the_snippets_in_the_readme_run(results):
    assert results["readme"] == 3


def test_the_snippets_in_the_model_cards_run(results):
    encoder, preprocessor = results["cards"]["hub/encoder"], results["cards"]["hub/preprocessor"]
    assert encoder["outputs"]["sequence_output"] == [1, 4, 32]
    assert preprocessor["inputs"]["input_word_ids"] == [2, 18]
    assert preprocessor["longer"]["input_word_ids"] == [2, 64]
