"""A folder is the registry: a module's file name is the name it is found by.

Nothing is imported to list or describe; `find` imports the one module that was asked for. This is
what keeps `danlu --help` fast, and what makes "add a step" mean "add a file".
"""

from __future__ import annotations

import ast
import difflib
import importlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from danlu.errors import UnknownName


def names(package: str) -> list[str]:
    """Names of the modules in a package's folder, sorted; private ones are left out.

    >>> "llama" in names("danlu.models.families")
    True
    """
    return sorted(p.stem for p in _folder(package).glob("*.py") if not p.stem.startswith("_"))


def summary(package: str, name: str) -> str:
    """The first line of a module's docstring, read without importing it."""
    source = (_folder(package) / f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").split("\n")[0]


def find(package: str, name: str, kind: str) -> ModuleType:
    """Import `package.name`.

    Raises:
        UnknownName: there is no such module; the message has the nearest spelling and the list.
    """
    have = names(package)
    if name not in have:
        raise unknown(kind, name, have)
    return importlib.import_module(f"{package}.{name}")


def unknown(kind: str, name: str, have: Iterable[str]) -> UnknownName:
    """The error for a name that is not in a list.

    >>> print(unknown("command", "pretrian", ["pretrain", "prepare"]))
    no command named 'pretrian'
      expected: one of: prepare, pretrain
      fix:      did you mean 'pretrain'?
    """
    have = sorted(have)
    hint = nearest(name, have)
    return UnknownName(
        f"no {kind} named {name!r}",
        expected=f"one of: {', '.join(have) or '(none)'}",
        fix=f"did you mean {hint!r}?" if hint else "",
    )


def nearest(name: str, have: Iterable[str]) -> str | None:
    """The most similar name, or None when nothing is close.

    >>> nearest("stpes", ["steps", "tokens"])
    'steps'
    """
    return next(iter(difflib.get_close_matches(name, list(have), n=1, cutoff=0.6)), None)


def _folder(package: str) -> Path:
    root, *rest = package.split(".")
    assert root == "danlu", package
    return Path(__file__).parent.joinpath(*rest)
