"""Runs each system in its own process, so that the thread pools of libraries do not interfere.

Only one process works at a time, while the others wait for a message.
"""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks import machine

_SPAWN = multiprocessing.get_context("spawn")


class Failed(Exception):
    """A system raised an exception; the message is its traceback."""


def in_process(function: Callable[..., None], *args: Any) -> None:
    """Runs a function that imports large libraries in a separate process.

    Raises:
      Failed: the function raised an exception.
    """
    connection, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_run, args=(theirs, function, args))
    process.start()
    theirs.close()
    _receive(connection)
    process.join()


class Worker:
    """A system, such as one of `systems`, in its own process.

    Attributes:
      load_seconds: seconds for importing the libraries and loading the model.
      first_call: seconds of the very first call, including compilation.
      peak_memory: most MiB that the process has used since the last `bind`, with its libraries.
      cpu_seconds: processor time per call in the last `run`, summed over all threads. Other
        programs have less influence on it.

    Raises:
      Failed: raised by every method if the system raised an exception.
    """

    def __init__(self, load: Callable[[Path], Any], folder: Path) -> None:
        self._connection, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, load, folder), daemon=True)
        self._process.start()
        theirs.close()  # so that the end of the process is noticed here
        self.first_call: float | None = None
        self.peak_memory: float | None = None
        self.cpu_seconds: float | None = None
        self.load_seconds = _receive(self._connection)

    def bind(self, batch: dict[str, np.ndarray], settling_calls: int = 1) -> list[np.ndarray]:
        """Prepares the system to run `batch`, and returns the outputs of a first call.

        Args:
          batch: the batch.
          settling_calls: number of further calls that are not timed.
        """
        seconds, outputs = self._ask("bind", (batch, settling_calls))
        self.first_call = self.first_call or seconds
        return outputs

    def run(self, calls: int) -> float:
        """Returns the mean seconds per call of `calls` calls in a row."""
        seconds, self.cpu_seconds, self.peak_memory = self._ask("run", calls)
        return seconds

    def stop(self) -> None:
        """Ends the process."""
        self._connection.close()  # the process then ends by itself and cleans up
        self._process.join(timeout=10)
        self._process.terminate()
        self._process.join()

    def _ask(self, request: str, argument: Any) -> Any:
        self._connection.send((request, argument))
        return _receive(self._connection)


def failure(name: str, action: Callable[[], object]) -> str | None:
    """Runs `action`, and returns None, or the reason if it failed, which is also printed."""
    try:
        action()
    except Failed as error:
        reason = str(error).strip().splitlines()[-1]
        tqdm.write(f"{name}: skipped: {reason}")
        return reason
    return None


def first_calls(
    systems: Mapping[str, Callable[[Path], Any]],
    folder: Path,
    batch: dict[str, np.ndarray],
    settling_calls: int = 1,
) -> tuple[dict[str, Worker], dict[str, list[float]]]:
    """Returns a worker for each system, bound to `batch`, and the outputs of its first call.

    Systems that fail, for example because a library is missing, are reported and skipped.
    """
    workers, outputs = {}, {}
    for name, load in tqdm(systems.items(), desc="first calls", leave=False):
        try:
            worker = Worker(load, folder)
            outputs[name] = [float(value) for value in worker.bind(batch, settling_calls)]
            workers[name] = worker
        except Failed as error:
            tqdm.write(f"{name}: skipped: {str(error).strip().splitlines()[-1]}")
    return workers, outputs


def _receive(connection: Connection) -> Any:
    try:
        kind, value = connection.recv()
    except EOFError:
        raise Failed("its process ended without an answer") from None
    if kind == "error":
        raise Failed(value)
    return value


def _run(connection: Connection, function: Callable[..., None], args: tuple[Any, ...]) -> None:
    _prepare()
    try:
        function(*args)
    except Exception:  # noqa: BLE001 - reported to the parent process
        connection.send(("error", traceback.format_exc()))
    else:
        connection.send(("ok", None))


def _prepare() -> None:
    # transformers asks for a newer protobuf than TensorFlow, but nothing here needs its features.
    os.environ["TEMPORARILY_DISABLE_PROTOBUF_VERSION_CHECK"] = "true"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _serve(connection: Connection, load: Callable[[Path], Any], folder: Path) -> None:
    _prepare()
    try:
        begin = time.perf_counter()
        bind = load(folder)
        connection.send(("ok", time.perf_counter() - begin))
        call: Callable[[], Any] | None = None
        while True:
            request, argument = connection.recv()
            try:
                if request == "bind":
                    call, answer = _first_call(bind, *argument)
                else:
                    answer = _timed(call, argument)
            except Exception:  # noqa: BLE001 - another batch may work
                connection.send(("error", traceback.format_exc()))
            else:
                connection.send(("ok", answer))
    except EOFError:
        pass
    except Exception:  # noqa: BLE001 - reported to the parent process, which skips this system
        connection.send(("error", traceback.format_exc()))


def _first_call(
    bind: Callable[..., Any], batch: dict[str, np.ndarray], settling_calls: int
) -> tuple[Callable[[], Any], tuple[float, list[np.ndarray]]]:
    machine.forget_peak()
    begin = time.perf_counter()
    call = bind(batch)
    outputs = call()
    seconds = time.perf_counter() - begin
    for _ in range(settling_calls):
        call()
    return call, (seconds, [np.asarray(output) for output in outputs])


def _timed(call: Callable[[], Any], calls: int) -> tuple[float, float, float]:
    begin, cpu_begin = time.perf_counter(), time.process_time()
    for _ in range(calls):
        call()
    ends = time.perf_counter() - begin, time.process_time() - cpu_begin
    return *(seconds / calls for seconds in ends), machine.memory("VmHWM")
