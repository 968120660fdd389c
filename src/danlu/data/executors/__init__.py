"""Where tasks run, one file each; the results do not depend on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Protocol

from danlu import discover, hardware
from danlu.data.work import Task, Work

SMALL_BYTES = 8_000_000
"""Starting other processes takes longer than cleaning so little text."""


CLUSTERS = ("ray",)
"""Executors that work on several machines: each has `build(on, processes)`."""


class Executor(Protocol):
    """Runs tasks, as long as its `with` block lasts."""

    def __enter__(self) -> Executor: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def results(self, work: Work, tasks: Iterable[Task]) -> Iterator[tuple[Task, dict[str, Any]]]:
        """Each task with its result, in the order of the tasks, which are drawn as they are needed.

        Raises:
            DanluError: what a task raised.
        """


def chosen(on: str, processes: int, size: int, *, small: int = SMALL_BYTES) -> Executor:
    """The executor for so many bytes of text.

    Args:
        on: a cluster, e.g. `ray` or `ray://host:10001`; empty for this machine.
        processes: how many on this machine; 0 takes a process a core where there is much to do.
        size: bytes to be read.
        small: up to so many bytes one process is enough.

    Raises:
        UnknownName: there is no such kind of cluster.
        MissingExtra: the package for it is not installed.
    """
    if on:
        kind = on.split(":")[0]
        if kind not in CLUSTERS:
            raise discover.unknown("kind of cluster", kind, CLUSTERS)
        return discover.find("danlu.data.executors", kind, "kind of cluster").build(on, processes)
    count = processes or (hardware.cores() if size > small else 1)
    if count == 1:
        from danlu.data.executors.serial import Serial

        return Serial()
    from danlu.data.executors.processes import Processes

    return Processes(count)
