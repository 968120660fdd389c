"""How fast `danlu prepare` is, how much memory it takes, and datatrove with equal steps beside it.

    python benchmarks/corpus.py speed TEXTS… [--mb 100]
    python benchmarks/corpus.py memory TEXTS… [--mb 100 2000]
    python benchmarks/corpus.py peer TEXTS… --mb 8 --python OTHER/bin/python

TEXTS are files or folders of English and Chinese text, from which `mixed_text` makes any amount.
datatrove needs an environment of its own: `pip install 'datatrove[io,processing]' spacy jieba`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from mixed_text import generate

DANLU = [sys.executable, "-m", "danlu", "prepare"]
EQUAL = ["--steps", "quality", "near", "--quality.rules", "gopher"]
"""The steps that `corpus_peer.py` has."""


def run(command: list[str], label: str) -> tuple[float, float]:
    """Seconds on the wall and of the processors that a command took."""
    before, began = os.times(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{label} failed:\n{done.stderr[-2000:]}")
    after = os.times()
    cpu = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return time.perf_counter() - began, cpu


def spread(values: list[float]) -> str:
    """Median (smallest … largest)."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} … {max(values):.2f})"


def speed(folder: Path, mb: float, out: Path, runs: int) -> None:
    """All default steps in two processes."""
    rates, costs = [], []
    for _ in range(runs):
        shutil.rmtree(out, ignore_errors=True)
        wall, cpu = run([*DANLU, str(folder), "--out", str(out), "--processes", "2"], "danlu")
        rates.append(mb / wall)
        costs.append(mb / cpu)
        print(f"  {mb / wall:.2f} MB/s; {mb / cpu:.2f} MB a processor second", flush=True)
    print(f"danlu prepare, all default steps, {mb:g} MB: {spread(rates)} MB/s wall,")
    print(f"{spread(costs)} MB a processor second; load {os.getloadavg()[0]:.1f}")


def peaks(command: list[str]) -> list[tuple[float, float]]:
    """Peak MB of each process of a command, largest first: its own memory, and all of it.

    All of it includes pages of files that are mapped, which the system takes back when it needs
    them; its own is sampled five times a second.
    """
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    found: dict[int, tuple[float, float]] = {}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            for pid in [process.pid, *_children(process.pid)]:
                sizes = {"RssAnon:": 0.0, "VmHWM:": 0.0}
                for line in _status(pid):
                    name = line.split()[0]
                    if name in sizes:
                        sizes[name] = int(line.split()[1]) / 1e3
                own, every = sizes.values()
                before = found.get(pid, (0.0, 0.0))
                found[pid] = max(own, before[0]), max(every, before[1])

    thread = threading.Thread(target=watch)
    thread.start()
    code = process.wait()
    done.set()
    thread.join()
    if code:
        sys.exit(f"danlu ended with {code}")
    return sorted(found.values(), reverse=True)


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    try:
        return [int(c) for t in tasks.iterdir() for c in (t / "children").read_text().split()]
    except OSError:
        return []


def _status(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return []


def memory(texts: list[Path], sizes: list[float], work: Path) -> None:
    """Peak memory of each process for each size."""
    for mb in sizes:
        folder = generate(work / f"{mb:g}", texts, mb)
        began = time.perf_counter()
        command = [*DANLU, str(folder), "--out", str(work / "out"), "--processes", "2", "--force"]
        sizes = peaks(command)
        wall = time.perf_counter() - began
        shown = ", ".join(f"{own:.0f} ({every:.0f} with files)" for own, every in sizes)
        print(f"{mb:g} MB: peak MB a process {shown}; {mb / wall:.2f} MB/s", flush=True)
        shutil.rmtree(folder)


def peer(texts: list[Path], mb: float, python: str, work: Path, runs: int) -> None:
    """The same steps in both, in turn, on English text.

    Not on Chinese: Gopher's quality rules ask for English stop words, so nothing would be left.
    """
    script = str(Path(__file__).with_name("corpus_peer.py"))
    folder = generate(work / "peer", texts, mb, chinese=0.0)
    ratios, ours, theirs = [], [], []
    for _ in range(runs):
        for out in ("a", "b"):
            shutil.rmtree(work / out, ignore_errors=True)
        command = [*DANLU, str(folder), "--out", str(work / "a"), "--processes", "2"]
        mine = run([*command, *EQUAL], "danlu")[0]
        other = run([python, script, str(folder), str(work / "b"), "en", "2"], "peer")[0]
        ours.append(mb / mine)
        theirs.append(mb / other)
        ratios.append(other / mine)
        print(f"  {mb / mine:.2f} and {mb / other:.3f} MB/s", flush=True)
    print(f"danlu {spread(ours)}, datatrove {spread(theirs)} MB/s")
    print(f"{spread(ratios)} times as fast; load {os.getloadavg()[0]:.1f}")


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["speed", "memory", "peer"])
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--mb", nargs="+", type=float)
    parser.add_argument("--python", default="")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if args.what == "memory":
            memory(args.texts, args.mb or [100, 2000], work)
        elif args.what == "peer":
            peer(args.texts, (args.mb or [8])[0], args.python, work, args.runs)
        else:
            mb = (args.mb or [100])[0]
            speed(generate(work / "in", args.texts, mb), mb, work / "out", args.runs)


if __name__ == "__main__":
    main()
