import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection

import pytest

from albert_tf.data import workers
from albert_tf.data.workers import ordered_map
from albert_tf.errors import InputError
from tests.support.paths import ROOT


def make_adder(offset):
    def add(item):
        return item + offset, os.getpid()

    return add


def make_failing():
    def fail(item):
        if item == 3:
            raise ValueError(f"item {item} is bad")
        return item

    return fail


def test_order_does_not_depend_on_workers():
    one = list(ordered_map(make_adder, (100,), range(37), workers=1))
    two = list(ordered_map(make_adder, (100,), range(37), workers=2))
    assert [value for value, _ in one] == [value for value, _ in two] == list(range(100, 137))
    assert {process for _, process in one} == {os.getpid()}
    assert os.getpid() not in {process for _, process in two}


def test_reads_an_endless_stream_only_as_far_as_needed():
    taken = []
    items = (taken.append(i) or i for i in itertools.count())
    results = ordered_map(make_adder, (0,), items, workers=2)
    assert [next(results)[0] for _ in range(5)] == [0, 1, 2, 3, 4]
    results.close()
    assert len(taken) < 20


def make_dying():
    def die(item):
        if item == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    return die


def test_a_killed_worker_is_reported():
    with pytest.raises(InputError, match="Received 2 workers, of which one was killed.*fewer"):
        list(ordered_map(make_dying, (), range(50), workers=2))


def make_dying_while_it_sends():
    def send_half(connection, content, write=os.write):
        write(connection.fileno(), content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    def die(item):
        if item == 5:
            Connection._send = send_half
        return bytes(100_000)

    return die


def test_a_worker_that_is_killed_while_it_sends_a_result_is_reported(monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 0.5)
    with pytest.raises(InputError, match="Received 2 workers, of which one was killed.*fewer"):
        list(ordered_map(make_dying_while_it_sends, (), range(50), workers=2))


def test_results_end_after_a_worker_was_killed_while_it_sent_one():
    results = ordered_map(make_dying_while_it_sends, (), range(50), workers=2)
    next(results)
    while len(multiprocessing.active_children()) > 1:  # Item 5 is among those that are read ahead.
        time.sleep(0.1)
    closing = threading.Thread(target=results.close, daemon=True)
    closing.start()
    closing.join(30)
    assert not closing.is_alive()


def make_timing_out():
    def fail(item):
        raise TimeoutError(f"item {item} took too long")

    return fail


def test_a_timeout_in_a_worker_is_not_that_of_waiting(monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 0.01)
    with pytest.raises(TimeoutError, match="item 0 took too long"):
        list(ordered_map(make_timing_out, (), range(5), workers=2))


def test_an_error_in_a_worker_is_raised_here():
    with pytest.raises(ValueError, match="item 3 is bad"):
        list(ordered_map(make_failing, (), range(5), workers=2))


def test_a_script_that_each_worker_would_run_again_is_an_error(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from albert_tf.data.workers import ordered_map\n"
        "from tests.data.workers_test import make_adder\n"
        "list(ordered_map(make_adder, (10**300_000,), range(50), workers=2))\n"  # beyond a pipe
    )
    result = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.stderr.count("Traceback") == 2  # the error and its cause, in this process only
    message = "below `if __name__ == '__main__':`, as each worker imports the script. Received '"
    assert f"{message}{script}' with 2 workers" in result.stderr
