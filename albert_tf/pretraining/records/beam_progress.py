"""How far a pipeline is: the one thing that no two runners of Beam tell in the same way.

Workers see the output directory whatever the runner, so each keeps a small file of counts there
under a hidden name, and the process that started the pipeline reads them.
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

SECONDS = 5.0  # between two writes of a worker, and between two looks at them


class Tally:
    """The counts of what one worker has done, written now and then.

    Args:
      output_dir: of the build.
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
        with contextlib.suppress(Exception):  # Stores have errors of their own; none matters here.
            self._path.write_text(json.dumps(self._counts), encoding="utf-8")
        self._written = time.monotonic()


class Watch:
    """The sum of all tallies, as it grows.

    Args:
      output_dir: of the build.
      report: called with what came since the last call.
    """

    def __init__(self, output_dir: Path, report: Callable[[Counter], None]) -> None:
        self._output_dir, self._report = output_dir, report
        self._found: dict[Path, Counter] = {}
        self._seen: Counter = Counter()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Looks every few seconds until the block ends; no tally is left behind."""
        done = threading.Event()

        def look_on() -> None:
            while not done.wait(SECONDS):
                self.look()

        remove_leftovers(self._output_dir, PROGRESS_FILES)
        thread = threading.Thread(target=look_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            remove_leftovers(self._output_dir, PROGRESS_FILES)

    def look(self) -> None:
        """Reports what the tallies have gained."""
        paths: list[Path] = []
        with contextlib.suppress(Exception):  # a store that does not answer: the next time
            paths = list(self._output_dir.glob(PROGRESS_FILES))
        for path in paths:
            with contextlib.suppress(Exception):  # it is being written: the next time
                self._found[path] = Counter(json.loads(path.read_text(encoding="utf-8")))
        self.settle(sum(self._found.values(), Counter()))

    def settle(self, counts: Mapping[str, int]) -> None:
        """Reports what is missing to `counts`, or takes back what a repeated block had too much."""
        gained = Counter(counts)
        gained.subtract(self._seen)
        self._seen = Counter(counts)
        self._report(gained)
