"""Spreading a pure function over processes, with results in the order of the items.

The order and the results do not depend on the number of workers, so neither does any file made
from them. Processes are spawned, not forked: a fork of a process in which TensorFlow runs its
threads can hang. A spawned worker imports the function's module, so modules that workers use must
not import TensorFlow.
"""

from __future__ import annotations

import collections
import concurrent.futures
import itertools
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import process
from typing import Any, TypeVar

from albert_tf.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Items handed out beyond those being worked on; bounds the memory of a stream without end.
AHEAD_PER_WORKER = 2

_function: Callable[[Any], Any] | None = None


def ordered_map(
    make_function: Callable[..., Callable[[Item], Result]],
    arguments: tuple,
    items: Iterable[Item],
    workers: int = 1,
) -> Iterator[Result]:
    """Yields `make_function(*arguments)(item)` for each item, in order.

    Args:
      make_function: called once in each process, for what is costly to send or to make, such as a
        tokenizer; a module-level function.
      arguments: what `make_function` is called with; picklable.
      items: picklable; read only as far ahead as the workers need.
      workers: processes; 1 works in this process.

    Raises:
      InputError: a worker was killed.
    """
    if workers <= 1:
        function = make_function(*arguments)
        yield from (function(item) for item in items)
        return
    items = iter(items)
    pool = concurrent.futures.ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(make_function, arguments),
    )
    try:
        first = itertools.islice(items, workers * (1 + AHEAD_PER_WORKER))
        pending = collections.deque(pool.submit(_work, item) for item in first)
        while pending:
            result = pending.popleft().result()
            pending.extend(pool.submit(_work, item) for item in itertools.islice(items, 1))
            yield result
    except process.BrokenProcessPool as error:
        raise InputError(
            f"Worker processes must live until the work is done. Received {workers}, of which one "
            "was ended from outside, as the system does when memory runs out. Run the same command "
            "again, with fewer workers if they need more memory than there is."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start(make_function: Callable, arguments: tuple) -> None:
    global _function
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    _function = make_function(*arguments)


def _exit_with_parent() -> None:
    """Ends this worker if its parent is killed, which a worker that waits for items cannot see."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _work(item: Any) -> Any:
    return _function(item)
