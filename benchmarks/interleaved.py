"""Times several systems in turn, A B A B, so that a drift of the machine affects all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from benchmarks.worker import Worker

SECONDS_A_TURN = 1.0


def measure(
    systems: Mapping[str, Callable[[], object]],
    rounds: int,
    calls: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Returns the seconds per call of each system, one value per round.

    Each system is first called twice without timing.

    Args:
      systems: functions that do the work and wait for its end.
      rounds: number of turns of each system.
      calls: number of calls in a turn.
      clock: returns seconds. Use `time.process_time` if other work runs on the machine.
    """
    for function in systems.values():
        function()
        function()
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(rounds):
        for name, function in systems.items():
            begin = clock()
            for _ in range(calls):
                function()
            seconds[name].append((clock() - begin) / calls)
    return seconds


def take_turns(
    workers: Mapping[str, Worker], rounds: int, clock: str = "wall"
) -> dict[str, list[float]]:
    """Returns the seconds per call of each worker, one value per round.

    Args:
      workers: the systems, bound to a batch.
      rounds: number of turns of each system; a turn takes `SECONDS_A_TURN` or one call.
      clock: "wall", or "cpu" for processor time, on which other programs have less influence.
    """
    calls = {n: max(1, round(SECONDS_A_TURN / worker.run(1))) for n, worker in workers.items()}
    seconds: dict[str, list[float]] = {name: [] for name in workers}
    for _ in tqdm(range(rounds), desc="rounds", leave=False):
        for name, worker in workers.items():
            wall = worker.run(calls[name])
            seconds[name].append(wall if clock == "wall" else worker.cpu_seconds)
    return seconds


def table(title: str, seconds: Mapping[str, list[float]]) -> str:
    """Returns a table of median times, and of time ratios to the first system within each round."""
    first = next(iter(seconds))
    lines = [title, f"  {'system':<28}{'ms per call':>11}  time / {first} (median, min, max)"]
    for name, values in seconds.items():
        ratios = [value / base for value, base in zip(values, seconds[first])]
        lines.append(
            f"  {name:<28}{1000 * statistics.median(values):>11.1f}  "
            f"{statistics.median(ratios):.2f}  {min(ratios):.2f}  {max(ratios):.2f}"
        )
    return "\n".join(lines)
