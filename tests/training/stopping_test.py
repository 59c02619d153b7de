"""Signals are noted, then obeyed."""

import signal
import threading

import pytest

from albert_tf.training.stopping import Interrupted, Signals


@pytest.fixture
def heard():
    """What the handler that stood before gets."""
    numbers = []
    before = signal.signal(signal.SIGTERM, lambda number, _: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGTERM, before)


def test_the_first_is_noted_and_the_second_goes_to_the_handler_of_before(heard, capfd):
    with Signals() as signals:
        signals.check()  # nothing yet
        signal.raise_signal(signal.SIGTERM)
        assert not heard and signals.received == signal.SIGTERM
        assert "SIGTERM: saving after this step; once more leaves at once" in capfd.readouterr().err
        with pytest.raises(Interrupted, match="SIGTERM") as raised:
            signals.check()
        assert raised.value.signum == signal.SIGTERM
        signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM]
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM] * 2


def test_ctrl_c_twice_is_a_keyboard_interrupt():
    with Signals():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_other_threads_leave_handlers_alone(heard):
    before, found = signal.getsignal(signal.SIGTERM), []

    def enter():
        with Signals():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [before]
