"""Messages are one printable line of bounded length, whatever an input contributes to them."""

import time

import pytest

from albert_tf.errors import InputError, closest

LONG = "x" * 5_000_000


@pytest.mark.parametrize(
    "value",
    [repr(LONG), f"'/data/{LONG}'", f'"it\'s {LONG}"', LONG, repr("two words " * 600_000)],
    ids=["repr", "path", "double quotes", "no quotes", "blanks"],
)
def test_a_long_value_is_cut_between_the_rule_and_the_remedy(value):
    start = time.process_time()
    message = str(InputError(f"A rule's text. Received {value}, so. Use 'another' one."))
    assert time.process_time() - start < 2
    assert message.startswith("A rule's text. Received " + value[:100])
    assert message.endswith(", so. Use 'another' one.") and " ... " in message
    assert len(message) <= len("A rule's text. Received , so. Use 'another' one.") + 202


def test_many_values_leave_the_rule_and_the_remedy():
    message = str(InputError(f"The rule. Received {['name'] * 100_000}. The remedy."))
    assert message.startswith("The rule. Received ['name', 'name'") and len(message) == 1500
    assert message.endswith("'name']. The remedy.")


def test_text_between_values_is_not_cut():
    text = f"Received 'a'. {'A sentence of prose. ' * 40}Use 'b' or \"c\"."
    assert str(InputError(text)) == text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_value_does_not_end_the_line(end):
    message = str(InputError(f"The rule. Received 'a{end}b'. The remedy."))
    assert message.splitlines() == [f"The rule. Received 'a{' ' * len(end)}b'. The remedy."]


def test_characters_that_control_a_terminal_are_escaped():
    message = str(InputError("Received '\x1b[31m\x00\u202e\udc80é\U0001f600'."))
    assert message == r"Received '\x1b[31m\x00\u202e\udc80é" + "\U0001f600'."


def test_the_options_of_an_error_are_few_and_short():
    options = [f"column{number}" for number in range(30_000)] + [LONG]
    assert "All: column0, column1, column10, " in closest("text", options)
    assert len(closest(LONG, options)) < 3000
    assert closest("columm7", options).startswith("Closest: column7")
