"""The stages of `prepare`, one file each: `run(work, task) -> result`.

A task reads the plan and what earlier stages left in the work folder, writes its own files there,
and is marked as done last. So it can run in any process, on any machine that sees the folder, be
killed anywhere, and be done again with the same result.
"""

from __future__ import annotations

import json
from typing import Any

from danlu import discover
from danlu.data.work import Task, Work


def run(work: Work, task: Task) -> dict[str, Any]:
    """The result of a task, which is only done if it was not done before."""
    result = work.done(task)
    if result is None:
        result = discover.find("danlu.data.stages", task.stage, "stage").run(work, task)
        result = json.loads(json.dumps(result))  # as another process would get it
        work.finish(task, result)
    return dict(result)
