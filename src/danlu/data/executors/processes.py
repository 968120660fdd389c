"""Tasks in several processes of this machine.

Not `multiprocessing`: its spawned children run the user's main script again, and forked ones
inherit the locks of threads. A worker is a fresh interpreter that gets tasks on stdin and answers
on stdout, a JSON line each; texts travel by files in the work folder. A worker that dies (the
system ends processes when memory runs out) is replaced, and its task given out once more; when the
parent dies, workers notice the end of stdin and end at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from danlu.data.executors import answers
from danlu.data.work import Task, Work
from danlu.errors import ResourceError

CODE = "import sys; sys.path.insert(0, {root!r}); from {module} import serve; serve({folder!r})"
AHEAD = 2
"""Tasks drawn ahead for each worker: enough to keep it busy, few enough to bound memory."""
ATTEMPTS = 2

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


class Processes:
    """Runs tasks in `count` worker processes, which live as long as the `with` block."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._local = threading.local()
        self._workers: list[_Worker] = []
        self._ending = False
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Processes:
        self._pool = ThreadPoolExecutor(self.count)
        self._ending = False
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._pool
        self._ending = True  # before its worker is: a thread must not think that it died
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._stop()  # ends what still runs: its thread sees the end of the worker's answers
        self._pool.shutdown()
        self._stop()

    def results(self, work: Work, tasks: Iterable[Task]) -> Iterator[tuple[Task, dict[str, Any]]]:
        """See `Executor`."""
        assert self._pool, "inside `with` only"
        pending: deque[tuple[Task, Future[dict[str, Any]]]] = deque()
        for task in tasks:
            pending.append((task, self._pool.submit(self._run, work, task)))
            while len(pending) > AHEAD * self.count:
                first, future = pending.popleft()
                yield first, future.result()
        for first, future in pending:
            yield first, future.result()

    def _run(self, work: Work, task: Task) -> dict[str, Any]:
        """The result of a task from this thread's worker."""
        if (before := work.done(task)) is not None:
            return before
        for _ in range(ATTEMPTS):
            worker = getattr(self._local, "worker", None)
            if worker is None or worker.dead:
                worker = self._local.worker = _Worker(work.folder)
                self._workers.append(worker)
            if self._ending:
                worker.stop()
            if (answer := worker.ask(task)) is not None:
                return answers.result(answer)
            if self._ending:
                raise CancelledError
        raise ResourceError(
            f"a worker process was ended {ATTEMPTS} times in task {task.number} of `{task.stage}`",
            expected="enough memory: about 500 MB for each worker",
            fix="the same command with --processes 1 goes on from the last finished part",
        )

    def _stop(self) -> None:
        while self._workers:
            self._workers.pop().stop()


class _Worker:
    """One child process and its pipes; used by one thread."""

    def __init__(self, folder: Path) -> None:
        root = str(Path(__file__).parents[3])
        code = CODE.format(root=root, module=__name__, folder=str(folder.absolute()))
        environment = os.environ | dict.fromkeys(ONE_THREAD, "1") | {"RANK": "1"}  # not the speaker
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=environment,
            process_group=0,  # Ctrl-C in a terminal is for the parent, also while this one starts
        )
        self.dead = False

    def ask(self, task: Task) -> dict[str, Any] | None:
        """The answer to a task; None if the process died."""
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(json.dumps(task.as_json()) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            if line:
                return dict(json.loads(line))
        except (OSError, ValueError):
            pass
        self.dead = True
        self.process.kill()
        self.process.wait()
        return None

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()


def serve(folder: str) -> None:
    """The worker: tasks from stdin until it ends, answers to stdout."""
    stdout, sys.stdout = sys.stdout, sys.stderr
    work = Work(Path(folder)).open()
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    while True:
        task = Task(**json.loads(lines.get()))
        stdout.write(json.dumps(answers.answer(work, task), ensure_ascii=False) + "\n")
        stdout.flush()


def _listen(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)  # the parent is gone, or needs no more
