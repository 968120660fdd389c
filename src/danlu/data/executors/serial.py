"""All tasks one after the other, in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

from danlu.data import stages
from danlu.data.work import Task, Work


class Serial:
    """Runs tasks in this process."""

    def __enter__(self) -> Serial:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def results(self, work: Work, tasks: Iterable[Task]) -> Iterator[tuple[Task, dict[str, Any]]]:
        """See `Executor`."""
        for task in tasks:
            yield task, stages.run(work, task)
