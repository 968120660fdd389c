"""The work folder: what has been planned, which tasks are done, and what they left.

    plan.json             the recipe and how it is to be done; another plan empties the folder
    clean/00017.json      marker of task 17 of the stage `clean`: its result, and the key it is for
    clean/00017.arrow …   its files
    corpus/               the corpus as it grows, which is renamed in the end

A marker counts only if its key is the one that is expected: the key says what the task was done
from, so a file that changed since makes its task be done again, and those that need it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from danlu import files, log
from danlu.data.settings import PrepareSettings
from danlu.errors import DataError

PLAN = "plan.json"


@dataclass(frozen=True)
class Task:
    """One piece of work: `stage` and `number` say where its files are, `key` what it is made from.

    `given` is what only this task is told, `shared` is in the plan.
    """

    stage: str
    number: int
    key: str
    given: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For another process."""
        return {
            "stage": self.stage,
            "number": self.number,
            "key": self.key,
            "given": self.given,
        }


class Work:
    """An opened work folder."""

    def __init__(self, folder: Path, disk: files.Disk | None = None) -> None:
        self.folder, self.disk = folder, disk or files.Disk()
        self.plan: dict[str, Any] = {}

    def start(self, plan: dict[str, Any]) -> bool:
        """Begin with a plan, or go on with it where it was begun before; returns whether it was."""
        path = self.folder / PLAN
        with contextlib.suppress(DataError):
            if path.is_file() and files.read_json(path) == plan:
                self.plan = plan
                return True
        self.empty()
        files.write_atomic(path, files.json_bytes(plan), disk=self.disk)
        self.plan = plan
        return False

    def open(self) -> Work:
        """The plan as another process wrote it.

        Raises:
            DataError: there is none.
        """
        self.plan = files.read_json(self.folder / PLAN)
        return self

    @property
    def settings(self) -> PrepareSettings:
        """The settings of the plan."""
        return PrepareSettings(**self.plan["settings"])

    @property
    def corpus(self) -> Path:
        """The folder that becomes the corpus."""
        return self.folder / "corpus"

    def path(self, task: Task, suffix: str) -> Path:
        """A file of a task, of which the folder exists; what an earlier attempt left is deleted."""
        path = self.place(task.stage, task.number, suffix)
        self.disk.mkdir(path.parent)
        self.disk.unlink(path)
        return path

    def place(self, stage: str, number: int, suffix: str) -> Path:
        """Where a file of a task is."""
        return self.folder / stage / f"{number:05}.{suffix}"

    def done(self, task: Task) -> dict[str, Any] | None:
        """The result of a task that was done for this key, or None."""
        path = self.place(task.stage, task.number, "json")
        with contextlib.suppress(DataError, KeyError, TypeError):
            marker = files.read_json(path, limit=1 << 30)
            if marker["key"] == task.key:
                return dict(marker["result"])
        return None

    def finish(self, task: Task, result: dict[str, Any]) -> None:
        """Mark a task as done."""
        path = self.place(task.stage, task.number, "json")
        marker = {"key": task.key, "result": result}
        files.write_atomic(path, files.json_bytes(marker), disk=self.disk)

    def missing(self, tasks: Iterable[Task]) -> Iterator[Task]:
        """The tasks that are not done."""
        return (task for task in tasks if self.done(task) is None)

    def empty(self) -> None:
        """Delete everything in the folder but its lock."""
        if not self.folder.is_dir():
            self.disk.mkdir(self.folder)
        self.give_up()
        for path in sorted(self.folder.iterdir()):
            if path.name == "LOCK":
                continue
            self.disk.rmtree(path) if path.is_dir() else self.disk.unlink(path)

    def give_up(self) -> None:
        """Make sure that nobody goes on from here: what is done may be gone from now on."""
        self.disk.unlink(self.folder / PLAN)

    def drop(self, stage: str) -> None:
        """Delete the files of a stage that is not needed any more."""
        self.disk.rmtree(self.folder / stage)


@contextlib.contextmanager
def working(out: Path, disk: files.Disk, *, first: str) -> Iterator[Work]:
    """The work folder of an output, for this process alone; gone when that is complete.

    After an interruption or an error it stays if a task of the stage `first` was finished, so that
    the same command goes on from there, and that is said.
    """
    folder = out.with_name(f".{out.name}.work")
    with files.Lock(folder):
        work = Work(folder, disk)
        try:
            yield work
        except BaseException:
            if (folder / PLAN).is_file() and any(folder.glob(f"{first}/*.json")):
                log.say(f"what is finished is kept in {folder}: the same command goes on from it")
            else:
                with contextlib.suppress(OSError):
                    files.Disk().rmtree(folder)
            raise
        work.empty()
    files.Disk().rmtree(folder)
