"""A second process that parses Python files ahead of the first one.

Not `multiprocessing`: its spawned children run the user's main script again, and forked ones
inherit locks held by threads. This child is a fresh interpreter that gets its work on stdin and
answers on stdout, one JSON line a file, in order. Whatever goes wrong with it, the answer is None
and the parent parses that file itself: the result is the same with it and without.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from danlu.data.sources import _docstrings

CODE = "import sys; sys.path.insert(0, {root!r}); from {module} import serve; serve()"


class Helper:
    """Parses `(path, module name)` tasks in their order; starts nothing when there are none."""

    def __init__(self, tasks: Sequence[tuple[Path, str]]) -> None:
        self._tasks = tasks
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Helper:
        if not self._tasks or not sys.executable:
            return self
        root = str(Path(__file__).parents[3])
        code = CODE.format(root=root, module=__name__)
        with contextlib.suppress(OSError):
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                encoding="ascii",
            )
            self._thread.start()
            assert self._process.stdin
            with contextlib.closing(self._process.stdin) as stdin:
                json.dump([(str(path), module) for path, module in self._tasks], stdin)
        return self

    def next(self) -> list[_docstrings.Entry] | str | None:
        """The answer for the next task, as `_docstrings.found`; None: parse it yourself."""
        line = self._lines.get() if self._process is not None else ""
        if not line.endswith("\n"):
            self._lines.put("")  # the end stays the end
            return None
        answer = json.loads(line)
        if isinstance(answer, list):
            return [_docstrings.Entry(*fields) for fields in answer]
        return str(answer) if answer is not None else None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._thread.join()

    def _listen(self) -> None:
        """Take answers as they come, so that the child never waits for a full pipe."""
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            for line in stdout:
                self._lines.put(line)
        self._lines.put("")


def serve(stdin: IO[str] | None = None, stdout: IO[str] | None = None) -> None:
    """The second process: a JSON list of tasks in, one JSON line out for each."""
    stdin, stdout = stdin or sys.stdin, stdout or sys.stdout
    for path, module in json.load(stdin):
        try:
            found = _docstrings.found(Path(path).read_bytes(), module)
        except OSError:
            answer: object = None
        else:
            fields = ("name", "kind", "signature", "doc")
            answer = (
                found
                if isinstance(found, str)
                else [[getattr(entry, field) for field in fields] for entry in found]
            )
        stdout.write(json.dumps(answer) + "\n")
