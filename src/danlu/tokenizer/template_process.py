"""What renders a chat template: Jinja's immutable sandbox, in a process that can do little else.

A template that comes with a model is a program of somebody else. Jinja's sandbox keeps it from
Python's insides, but not from filling the memory or running for ever, and Jinja's manual says to
leave that to the operating system. So this file also runs as a program of its own: it reads a
template and then what to render it with, one JSON value a line, and answers in the same way. It has
`MEMORY` bytes, `SECONDS` for each answer, a few open files, no files to write and no environment of
its parent's. Nothing of Danlu is imported here.

The functions a template may use are those that transformers gives: `raise_exception`,
`strftime_now`, `tojson` without escapes for HTML, `namespace`, loop controls, and the tag
`generation`, which marks answers and is passed over.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

SECONDS = 10.0
MEMORY = 512 << 20
LONGEST = 16 << 20
"""Characters of an answer."""


def environment() -> Any:
    """A sandbox with what transformers gives to templates."""
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def strftime_now(form: str) -> str:
        return datetime.now().strftime(form)

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _generation()]
    )
    made.filters["tojson"] = _tojson
    made.globals |= {
        **{"raise_exception": raise_exception, "strftime_now": strftime_now},
        **{"dict": _Dict(), "namespace": _namespace()},
    }
    return made


def render(template: Any, given: dict[str, Any]) -> str:
    """What a compiled template says.

    Raises:
        ValueError: it is too long.
    """
    text = str(template.render(given))
    if len(text) > LONGEST:
        raise ValueError(f"it writes {len(text):,} characters, more than {LONGEST:,}")
    return text


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


class _Dict:
    """`dict` for templates: no type, whose attributes lead further."""

    def __call__(self, *args: Any, **named: Any) -> dict[Any, Any]:
        return dict(*args, **named)


def _namespace() -> type:
    from jinja2.exceptions import SecurityError
    from jinja2.utils import Namespace

    class Plain(Namespace):
        """A namespace without names that begin with an underscore."""

        def __init__(*args: Any, **named: Any) -> None:
            self, *rest = args
            Namespace.__init__(self)
            for name, value in dict(*rest, **named).items():
                self[name] = value

        def __setitem__(self, name: str, value: Any) -> None:
            if str(name).startswith("_"):
                raise SecurityError(f"a namespace cannot have the attribute {name!r}")
            super().__setitem__(name, value)

    return Plain


def _generation() -> type:
    from jinja2 import nodes
    from jinja2.ext import Extension

    class Generation(Extension):
        """`{% generation %}…{% endgeneration %}` is what it holds."""

        tags = {"generation"}  # noqa: RUF012 - Jinja's own spelling

        def parse(self, parser: Any) -> nodes.Node:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.Scope(body, lineno=line)

    return Generation


def _limit() -> None:
    """Give up what a template could misuse; where the system has no limits, there are none."""
    try:
        import resource
    except ImportError:
        return
    for name, most in (("AS", MEMORY), ("FSIZE", 0), ("CORE", 0), ("NOFILE", 64), ("NPROC", 0)):
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is not None:
            _, hard = resource.getrlimit(number)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(number, (most, most))


def _alarm(seconds: float) -> None:
    """End the process unless it is called again in time: the signal is not handled, on purpose."""
    import signal

    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _serve() -> None:
    """Answer until nobody asks any more."""
    first = json.loads(sys.stdin.readline())
    sys.path[:] = first["path"]
    made = environment()
    _limit()
    _alarm(first["seconds"])
    answer: dict[str, str] = {}
    template = None
    try:
        template = made.from_string(first["source"])
    except Exception as error:  # a source can break the compiler in many ways
        answer = {"invalid": f"{error}" or type(error).__name__}
    while True:
        _alarm(0)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line or template is None:
            return
        _alarm(first["seconds"])
        try:
            answer = {"text": render(template, json.loads(line))}
        except Exception as error:  # a template can raise anything
            answer = {"error": f"{error}" or type(error).__name__}


if __name__ == "__main__":
    _serve()
