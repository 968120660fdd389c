"""What a worker answers: a result, or the error as JSON, which becomes that error again."""

from __future__ import annotations

import os
import traceback
from typing import Any

from danlu import errors
from danlu.data import stages
from danlu.data.work import Task, Work
from danlu.errors import DanluError


def answer(work: Work, task: Task) -> dict[str, Any]:
    """`{"result": …}` or `{"error": …}`; without memory the process ends, as if it were killed."""
    try:
        return {"result": stages.run(work, task)}
    except DanluError as error:
        return {"error": error.as_json() | {"errno": getattr(error, "errno", None)}}
    except MemoryError:
        os._exit(1)
    except BaseException as error:
        lines = traceback.format_exc()
        return {"error": {"type": "DanluError", "message": f"a bug: {error!r}", "got": lines}}


def result(said: dict[str, Any]) -> dict[str, Any]:
    """The result of an answer.

    Raises:
        DanluError: what the worker raised.
    """
    if "error" not in said:
        return dict(said["result"])
    given = said["error"]
    kind = getattr(errors, given["type"], DanluError)
    parts = {name: given[name] for name in ("got", "expected", "fix") if given.get(name)}
    error: DanluError = kind(given["message"], **parts)
    if given.get("errno") is not None:
        error.errno = given["errno"]  # type: ignore[attr-defined]
    raise error
