"""What the user sees while something runs (on stderr), and the log that everything else reads.

Results go to stdout, everything else to stderr. On a terminal one line is live; elsewhere progress
is a plain line now and then, without escapes or carriage returns, fit for a log file.
`metrics.jsonl` is the one truth of a run: the report and the trackers are fed from it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
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
from danlu.errors import ResourceError
from danlu.visible import visible

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

    if stdout:
        return Console(highlight=False)

    class Story(Console):
        """Falls silent when nobody listens any more, where rich would end the process."""

        def on_broken_pipe(self) -> None:
            self.quiet = True

    return Story(stderr=True, highlight=False, soft_wrap=True)


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
    """Say a line, with acting characters (of a file's name) written out.

    When nobody listens any more (a closed terminal or pipe), work goes on.
    """
    live, text = Progress.current, visible(text)
    with contextlib.suppress(OSError):
        if live is not None and live.terminal is not None:
            live.terminal.console.print(text, style=style, markup=False, highlight=False)
        elif sys.stderr.isatty():
            console().print(text, style=style, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)  # noqa: T201


class Progress:
    """Progress of one long thing, with time left; in units, or as a share if it has none.

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
            with contextlib.suppress(OSError):
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
            parts = [f"{100 * done / max(self.total, 1e-9):.0f}%"]
            if self.unit:
                parts.insert(0, f"{done:,.0f}/{self.total:,.0f} {self.unit}")
            if self.left_s is not None:
                parts.append(f"{duration(self.left_s)} left")
            _emit(f"{self.title}: {' · '.join(parts + ([note] if note else []))}")

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
    Nothing that goes wrong here stops a run: a full disk is said once and costs its records, a
    tracker that fails is dropped.
    """

    def __init__(self, folder: Path, trackers: tuple[str, ...] = ()) -> None:
        self.path, self._disk = folder / "metrics.jsonl", files.Disk()
        _mend_tail(self.path)
        self.session, self._lost = 1 + _last_session(self.path), 0
        self._trackers = [
            discover.find("danlu.trackers", name, "tracker").start(folder) for name in trackers
        ]

    def log(self, kind: str, step: int, **values: Any) -> None:
        """Append one record."""
        record = {
            "kind": kind,
            "session": self.session,
            "step": step,
            "time": time.time(),
            **values,
        }
        self._append(json.dumps(record, ensure_ascii=False, default=float) + "\n")
        for tracker in list(self._trackers):
            try:
                tracker.log({f"{kind}/{k}": v for k, v in values.items()}, step)
            except Exception as error:  # it is somebody else's code
                self._trackers.remove(tracker)
                warn(f"tracker {type(tracker).__module__} failed and is off now: {error}")

    def _append(self, line: str) -> None:
        try:
            self._disk.append(self.path, line.encode())
        except ResourceError as error:
            if not self._lost:
                warn(f"records are lost until this is mended: {error.what}")
            self._lost += 1
        else:
            if self._lost:
                warn(f"{self.path} is written again; {self._lost} records were lost")
            self._lost = 0

    def close(self) -> None:
        """Flush the trackers."""
        for tracker in self._trackers:
            try:
                tracker.close()
            except Exception as error:  # it is somebody else's code
                warn(f"tracker {type(tracker).__module__} may have lost its last figures: {error}")


def _mend_tail(path: Path) -> None:
    """End a torn last line (the writer was killed), so that the next record starts a line."""
    if path.is_file():
        data = path.read_bytes()
        if data and not data.endswith(b"\n"):
            files.write_atomic(path, data[: data.rfind(b"\n") + 1])


def _last_session(path: Path) -> int:
    """The highest session number in a log, 0 if there is none; damaged lines do not count."""
    data = path.read_bytes() if path.is_file() else b""
    found = re.findall(rb'^\{"kind": "[^"]*", "session": (\d+),', data, re.MULTILINE)
    return max(map(int, found), default=0)
