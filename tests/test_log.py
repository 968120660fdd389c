"""What the user sees, on a terminal and off it, and the log of a run."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from danlu import discover, files, log
from danlu.errors import MissingExtra, UnknownName
from danlu.log import Metrics, Progress

Capture = pytest.CaptureFixture[str]


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    time = monotonic


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(log, "time", clock)
    return clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def a_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Stderr as a terminal. No fixture: pytest sets stderr anew after the fixtures."""
    found = Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return found


# ---- what is said


def test_levels(capsys: Capture) -> None:
    def speak() -> list[str]:
        log.stage("title")
        log.say("story")
        log.say("detail", level=2)
        log.warn("trouble")
        out, err = capsys.readouterr()
        assert out == ""
        return err.split("\n")[:-1]

    assert speak() == ["title", "story", "! trouble"]
    with log.loudness(0):
        assert speak() == ["! trouble"]
        with log.loudness(2):
            assert speak() == ["title", "story", "detail", "! trouble"]
        assert speak() == ["! trouble"]


def test_only_the_first_rank_speaks(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    log.stage("title")
    log.say("story")
    log.warn("trouble")
    with Progress("x", 10) as bar:
        bar.update(5)
    assert capsys.readouterr() == ("", "") and not log.is_main()


def test_results_go_to_stdout_unless_it_is_json(capsys: Capture) -> None:
    log.write("春")
    with log.loudness(1, as_json=True):
        log.write("not this")
    assert capsys.readouterr() == ("春", "")


def test_markup_in_text_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    log.say("[bold]x[/bold] [nothing]")
    assert "[bold]x[/bold] [nothing]" in terminal.getvalue()


@pytest.mark.parametrize("tty", [True, False])
def test_nobody_listens_any_more(monkeypatch: pytest.MonkeyPatch, tty: bool) -> None:
    class Closed(Terminal):
        broken = False

        def isatty(self) -> bool:
            return tty

        def write(self, text: str) -> int:
            if self.broken:
                raise BrokenPipeError
            return super().write(text)

    a_terminal(monkeypatch)
    closed = Closed()
    monkeypatch.setattr(sys, "stderr", closed)
    with Progress("x", 1) as bar:
        closed.broken = True
        log.warn("trouble")
        bar.update(0.5)
    log.say("story")
    assert "trouble" not in closed.getvalue()


# ---- progress


def test_plain_lines_off_a_terminal(clock: Clock, capsys: Capture) -> None:
    with Progress("tokenize", 200, unit="documents") as bar:
        for done in range(1, 201):
            clock.now += 1
            bar.update(done, note=f"{done} MB")
    out, err = capsys.readouterr()
    assert out == "" and "\x1b" not in err and "\r" not in err
    lines = err.split("\n")[:-1]
    assert len(lines) == 6  # one in 30 seconds
    assert lines[0] == "tokenize: 30/200 documents · 15% · 2:50 left · 30 MB"
    assert lines[-1] == "tokenize: 180/200 documents · 90% · 0:20 left · 180 MB"


def test_a_share_has_no_units(clock: Clock, capsys: Capture) -> None:
    with Progress("pretrain", 1.0) as bar:
        for part in range(1, 5):
            clock.now += 31
            bar.update(part / 10)
    first, *_, last = capsys.readouterr().err.split("\n")[:-1]
    assert first == "pretrain: 10%" and last == "pretrain: 40%"


def test_slow_progress_is_not_repeated(clock: Clock, capsys: Capture) -> None:
    with Progress("x", 1000, unit="steps") as bar:
        for done in (1, 2, 9, 10, 11):
            clock.now += 40
            bar.update(done)
    assert capsys.readouterr().err == "x: 10/1,000 steps · 1%\n"


def test_quiet(clock: Clock, capsys: Capture) -> None:
    with log.loudness(0), Progress("x", 10) as bar:
        clock.now += 99
        bar.update(5)
    assert capsys.readouterr().err == ""


def test_time_left_is_of_this_session(clock: Clock) -> None:
    """Resumed at 90 of 100: what came before says nothing about the pace."""
    with Progress("x", 100, done=90) as bar:
        clock.now += 60  # a slow start
        bar.update(91)
        assert bar.left_s is None
        for done in range(92, 96):
            clock.now += 2
            bar.update(done)
        assert bar.left_s == pytest.approx(5 * 2)
        bar.update(95)  # nothing done: no pace
        assert bar.left_s == pytest.approx(5 * 2)
        bar.update(95, total=200)
        assert bar.left_s == pytest.approx(105 * 2)
        bar.update(300)
        assert bar.left_s == 0


def test_on_a_terminal_one_line_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    with Progress("pretrain", 1.0) as bar:
        assert Progress.current is bar
        bar.update(0.37, note="step 37/100")
        bar.terminal.refresh()
        log.warn("something")
        log.say("a sample")
    assert Progress.current is None
    said = terminal.getvalue()
    assert "pretrain" in said and "37%" in said and "step 37/100" in said
    assert "! something" in said and "a sample" in said


def test_a_dumb_terminal_gets_plain_lines(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = a_terminal(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    with Progress("x", 10, unit="MB") as bar:
        clock.now += 31
        bar.update(5)
    assert terminal.getvalue() == "x: 5/10 MB · 50%\n"


def test_progress_inside_progress(capsys: Capture) -> None:
    with Progress("outer", 1) as outer:
        with pytest.raises(ValueError), Progress("inner", 1) as inner:
            assert Progress.current is inner
            raise ValueError
        assert Progress.current is outer


def test_sizes_and_counts() -> None:
    assert log.size(2.5e12) == "2.5 TB" and log.size(1e9) == "1.0 GB" and log.size(0) == "0 B"
    assert log.count(7e9) == "7 B" and log.count(2.5e12) == "2.5 T" and log.count(1) == "1"
    assert log.duration(0) == "0:00" and log.duration(59.6) == "1:00"


# ---- metrics


class Tracker:
    """Notes what it is given, and fails when asked to."""

    def __init__(self, *, at: int = -1, close: bool = True) -> None:
        self.at, self.closes, self.seen = at, close, []  # type: ignore[var-annotated]

    def log(self, values: dict[str, Any], step: int) -> None:
        if step == self.at:
            raise RuntimeError("the server is gone")
        self.seen.append((step, values))

    def close(self) -> None:
        if not self.closes:
            raise KeyError("no")
        self.seen.append("closed")


@pytest.fixture
def trackers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Tracker]]:
    """Names → trackers, found as files in danlu/trackers are."""
    have: dict[str, Tracker] = {}

    def find(package: str, name: str, kind: str) -> Any:
        assert (package, kind) == ("danlu.trackers", "tracker")
        return SimpleNamespace(start=lambda folder: have[name])

    monkeypatch.setattr(discover, "find", find)
    yield have


def records(folder: Path) -> list[dict[str, Any]]:
    return files.read_jsonl(folder / "metrics.jsonl")


def test_records_and_sessions(tmp_path: Path, clock: Clock) -> None:
    for session in (1, 2, 3):
        metrics = Metrics(tmp_path)
        metrics.log("train", session, loss=1.5, text="春")
        metrics.close()
        wanted = {"kind": "train", "session": session, "step": session, "time": 1000.0}
        assert records(tmp_path)[-1] == {**wanted, "loss": 1.5, "text": "春"}
    assert len(records(tmp_path)) == 3


def test_numbers_of_other_libraries(tmp_path: Path) -> None:
    import numpy as np

    Metrics(tmp_path).log("eval", 1, loss=np.float32(0.5), tokens=np.int64(3))
    assert (records(tmp_path)[0]["loss"], records(tmp_path)[0]["tokens"]) == (0.5, 3)


@pytest.mark.parametrize("tail", ['{"kind": "tra', '{"kind": "train", "session": 9, "step": 9}'])
def test_a_torn_tail_is_mended(tmp_path: Path, tail: str) -> None:
    Metrics(tmp_path).log("train", 1)
    path = tmp_path / "metrics.jsonl"
    good = path.read_bytes()
    path.write_bytes(good + tail.encode())
    metrics = Metrics(tmp_path)
    assert path.read_bytes() == good
    metrics.log("train", 2)
    assert [(r["session"], r["step"]) for r in records(tmp_path)] == [(1, 1), (2, 2)]


def test_a_log_that_is_only_a_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"kin')
    Metrics(tmp_path).log("train", 1)
    assert [row["session"] for row in records(tmp_path)] == [1]


def test_a_damaged_log_does_not_stop_a_run(tmp_path: Path) -> None:
    for _ in range(2):
        Metrics(tmp_path).log("train", 1)
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"\0\0\0garbage\n" + path.read_bytes())
    metrics = Metrics(tmp_path)
    assert metrics.session == 3
    metrics.log("train", 2)
    assert json.loads(path.read_bytes().split(b"\n")[-2])["session"] == 3


def test_trackers_get_the_same_figures(tmp_path: Path, trackers: dict[str, Tracker]) -> None:
    trackers |= {"a": Tracker(), "b": Tracker()}
    metrics = Metrics(tmp_path, ("a", "b"))
    metrics.log("train", 1, loss=2.0)
    metrics.log("eval", 1, loss=3.0)
    metrics.close()
    for name in "ab":
        assert trackers[name].seen == [(1, {"train/loss": 2.0}), (1, {"eval/loss": 3.0}), "closed"]


def test_a_failing_tracker_is_dropped(
    tmp_path: Path, trackers: dict[str, Tracker], capsys: Capture
) -> None:
    trackers |= {"bad": Tracker(at=2), "good": Tracker(), "ugly": Tracker(close=False)}
    metrics = Metrics(tmp_path, ("bad", "good", "ugly"))
    for step in (1, 2, 3):
        metrics.log("train", step)
    metrics.close()
    assert [len(trackers[name].seen) for name in ("bad", "good", "ugly")] == [1, 4, 3]
    said = capsys.readouterr().err
    assert said.count("is off now: the server is gone") == 1 and "may have lost" in said
    assert len(records(tmp_path)) == 3


def test_an_unknown_tracker(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="no tracker named 'tensorbored'") as caught:
        Metrics(tmp_path, ("tensorbored",))
    assert "did you mean 'tensorboard'?" in caught.value.fix


def test_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    metrics = Metrics(tmp_path, ("tensorboard",))
    for step in (1, 2, 3):
        metrics.log("train", step, loss=1 / step, tokens=10 * step, text="x")
    metrics.log("sample", 3, prompt="a", text="b")
    metrics.close()
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert found.Tags()["scalars"] == ["train/loss", "train/tokens"]
    rows = [(e.step, e.value) for e in found.Scalars("train/loss")]
    assert rows == [(n, pytest.approx(1 / n)) for n in (1, 2, 3)]


def test_tensorboard_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    with pytest.raises(MissingExtra) as caught:
        Metrics(tmp_path, ("tensorboard",))
    assert caught.value.fix == "pip install 'danlu[track]'"
