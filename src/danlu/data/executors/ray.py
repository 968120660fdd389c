"""Tasks on a Ray cluster: the same tasks, on files in a work folder that all nodes see.

`ray` starts a cluster on this machine or uses the one that this program is connected to, and
`ray://host:10001` connects to another one. Texts travel by the shared folder and not through Ray's
object store: a task is a few hundred bytes, its result a few thousand. The shuffle of the
near-duplicate search is the same as on one machine: every task of a band reads its range of keys
from all portions. A task whose worker or node dies is given to another one.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from danlu.data.executors import answers
from danlu.data.work import Task, Work
from danlu.errors import ResourceError, missing_extra

AHEAD = 2
"""Tasks given out for each processor of the cluster."""
RETRIES = 3


def build(address: str, processes: int) -> Ray:
    """The executor for `ray` or `ray://host:port`.

    Raises:
        MissingExtra: the package is not installed.
    """
    try:
        import ray  # noqa: F401
    except ImportError:
        raise missing_extra("ray", "ray", "working on a Ray cluster") from None
    return Ray(address, processes)


class Ray:
    """Runs tasks on a cluster."""

    def __init__(self, address: str, processes: int) -> None:
        self.address, self.processes = address, processes
        self._mine = False

    def __enter__(self) -> Ray:
        import ray

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if ray.is_initialized():
            return self
        self._mine = True
        there = {"address": self.address} if "://" in self.address else {}
        here = {} if there else {"num_cpus": self.processes or None, "include_dashboard": False}
        quiet = {"log_to_driver": False, "logging_level": "error"}
        try:
            try:
                ray.init(**there, **here, **quiet)
            except ValueError:  # a cluster is running here already, and has its own size
                ray.init(**there, **quiet)
        except (ConnectionError, RuntimeError) as error:
            raise ResourceError(
                f"cannot connect to {self.address}",
                got=str(error).split("\n")[0],
                expected="a running cluster: `ray start --head` on its first machine",
                fix="check the address and port, or leave out --on to work on this machine",
            ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import ray

        if self._mine:
            ray.shutdown()

    def results(self, work: Work, tasks: Iterable[Task]) -> Iterator[tuple[Task, dict[str, Any]]]:
        """See `Executor`."""
        import ray

        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(run)
        at_once = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        folder = str(work.folder.absolute())
        pending: deque[tuple[Task, Any]] = deque()

        def collected() -> tuple[Task, dict[str, Any]]:
            task, said = pending.popleft()
            try:
                return task, answers.result(said if isinstance(said, dict) else ray.get(said))
            except ray.exceptions.RayError as error:
                raise ResourceError(
                    f"task {task.number} of `{task.stage}` failed {RETRIES + 1} times",
                    got=str(error).split("\n")[0],
                    expected="workers with memory, and a work folder that all nodes see",
                    fix="the same command goes on from the last finished part",
                ) from None

        for task in tasks:
            before = work.done(task)
            said = remote.remote(folder, task.as_json()) if before is None else {"result": before}
            pending.append((task, said))
            while len(pending) > at_once:
                yield collected()
        while pending:
            yield collected()


def run(folder: str, task: dict[str, Any]) -> dict[str, Any]:
    """What a worker does; Ray sends its name, so nodes need the same version of Danlu."""
    os.environ["RANK"] = "1"  # it does not speak
    return answers.answer(Work(Path(folder)).open(), Task(**task))
