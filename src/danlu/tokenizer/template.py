"""A chat template, compiled: one from outside is rendered in a process of its own.

That costs some tenths of a second once, and less than a millisecond each time. Danlu's own template
has no loops within loops and is rendered here. See `template_process` for the limits.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import weakref
from functools import lru_cache
from typing import Any, Protocol

from danlu.errors import DataError
from danlu.tokenizer import template_process

CHATML = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""Danlu's own."""

KEPT = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TZ", "LANG", "LC_ALL")
"""What a template's process is told of the environment."""


class Template(Protocol):
    """What renders conversations."""

    def __call__(self, given: dict[str, Any]) -> str:
        """The text for these values, which must be JSON.

        Raises:
            DataError: the template refuses them, or takes too much time or memory.
        """


def compiled(source: str) -> Template:
    """The template of a source; the same one for the same source, in each process.

    Raises:
        DataError: it is not valid Jinja.
    """
    return _compiled(source, os.getpid())


@lru_cache(maxsize=8)
def _compiled(source: str, pid: int) -> Template:
    return _Own(source) if source == CHATML else _Foreign(source)


class _Own:
    """Rendered in this process."""

    def __init__(self, source: str) -> None:
        self.template = template_process.environment().from_string(source)

    def __call__(self, given: dict[str, Any]) -> str:
        return template_process.render(self.template, given)


class _Foreign:
    """Rendered in another process, which is started again after it had to be ended."""

    def __init__(self, source: str) -> None:
        self.source, self.lock = source, threading.Lock()
        self._start()

    def __call__(self, given: dict[str, Any]) -> str:
        with self.lock:
            answer = self._ask(given)
            if answer is None:
                self._start()
                raise DataError(
                    "the chat template refuses this conversation: it takes too much time or memory",
                    expected=f"at most {template_process.SECONDS:g} s "
                    f"and {template_process.MEMORY >> 20} MiB",
                    fix="look at the template: a conversation of usual length needs a millisecond",
                )
        if "error" in answer:
            raise DataError(f"the chat template refuses this conversation: {answer['error']}")
        return str(answer["text"])

    def _start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-I", template_process.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={key: os.environ[key] for key in KEPT if key in os.environ},
            text=True,
            encoding="utf-8",
        )
        weakref.finalize(self, _end, self.process)
        limit = {"seconds": template_process.SECONDS}
        answer = self._ask({"path": sys.path, "source": self.source, **limit})
        if answer is None:
            raise DataError(
                "the chat template is not valid Jinja: it takes too long or too much to compile"
            )
        if "invalid" in answer:
            raise DataError(f"the chat template is not valid Jinja: {answer['invalid']}")

    def _ask(self, value: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to a value; None if the process ended over it."""
        to, back = self.process.stdin, self.process.stdout
        assert to is not None and back is not None
        try:
            to.write(json.dumps(value) + "\n")
            to.flush()
        except BrokenPipeError:
            return None
        line = back.readline(8 * template_process.LONGEST)
        return json.loads(line) if line.endswith("\n") else None


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
