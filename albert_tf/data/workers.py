"""Distributes a pure function over processes and returns the results in the order of the items.

The results and their order do not depend on the number of workers, so neither does any file made
from them. Processes are spawned rather than forked, because forking a process with running
TensorFlow threads can hang. A spawned worker imports the module of the function, so modules that
builds use must not import TensorFlow.
"""

from __future__ import annotations

import collections
import concurrent.futures
import itertools
import multiprocessing
import multiprocessing.connection
import os
import pickle
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import process
from typing import Any, TypeVar

from albert_tf.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Items queued per worker beyond the one in progress; bounds the memory for endless streams.
AHEAD_PER_WORKER = 2
PATIENCE = 5.0  # seconds between two looks for workers that were killed
_IMPORTS_MAIN = 77  # exit status of a worker

_function: Callable[[Any], Any] | None = None


def ordered_map(
    make_function: Callable[..., Callable[[Item], Result]],
    arguments: tuple,
    items: Iterable[Item],
    workers: int = 1,
) -> Iterator[Result]:
    """Yields `make_function(*arguments)(item)` for each item, in order.

    Args:
      make_function: a module-level function, called once in each process to create anything that
        is expensive to create or to send, such as a tokenizer.
      arguments: the arguments of `make_function`; must be picklable.
      items: the items; must be picklable. They are read only as far ahead as the workers need.
      workers: the number of processes; with 1, the work is done in this process.

    Raises:
      InputError: a worker was killed, or the script that calls this starts it again in a worker.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(_IMPORTS_MAIN)  # A worker imports the script, and would start workers of its own.
    if workers <= 1:
        function = make_function(*arguments)
        yield from (function(item) for item in items)
        return
    items = iter(items)
    # Not as arguments of the processes: starting one hangs if it dies before it has read them.
    with tempfile.NamedTemporaryFile(delete=False) as file:
        pickle.dump((make_function, arguments), file)
    pool = concurrent.futures.ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(file.name,),
    )
    processes: list[multiprocessing.Process] = []
    queue = pool._call_queue
    try:
        first = itertools.islice(items, workers * (1 + AHEAD_PER_WORKER))
        pending = collections.deque(pool.submit(_work, item) for item in first)
        processes = list(pool._processes.values())
        while pending:
            result = _result(pending.popleft(), pool)
            pending.extend(pool.submit(_work, item) for item in itertools.islice(items, 1))
            yield result
    except process.BrokenProcessPool as error:
        if sys.version_info < (3, 11, 5):  # Later versions do it themselves.
            queue._reader.close()  # Or it waits to send items to workers that are dead.
        for worker in processes:
            worker.join(1.0)
        if any(worker.exitcode == _IMPORTS_MAIN for worker in processes):
            raise InputError(
                "A script that uses several workers must call them below "
                "`if __name__ == '__main__':`, as each worker imports the script. Received "
                f"'{sys.argv[0]}' with {workers} workers. Add this line, or use one worker."
            ) from error
        raise InputError(
            f"Worker processes must run until the work is done. Received {workers} workers, of "
            "which one was killed, as happens when memory runs out. Run the same command again, "
            "with fewer workers if memory is short."
        ) from error
    finally:
        _end_if_one_was_killed(pool)
        pool.shutdown(wait=True, cancel_futures=True)
        os.unlink(file.name)


def _result(future: concurrent.futures.Future, pool: concurrent.futures.ProcessPoolExecutor) -> Any:
    """Returns the result of a future, or raises `BrokenProcessPool` if a worker was killed."""
    while True:
        try:
            return future.result(PATIENCE)
        except concurrent.futures.TimeoutError:
            if future.done():  # It ended just now, or its function raised this.
                return future.result()
        _end_if_one_was_killed(pool)


def _end_if_one_was_killed(pool: concurrent.futures.ProcessPoolExecutor) -> None:
    """Ends all workers if one is dead.

    One that was killed while it sent a result left a part of it, for whose rest the pool would wait
    forever, and the lock of those who send.
    """
    workers = list((pool._processes or {}).values())
    if any(worker.exitcode is not None for worker in workers):
        for worker in workers:
            worker.kill()
            worker.join()
        pool._result_queue._writer.close()  # The last end to write to, so reading ends.


def _start(path: str) -> None:
    global _function
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    with open(path, "rb") as file:
        make_function, arguments = pickle.load(file)
    _function = make_function(*arguments)


def _exit_with_parent() -> None:
    """Exits when the parent is killed, which a worker waiting for items would not notice."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _work(item: Any) -> Any:
    return _function(item)
