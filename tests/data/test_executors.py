"""The same corpus, byte for byte, in one process, in several, and after being killed anywhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from near_examples import planted

from danlu.data import executors, stages
from danlu.data.executors import processes
from danlu.data.executors.processes import Processes
from danlu.data.executors.serial import Serial
from danlu.data.prepare import prepare
from danlu.data.work import Task, Work
from danlu.errors import DataError, ResourceError, UnknownName

RUN = """
import sys
from pathlib import Path
from danlu.data import portions, rows
from danlu.data.executors.processes import Processes
from danlu.data.executors.serial import Serial
from danlu.data.prepare import prepare

portions.PORTION_BYTES, rows.BATCH_ROWS = 20_000, 50
source, out, count = sys.argv[1:]
prepare([Path(source)], Path(out), executor=Processes(int(count)) if int(count) else Serial())
"""


def texts(folder: Path) -> Path:
    """Small files, which workers read, and a large one, which the parent reads."""
    folder.mkdir()
    for number in range(8):
        lines = [{"text": text, "id": n} for n, text in enumerate(planted(number, False, 12))]
        (folder / f"{number}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    many = [{"text": text} for text in planted(9, True, 120) + planted(3, False, 12)]
    (folder / "large.jsonl").write_text("\n".join(map(json.dumps, many)))
    return folder


def start(folder: Path, out: Path, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", RUN, str(folder), str(out), str(count)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_any_number_of_processes_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = texts(tmp_path / "in")
    for count in (0, 1, 3):
        assert start(folder, tmp_path / str(count), count).wait() == 0
    first = content(tmp_path / "0")
    assert len([name for name in first if name.startswith("train-")]) > 3, "several portions"
    assert first == content(tmp_path / "1") == content(tmp_path / "3")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "3", "in"]


def test_killed_at_any_moment_it_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = texts(tmp_path / "in")
    assert start(folder, tmp_path / "whole", 0).wait() == 0
    out = tmp_path / "out"
    kept_work = 0
    for wait_s in (0.9, 1.0, 1.1, 1.3, 1.6, 2.0):
        process = start(folder, out, 2)
        time.sleep(wait_s)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not out.exists() or content(out) == content(tmp_path / "whole")
        kept_work = max(kept_work, len(list(tmp_path.glob(".out.work/clean/*.json"))))
    assert start(folder, out, 2).wait() == 0
    assert content(out) == content(tmp_path / "whole")
    assert not list(tmp_path.glob(".*"))


def test_finished_portions_are_not_cleaned_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from danlu.data import portions

    monkeypatch.setattr(portions, "PORTION_BYTES", 20_000)
    folder = texts(tmp_path / "in")
    whole = content(prepare([folder], tmp_path / "whole").folder)
    cleaned: list[int] = []

    class Interrupted(Serial):
        def results(self, work: Work, tasks: Any) -> Any:
            for task in tasks:
                if task.stage == "deal" and task.number == 2:
                    raise KeyboardInterrupt
                yield task, stages.run(work, task)

    with pytest.raises(KeyboardInterrupt):
        prepare([folder], tmp_path / "out", executor=Interrupted())
    assert not (tmp_path / "out").exists()
    original = stages.discover.find

    def counted(package: str, name: str, kind: str) -> Any:
        if package == "danlu.data.stages":
            cleaned.append(1)
            assert name != "clean"
        return original(package, name, kind)

    monkeypatch.setattr(stages.discover, "find", counted)
    assert content(prepare([folder], tmp_path / "out").folder) == whole
    assert cleaned


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    folder = texts(tmp_path / "in")
    broken = folder / "9.jsonl"
    broken.write_text('{"text": "half of')
    with pytest.raises(DataError, match=r"9\.jsonl"), Processes(2) as two:
        prepare([folder], tmp_path / "out", executor=two)
    broken.write_text('{"text": "whole again, and long enough to be kept among the others"}')
    ids = {d.id for d in prepare([folder], tmp_path / "out").documents()}
    assert any(own_id.startswith("9.jsonl") for own_id in ids)


def test_a_broken_file_is_skipped_only_if_that_is_asked_for(tmp_path: Path) -> None:
    folder = texts(tmp_path / "in")
    (folder / "9.jsonl").write_text(
        '{"text": "a good line, long enough to be kept here"}\n{"text": "'
    )
    corpus = prepare([folder], tmp_path / "out", skip_broken=True)
    assert [broken["file"] for broken in corpus.manifest["broken"]] == ["9.jsonl"]
    assert "is not JSON" in corpus.manifest["broken"][0]["reason"]


def test_a_worker_that_dies_is_replaced_and_said_when_it_dies_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(tmp_path / "work")
    work.start({"settings": {}})
    task = Task("exact", 0, "k", {"portions": 0, "range": [0, 0, 1]})
    mark = tmp_path / "mark"
    die_once = f"from pathlib import Path; import os; mark = Path({str(mark)!r}); "
    die_once += "d = mark.exists() or mark.touch() or os._exit(9); "
    monkeypatch.setattr(processes, "CODE", die_once + processes.CODE)
    with Processes(1) as one:
        assert [result for _, result in one.results(work, [task])] == [{"documents": 0}]
    assert mark.exists()
    monkeypatch.setattr(processes, "CODE", "import os; os._exit(9)")
    with pytest.raises(ResourceError, match="ended 2 times in task 1"), Processes(1) as one:
        list(one.results(work, [Task("exact", 1, "k", task.given)]))


def test_which_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.hardware.cores", lambda: 4)
    assert isinstance(executors.chosen("", 0, 1_000), Serial)
    assert isinstance(executors.chosen("", 1, 1 << 40), Serial)
    several = executors.chosen("", 0, 1 << 30)
    assert isinstance(several, Processes)
    assert several.count == 4
    with pytest.raises(UnknownName, match="kind of cluster"):
        executors.chosen("rya://x", 0, 1)
