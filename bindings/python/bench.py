#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a read of the host clock costs from Python, beside time.time_ns().

usage: bench.py [BACKEND]      (without one: the best clock of this machine)

The calls take turns in one run; each line is the median of the runs.
"""

import statistics
import sys
import time
import timeit
from typing import Callable

import paraclock

RUNS = 21
CALLS = 20_000


def measure(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """ns per call, with the cost of timeit's loop in it."""
    timers = {name: timeit.Timer(call) for name, call in calls.items()}
    runs: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(RUNS):
        for name, timer in timers.items():
            runs[name].append(timer.timeit(CALLS) / CALLS * 1e9)
    return {name: statistics.median(times) for name, times in runs.items()}


def main() -> None:
    backend = sys.argv[1] if len(sys.argv) > 1 else None
    with paraclock.open(backend) as clock:
        sample = clock.read()
        counter = paraclock.counter()
        calls: dict[str, Callable[[], object]] = {
            "time.time_ns()": time.time_ns,
            "clock.read()": clock.read,
            "clock.read().host_ns": lambda: clock.read().host_ns,
            "clock.read_at(counter)": lambda: clock.read_at(counter),
            "clock.disrupted(epoch)": lambda: clock.disrupted(sample.epoch),
            "paraclock.counter()": paraclock.counter,
            "sample.valid": lambda: sample.valid,
            "sample.time": lambda: sample.time,
            "clock.crosststamp()": clock.crosststamp,
        }
        if sample.utc_ns is not None:
            calls["clock.time_ns()"] = clock.time_ns
        print(f"{clock.backend}, Python {sys.version.split()[0]}, "
              f"paraclock {paraclock.__version__}")
        costs = measure(calls)
    for name, cost in costs.items():
        print(f"{cost:8.0f} ns  {name}")


if __name__ == "__main__":
    main()
