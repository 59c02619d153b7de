"""A system in a process of its own, so that the thread pools of libraries do not meet.

Only one works at a time: the others wait for a message.
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

_SPAWN = multiprocessing.get_context("spawn")


class Failed(Exception):
    """A system could not do what it was asked; the text is its traceback."""


def in_process(function: Callable[..., None], *args: Any) -> None:
    """Runs a function that imports heavy libraries in a process of its own.

    Raises:
      Failed: it raised.
    """
    connection, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_run, args=(theirs, function, args))
    process.start()
    theirs.close()
    _receive(connection)
    process.join()


class Worker:
    """A system, such as one of `systems`, loaded from the folder of artefacts.

    Attributes:
      load_seconds: what importing its libraries and loading the model took.
      first_call: seconds of the first call of all, which compiles what the system compiles.
      cpu_seconds: of processor time for a call of the last `run`, all threads together; other
        programs disturb it less.

    Raises:
      Failed: by every method, if the system did.
    """

    def __init__(self, load: Callable[[Path], Any], folder: Path) -> None:
        self._connection, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, load, folder), daemon=True)
        self._process.start()
        theirs.close()  # so that the end of the process is seen here
        self.first_call: float | None = None
        self.cpu_seconds: float | None = None
        self.load_seconds = _receive(self._connection)

    def bind(self, batch: dict[str, np.ndarray], settling_calls: int = 1) -> list[np.ndarray]:
        """Makes `batch` the one to run, and returns the outputs of a first call.

        Args:
          batch: as the system takes it.
          settling_calls: further calls, whose time does not count either.
        """
        seconds, outputs = self._ask("bind", (batch, settling_calls))
        self.first_call = self.first_call or seconds
        return outputs

    def run(self, calls: int) -> float:
        """Returns the seconds of a call, the mean of so many in a row."""
        seconds, self.cpu_seconds = self._ask("run", calls)
        return seconds

    def stop(self) -> None:
        """Ends the process."""
        self._connection.close()  # it ends by itself then, and leaves nothing behind
        self._process.join(timeout=10)
        self._process.terminate()
        self._process.join()

    def _ask(self, what: str, argument: Any) -> Any:
        self._connection.send((what, argument))
        return _receive(self._connection)


def first_calls(
    systems: Mapping[str, Callable[[Path], Any]],
    folder: Path,
    batch: dict[str, np.ndarray],
    settling_calls: int = 1,
) -> tuple[dict[str, Worker], dict[str, list[float]]]:
    """Returns a worker for each system, bound to `batch`, and what its first call gave.

    Systems that fail, as their libraries may be missing, are named and left out.
    """
    workers, found = {}, {}
    for name, load in tqdm(systems.items(), desc="first calls", leave=False):
        try:
            worker = Worker(load, folder)
            found[name] = [float(value) for value in worker.bind(batch, settling_calls)]
            workers[name] = worker
        except Failed as error:
            tqdm.write(f"{name}: left out: {str(error).strip().splitlines()[-1]}")
    return workers, found


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
    except Exception:  # noqa: BLE001 - told to the other side
        connection.send(("error", traceback.format_exc()))
    else:
        connection.send(("ok", None))


def _prepare() -> None:
    # transformers asks for a later protobuf than TensorFlow; nothing here needs what is newer.
    os.environ["TEMPORARILY_DISABLE_PROTOBUF_VERSION_CHECK"] = "true"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _serve(connection: Connection, load: Callable[[Path], Any], folder: Path) -> None:
    _prepare()
    try:
        begin = time.perf_counter()
        bind = load(folder)
        connection.send(("ok", time.perf_counter() - begin))
        call = None
        while True:
            what, argument = connection.recv()
            begin, cpu_begin = time.perf_counter(), time.process_time()
            if what == "bind":
                batch, settling_calls = argument
                call = bind(batch)
                outputs = call()
                seconds = time.perf_counter() - begin
                for _ in range(settling_calls):
                    call()
                answer = seconds, [np.asarray(output) for output in outputs]
            else:
                for _ in range(argument):
                    call()
                ends = time.perf_counter() - begin, time.process_time() - cpu_begin
                answer = tuple(seconds / argument for seconds in ends)
            connection.send(("ok", answer))
    except EOFError:
        pass
    except Exception:  # noqa: BLE001 - told to the other side, which goes on without this system
        connection.send(("error", traceback.format_exc()))
