"""How fast `danlu tokenize` is from corpus to shards, how much memory it takes, and whether the
shards of another version and of another number of processes are the same.

    python benchmarks/tokenize_command.py CORPUS TOKENIZER [--runs 3] [--before OTHER/src]

Runs alternate, so that other work on the machine meets all of them. MB are UTF-8 bytes / 10^6;
processor seconds are of all processes together, starting Python included.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from corpus import peaks, run, spread

from danlu import files

SOURCE = Path(__file__).parents[1] / "src"


def command(args: argparse.Namespace, out: Path, *more: str) -> list[str]:
    """The command line; shards go to `out`, which is deleted first."""
    shutil.rmtree(out, ignore_errors=True)
    name = [sys.executable, "-m", "danlu", "tokenize", str(args.corpus)]
    return [*name, "--tokenizer", str(args.tokenizer), "--out", str(out), *more]


def main() -> None:
    """A line a version and number of processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--before", type=Path, help="folder `src` of another version")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    counts = json.loads((args.corpus / "manifest.json").read_text())["counts"]
    mb = (counts["train"]["bytes"] + counts["held_out"]["bytes"]) / 1e6
    ways = {f"{n} processes": (SOURCE, ["--processes", str(n)]) for n in (1, 2)}
    if args.before:
        ways["before"] = (args.before, [])
    walls: dict[str, list[float]] = {way: [] for way in ways}
    costs: dict[str, list[float]] = {way: [] for way in ways}
    hashes = set()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        for _ in range(args.runs):
            for way, (source, more) in ways.items():
                os.environ["PYTHONPATH"] = str(source)
                wall, cpu = run(command(args, out, *more), way)
                walls[way].append(mb / wall)
                costs[way].append(1e3 * cpu / mb)
                hashes.add(files.hash_of(*(files.sha256(p) for p in sorted(out.glob("*.bin")))))
        for way in ways:
            print(f"{way:<14}{spread(walls[way]):>24} MB/s{spread(costs[way]):>34} ms of cpu a MB")
        if args.before:
            pairs = zip(walls["2 processes"], walls["before"], strict=True)
            print(f"2 processes / before: {spread([now / then for now, then in pairs])}")
        os.environ["PYTHONPATH"] = str(SOURCE)
        sizes = [f"{own:.0f} ({every:.0f})" for own, every in peaks(command(args, out))]
    print(f"{mb:.1f} MB; all shards equal: {len(hashes) == 1}; peak MB, own (all): {sizes}")
    load = os.getloadavg()
    print(f"load {load[0]:.1f}, {load[1]:.1f}; {time.strftime('%H:%M')}")


if __name__ == "__main__":
    main()
