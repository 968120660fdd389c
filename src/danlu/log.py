"""What the user sees while something runs (on stderr), and the log that everything else reads.

Results go to stdout, everything else to stderr. On a terminal one line is live; elsewhere progress
is a plain line now and then, without escapes or carriage returns, fit for a log file.
`metrics.jsonl` is the one truth of a run: the report and the trackers are fed from it.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from danlu import discover, files
from danlu.errors import DanluError

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_EVERY_S = 30.0


@dataclass(frozen=True)
class Loudness:
    """How much is said: 0 results only, 1 the story, 2 details and tracebacks."""

    level: int = 1
    as_json: bool = False
    """Whether stdout is one JSON object, so that nothing else may be written to it."""


_loudness: ContextVar[Loudness] = ContextVar("loudness", default=Loudness())  # noqa: B039 - it is frozen


@contextlib.contextmanager
def loudness(level: int, *, as_json: bool = False) -> Iterator[None]:
    """Say less (0) or more (2) inside the block."""
    token = _loudness.set(Loudness(level, as_json))
    try:
        yield
    finally:
        _loudness.reset(token)


def write(text: str) -> None:
    """Stream a piece of a result to stdout, unless stdout is for one JSON object."""
    if not _loudness.get().as_json:
        sys.stdout.write(text)
        sys.stdout.flush()


def console(*, stdout: bool = False) -> Console:
    """A rich console for stderr, or for stdout where results go."""
    from rich.console import Console

    return Console(stderr=not stdout, highlight=False, soft_wrap=not stdout)


def is_main() -> bool:
    """Whether this process is the one that talks (rank 0)."""
    return os.environ.get("RANK", "0") == "0"


def say(text: str, *, level: int = 1) -> None:
    """One line of the story; `level` 2 is for details."""
    if is_main() and _loudness.get().level >= level:
        _emit(text)


def stage(text: str) -> None:
    """The title of what comes next."""
    if is_main() and _loudness.get().level >= 1:
        _emit(text, style="bold")


def warn(text: str) -> None:
    """Something the user should know; said even when quiet."""
    if is_main():
        _emit(f"! {text}", style="yellow")


def _emit(text: str, style: str = "") -> None:
    live = Progress.current
    if live is not None and live.terminal is not None:
        live.terminal.console.print(text, style=style, markup=False, highlight=False)
    elif sys.stderr.isatty():
        console().print(text, style=style, markup=False)
    else:
        print(text, file=sys.stderr, flush=True)  # noqa: T201


class Progress:
    """Progress of one long thing, with rate and time left.

    Time left is the remaining work times the median pace of the last 50 updates of this session,
    so that it is right after a resume and after a slow start.
    """

    current: Progress | None = None

    def __init__(self, title: str, total: float, *, done: float = 0, unit: str = "") -> None:
        self.title, self.total, self.done, self.unit = title, total, done, unit
        self.terminal: Any = None
        self._paces: deque[float] = deque(maxlen=50)
        self._last = self._said = time.monotonic()
        self._said_at = done

    def __enter__(self) -> Progress:
        self._outer, Progress.current = Progress.current, self
        quiet = not is_main() or _loudness.get().level < 1
        if not quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            self.terminal = Bar(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:3.0f}%  {task.fields[left]:>6}  {task.fields[note]}"),
                console=console(),
                transient=True,
            )
            self._task = self.terminal.add_task(
                self.title, total=self.total, completed=self.done, left="", note=""
            )
            self.terminal.start()
        self._quiet = quiet
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        Progress.current = self._outer
        if self.terminal is not None:
            self.terminal.stop()

    def update(self, done: float, note: str = "", *, total: float | None = None) -> None:
        """Say that `done` of `total` is done; `note` is what else fits on the line."""
        now = time.monotonic()
        if done > self.done:
            self._paces.append((now - self._last) / (done - self.done))
        self._last, self.done = now, done
        self.total = self.total if total is None else total
        if self.terminal is not None:
            self.terminal.update(
                self._task, completed=done, total=self.total, left=duration(self.left_s), note=note
            )
        elif not self._quiet and self._due(now):
            self._said, self._said_at = now, done
            share = 100 * done / max(self.total, 1e-9)
            of = f"{done:,.0f}/{self.total:,.0f} {self.unit}".strip()
            left = f" · {duration(self.left_s)} left" if self.left_s is not None else ""
            _emit(f"{self.title}: {of} · {share:.0f}%{left}{' · ' + note if note else ''}")

    @property
    def left_s(self) -> float | None:
        """Seconds left, or None in the first five updates."""
        if len(self._paces) < 5:
            return None
        return max(self.total - self.done, 0) * statistics.median(self._paces)

    def _due(self, now: float) -> bool:
        return now - self._said >= PLAIN_EVERY_S and self.done - self._said_at >= 0.01 * self.total


def duration(seconds: float | None) -> str:
    """A length of time for people.

    >>> duration(221), duration(4000), duration(None)
    ('3:41', '1:06:40', '--')
    """
    if seconds is None:
        return "--"
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"


def size(number: float) -> str:
    """A number of bytes for people.

    >>> size(950), size(3_400_000)
    ('950 B', '3.4 MB')
    """
    for bound, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= bound:
            return f"{number / bound:.1f} {unit}"
    return f"{number:.0f} B"


def count(number: float) -> str:
    """A count for people.

    >>> count(950), count(886_000), count(1_240_000)
    ('950', '886 k', '1.24 M')
    """
    for bound, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= bound:
            return f"{number / bound:.3g} {unit}"
    return f"{number:.0f}"


class Tracker(Protocol):
    """Somewhere else to send metrics to; one file each in `danlu/trackers/`."""

    def log(self, values: dict[str, Any], step: int) -> None:
        """Take the metrics of one step."""

    def close(self) -> None:
        """Write what is pending."""


class Metrics:
    """The append-only log of a run, `metrics.jsonl`, and the trackers that follow it.

    A record has `kind` (train, eval, sample, checkpoint …), `session` (1, 2, … one per process),
    `step` and `time`. Readers take the last record of a kind for a step and drop a torn tail.
    """

    def __init__(self, folder: Path, trackers: tuple[str, ...] = ()) -> None:
        self.path, self._disk = folder / "metrics.jsonl", files.Disk()
        _mend_tail(self.path)
        before = files.read_jsonl(self.path)
        self.session = 1 + max((record.get("session", 0) for record in before), default=0)
        self._trackers = [
            discover.find("danlu.trackers", name, "tracker").start(folder) for name in trackers
        ]

    def log(self, kind: str, step: int, **values: Any) -> None:
        """Append one record; a failing tracker is dropped with a warning, never fatal."""
        import json

        record = {
            "kind": kind,
            "session": self.session,
            "step": step,
            "time": time.time(),
            **values,
        }
        line = json.dumps(record, ensure_ascii=False, default=float) + "\n"
        self._disk.append(self.path, line.encode())
        for tracker in list(self._trackers):
            try:
                tracker.log({f"{kind}/{k}": v for k, v in values.items()}, step)
            except (DanluError, OSError, ValueError, TypeError) as error:
                self._trackers.remove(tracker)
                warn(f"tracker {type(tracker).__module__} failed and is off now: {error}")

    def close(self) -> None:
        """Flush the trackers."""
        for tracker in self._trackers:
            tracker.close()


def _mend_tail(path: Path) -> None:
    """End a torn last line (the writer was killed), so that the next record starts a line."""
    if path.is_file():
        data = path.read_bytes()
        if data and not data.endswith(b"\n"):
            files.write_atomic(path, data[: data.rfind(b"\n") + 1])
