"""Apache Beam pipelines, and a map over items on their workers, in the order of the items."""

from __future__ import annotations

import functools
import pickle
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from albert_tf import files
from albert_tf.errors import InputError

if TYPE_CHECKING:
    import apache_beam as beam

_SECONDS = 0.2  # Between two looks for the next result.
_LOCK = threading.Lock()  # A worker has several threads; TensorFlow uses all cores for one item.


def new_pipeline(runner: str | None, options: Sequence[str]) -> beam.Pipeline | None:
    """Returns an empty pipeline, or None without a runner.

    Args:
      runner: the name of a Beam runner, such as "DirectRunner" or "FlinkRunner".
      options: the pipeline options, as flags.

    Raises:
      InputError: Beam is not installed or does not know the runner, or there are only options.
    """
    if not runner:
        if options:
            raise InputError(
                f"Pipeline options need a runner. Received {' '.join(options)} without --runner. "
                "Pass --runner with a name such as DirectRunner."
            )
        return None
    try:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise InputError(
            f"--runner needs Apache Beam, which is not installed: {error}. Run "
            "pip install 'albert-tf[beam]'."
        ) from error
    try:
        return beam.Pipeline(runner, PipelineOptions(list(options)))
    except ValueError as error:
        raise InputError(
            f"--runner must be a runner of Apache Beam. Received {runner!r}: {error}"
        ) from error


class BeamMap:
    """Does what `workers.ordered_map` does, on the workers of a pipeline.

    Items and results are files of a folder that all workers must see at the same path, such as one
    on a shared disk. It is removed at the end.

    Args:
      pipeline: a pipeline from `new_pipeline`.
      folder: the folder; what a killed run left there is removed.
    """

    def __init__(self, pipeline: beam.Pipeline, folder: Path) -> None:
        self._pipeline, self._folder = pipeline, folder

    def __call__(
        self, make_function: Callable[..., Callable], arguments: tuple, items: Iterable[Any]
    ) -> Iterator[Any]:
        """Yields `make_function(*arguments)(item)` for each item, in order; once an object.

        Arguments are those of `workers.ordered_map`. All items are read first.

        Raises:
          InputError: the pipeline failed.
        """
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        try:
            count = 0
            for count, item in enumerate(items, start=1):
                _file(self._folder, "item", count - 1).write_bytes(pickle.dumps(item))
            work = pickle.dumps((make_function, arguments))
            errors: list[BaseException] = []
            run = threading.Thread(target=self._run, args=(count, work, errors), daemon=True)
            run.start()
            for number in range(count):
                yield self._result(number, run, errors)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, count: int, work: bytes, errors: list[BaseException]) -> None:
        import apache_beam as beam

        try:
            with self._pipeline as pipeline:
                _ = (
                    pipeline
                    | "Items" >> beam.Create(range(count))
                    | "SpreadItems" >> beam.Reshuffle()
                    | "MakeResults" >> beam.Map(_make_result, work=work, folder=self._folder)
                )
        except BaseException as error:  # Any kind, of any runner.
            errors.append(error)

    def _result(self, number: int, run: threading.Thread, errors: list[BaseException]) -> Any:
        path = _file(self._folder, "result", number)
        while not path.exists():
            if not run.is_alive() and not path.exists():
                reason = str(errors[0]).strip().splitlines() if errors else []
                raise InputError(
                    "The workers of --runner must finish their work, and see the folder of the "
                    f"output and the model at the same paths. Received {' '.join(reason[:1])!r} "
                    f"without '{path}'. Run the same command again; `albert-tf --verbosity=0 ...` "
                    "shows the messages of Beam."
                )
            run.join(_SECONDS)
        result, error = pickle.loads(path.read_bytes())
        path.unlink()
        if error is not None:
            raise error
        return result


def _make_result(number: int, work: bytes, folder: Path) -> None:
    """Writes the result of an item, on a worker."""
    result = error = None
    try:
        with _LOCK:
            item = pickle.loads(_file(folder, "item", number).read_bytes())
            result = _function(work)(item)
    except InputError as input_error:
        error = input_error
    with files.replacing(_file(folder, "result", number)) as temporary:
        temporary.write_bytes(pickle.dumps((result, error)))


@functools.lru_cache(maxsize=1)
def _function(work: bytes) -> Callable[[Any], Any]:
    make_function, arguments = pickle.loads(work)
    return make_function(*arguments)


def _file(folder: Path, kind: str, number: int) -> Path:
    return folder / f"{number:08}.{kind}"
