"""Timing of several systems in one process, in turn: A B A B, as machines drift."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def measure(
    systems: Mapping[str, Callable[[], object]],
    rounds: int,
    calls: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Returns seconds a call by system, one figure a round.

    Args:
      systems: functions that do the work and wait for it; the first is the one compared.
      rounds: how often all systems take their turn.
      calls: calls of a system in its turn, after one that is not counted in the first round.
      clock: in seconds; `time.process_time` where other work shares the machine.
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


def table(title: str, seconds: Mapping[str, list[float]]) -> str:
    """Returns medians, and the others' time over the first one's, round by round: median, range."""
    first = next(iter(seconds))
    lines = [title, f"  {'system':<28}{'ms a call':>11}  times {first} (median, least, most)"]
    for name, values in seconds.items():
        ratios = [value / base for value, base in zip(values, seconds[first])]
        lines.append(
            f"  {name:<28}{1000 * statistics.median(values):>11.1f}  "
            f"{statistics.median(ratios):.2f}  {min(ratios):.2f}  {max(ratios):.2f}"
        )
    return "\n".join(lines)
