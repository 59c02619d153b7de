"""Tracks the progress of a pipeline, which each Beam runner would report in a different way.

Workers can access the output directory with any runner, so each worker keeps a small hidden file of
counts there, and the process that started the pipeline reads these files.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from albert_tf.pretraining.records.build_job import PROGRESS_FILES, remove_leftovers

SECONDS = 5.0  # Between two writes of a worker, and between two reads of these files.


class Tally:
    """The counts of one worker, written to its file every few seconds.

    Args:
      output_dir: the output directory of the build.
    """

    def __init__(self, output_dir: Path) -> None:
        self._path = output_dir / PROGRESS_FILES.replace("*", f"{uuid.uuid4().hex}.json")
        self._counts: Counter = Counter()
        self._written = -SECONDS

    def add(self, counts: Mapping[str, int]) -> None:
        """Adds the counts of a block."""
        self._counts.update(counts)
        if time.monotonic() - self._written < SECONDS:
            return
        with contextlib.suppress(Exception):  # Any error of a remote store can be ignored here.
            self._path.write_text(json.dumps(self._counts), encoding="utf-8")
        self._written = time.monotonic()


class Watch:
    """Reports how the sum of all tallies grows.

    Args:
      output_dir: the output directory of the build.
      report: called with the counts added since the last call.
    """

    def __init__(self, output_dir: Path, report: Callable[[Counter], None]) -> None:
        self._output_dir, self._report = output_dir, report
        self._tallies: dict[Path, Counter] = {}
        self._reported: Counter = Counter()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Reads the tallies every few seconds until the block ends, and then removes them."""
        done = threading.Event()

        def poll_until_done() -> None:
            while not done.wait(SECONDS):
                self.poll()

        remove_leftovers(self._output_dir, PROGRESS_FILES)
        thread = threading.Thread(target=poll_until_done, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            remove_leftovers(self._output_dir, PROGRESS_FILES)

    def poll(self) -> None:
        """Reads the tallies and reports the counts added since the last report."""
        paths: list[Path] = []
        with contextlib.suppress(Exception):  # If the store does not respond, wait for next time.
            paths = list(self._output_dir.glob(PROGRESS_FILES))
        for path in paths:
            with contextlib.suppress(Exception):  # If it is being written, wait for next time.
                self._tallies[path] = Counter(json.loads(path.read_text(encoding="utf-8")))
        self.settle(sum(self._tallies.values(), Counter()))

    def settle(self, counts: Mapping[str, int]) -> None:
        """Reports the difference between `counts` and the sum of all reports so far.

        The difference is negative if a block was processed, and therefore counted, twice.
        """
        difference = Counter(counts)
        difference.subtract(self._reported)
        self._reported = Counter(counts)
        self._report(difference)
