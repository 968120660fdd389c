"""Every error that Danlu raises on purpose, and the exit code that the command line gives it.

    DanluError                      a bug, if raised as such                       70
    ├── ConfigError (ValueError)    a setting, flag, key or name is wrong           2
    │   └── UnknownName             no such thing; says the nearest spelling        2
    ├── MissingExtra (ImportError)  an optional package is not installed            2
    ├── DataError (ValueError)      text, rows or files that cannot be used         3
    ├── ModelError (ValueError)     weights or a model folder that cannot be used   3
    │   └── CheckpointError         a checkpoint that is missing, torn or foreign   3
    ├── ResourceError (OSError)     no disk, memory, time or permission             4
    ├── TrainingError (RuntimeError) training cannot go on: a non-finite loss       1
    └── Stopped                     the user or the system asked to stop     130, 143

A message has up to four parts, always in this order: what is wrong, what was got, what was
expected, what to do.
"""

from __future__ import annotations

from typing import Any

_ABSENT = object()


class DanluError(Exception):
    """Base of all errors with a message meant for the user.

    >>> print(DanluError("steps is negative", got=-3, expected="1 or more", fix="--train.steps 9"))
    steps is negative
      got:      -3
      expected: 1 or more
      fix:      --train.steps 9
    """

    exit_code = 70

    def __init__(
        self, what: str, *, got: object = _ABSENT, expected: str = "", fix: str = ""
    ) -> None:
        self.what, self.got, self.expected, self.fix = what, got, expected, fix
        Exception.__init__(self, what)

    def __str__(self) -> str:
        got = "" if self.got is _ABSENT else shown(self.got)
        parts = [("got:      ", got), ("expected: ", self.expected), ("fix:      ", self.fix)]
        return "\n".join([self.what, *(f"  {name}{text}" for name, text in parts if text)])

    def as_json(self) -> dict[str, Any]:
        """The same as one JSON object, for `--json`."""
        got = None if self.got is _ABSENT else shown(self.got)
        return {
            "type": type(self).__name__,
            "message": self.what,
            "got": got,
            "expected": self.expected or None,
            "fix": self.fix or None,
            "exit_code": self.exit_code,
        }


def shown(value: object, limit: int = 200) -> str:
    """A value as one line of at most `limit` characters; text stays bare, the rest is `repr`."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


class ConfigError(DanluError, ValueError):
    """A setting, flag or key is wrong."""

    exit_code = 2


class UnknownName(ConfigError, LookupError):
    """A command, recipe, family … that does not exist."""


class MissingExtra(DanluError, ImportError):
    """A feature needs a package that is not installed; the fix names the pip command."""

    exit_code = 2


class DataError(DanluError, ValueError):
    """Text, rows or files that cannot be used."""

    exit_code = 3


class ModelError(DanluError, ValueError):
    """Weights, a config or a model folder that cannot be used."""

    exit_code = 3


class CheckpointError(ModelError):
    """A checkpoint that is missing, torn or of another run."""


class ResourceError(DanluError, OSError):
    """The machine lacks something: disk, memory, time or permission."""

    exit_code = 4


class TrainingError(DanluError, RuntimeError):
    """Training cannot go on as it is."""

    exit_code = 1


class Stopped(DanluError):
    """Somebody asked to stop: everything is saved, and `fix` is the command that continues."""

    def __init__(self, what: str, *, signal: int, fix: str = "") -> None:
        super().__init__(what, fix=fix)
        self.exit_code = 128 + signal


def missing_extra(package: str, extra: str, purpose: str) -> MissingExtra:
    """The error for an optional package, with the command that installs it.

    >>> print(missing_extra("tensorboard", "track", "writing TensorBoard files"))
    writing TensorBoard files needs the package tensorboard
      fix:      pip install 'danlu[track]'
    """
    return MissingExtra(
        f"{purpose} needs the package {package}", fix=f"pip install 'danlu[{extra}]'"
    )
