"""Settings: frozen, closed pydantic models, read from one YAML file and overridden by flags.

Why pydantic and tyro, and not eight others: `docs/decisions/001-configuration.md`. The rules:
an unknown key is an error; every error of a file is reported at once, with its line; an attribute's
docstring is its help; two levels deep, at most 60 fields a command.
"""

from __future__ import annotations

import contextlib
import functools
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from danlu import discover
from danlu.errors import ConfigError

MAX_BYTES = 1 << 20
MAX_DEPTH = 20


class Config(BaseModel):
    """Base of all settings: frozen, closed, documented by attribute docstrings."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True
    )


C = TypeVar("C", bound=Config)


def read(cls: type[C], path: Path) -> C:
    """A config from a YAML file.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or has mistakes: all of them at once.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is too large for settings", expected="at most 1 MiB")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ConfigError(f"cannot read {path}: {why}", fix=_did_you_mean(path)) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8", fix="save it as UTF-8") from None
    return parse_yaml(cls, text, source=str(path))


def _did_you_mean(path: Path) -> str:
    """The recipe that was probably meant, from the same folder or from `recipes`."""
    near = {p.name: p for place in (Path("recipes"), path.parent) for p in place.glob("*.y*ml")}
    name = discover.nearest(path.name, near)
    return f"did you mean {near[name]}?" if name else ""


def parse_yaml(cls: type[C], text: str, *, source: str = "settings") -> C:
    """A config from YAML text; `source` names it in errors.

    >>> class Demo(Config):
    ...     steps: int = 10
    >>> parse_yaml(Demo, "steps: 20").steps
    20
    >>> parse_yaml(Demo, "stpes: 20", source="a.yaml")
    Traceback (most recent call last):
    danlu.errors.ConfigError: a.yaml:1: stpes: no such key; did you mean 'steps'?
    """
    try:
        aliases = [e for e in yaml.parse(text, Loader=_Loader) if isinstance(e, yaml.AliasEvent)]
        node = None if aliases else yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{source}{line}: not YAML: {problem}") from None
    lines: dict[tuple[str, ...], int] = {}
    problems = [(_line(e), f"alias *{e.anchor} is not allowed") for e in aliases]
    value = {} if node is None else _plain(node, (), lines, problems)
    if not isinstance(value, dict):
        raise ConfigError(
            f"{source} holds no settings", got=value, expected="lines of `key: value`"
        )
    config: C | None = None
    try:
        config = cls.model_validate(value)
    except ValidationError as error:
        problems += [_problem(cls, item, lines) for item in error.errors()]
    if problems or config is None:
        raise ConfigError("\n".join(f"{source}:{line}: {what}" for line, what in sorted(problems)))
    return config


def _line(event: yaml.Event) -> int:
    mark = event.start_mark
    return mark.line + 1 if mark else 1


def dump(config: Config) -> str:
    """A config as YAML, every value spelled out; `parse_yaml` reads it back equal."""
    value = config.model_dump(mode="json")
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)


def parse(cls: type[C], argv: Sequence[str], *, prog: str, description: str = "") -> C:
    """A config from the command line: `[FILE.yaml] [--a.b value ...]`.

    Flags override the file. `--help` shows the values that hold after the file is read.

    Raises:
        ConfigError: the file is wrong, or the value of a flag is.
        SystemExit: there is no such flag, or its value cannot be read (code 2; tyro has explained
            it), or help was asked for (0).
    """
    import tyro

    first = argv[0] if argv else ""
    has_file = first.lower().endswith((".yaml", ".yml"))
    default: Any = read(cls, Path(first)) if has_file else tyro.MISSING_NONPROP
    ask = functools.partial(
        tyro.cli,
        cls,
        prog=prog,
        description=description,
        args=list(argv[has_file:]),
        default=default,
    )
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return ask()
    except SystemExit as stop:
        if refused := _refused(stop, prog):
            raise refused from None
        if stop.code:
            ask()  # once more, where it is heard
        raise


def _refused(stop: SystemExit, prog: str) -> ConfigError | None:
    """The error of a flag's value that is against a rule of ours; tyro would wrap it in its own."""
    cause, inside = stop.__context__, ""
    while cause is not None and not isinstance(cause, ValidationError):
        arg = getattr(cause, "arg", None)
        inside = arg if isinstance(arg, str) else inside
        cause = cause.__context__
    if cause is None:
        return None
    items = cause.errors()
    ours = [item.get("ctx", {}).get("error") for item in items]
    if len(items) == 1 and isinstance(ours[0], ConfigError):
        return ours[0]
    problems = []
    for item in items:
        flag = ".".join(filter(None, (inside, *map(str, item["loc"]))))
        problems.append(f"--{flag.replace('_', '-')}: {_message(item)}")
    return ConfigError("\n".join(problems), fix=f"{prog} --help lists all settings")


def _problem(cls: type[Config], item: Any, lines: dict[tuple[str, ...], int]) -> tuple[int, str]:
    """One pydantic error as (line, "path: what is wrong")."""
    where = tuple(str(part) for part in item["loc"])
    line = next((lines[where[:n]] for n in range(len(where), 0, -1) if where[:n] in lines), 1)
    path = ".".join(where)
    if item["type"] == "extra_forbidden":
        hint = discover.nearest(where[-1], _fields(cls, where[:-1]))
        return line, f"{path}: no such key" + (f"; did you mean {hint!r}?" if hint else "")
    return line, f"{path}: {_message(item)}" if path else _message(item)


def _message(item: Any) -> str:
    """What is wrong, of one pydantic error, and what was got."""
    message = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = message[:1].lower() + message[1:]
    if item["type"] in ("missing", "value_error") and not item["loc"]:
        return message
    return f"{message} (got {item['input']!r})"


def _fields(cls: type[Config], path: tuple[str, ...]) -> list[str]:
    """The keys that may stand at a path of a config class."""
    for part in path:
        field = cls.model_fields.get(part)
        inner = [a for a in _annotations(field.annotation) if field] if field else []
        configs = [a for a in inner if isinstance(a, type) and issubclass(a, Config)]
        if not configs:
            return []
        cls = configs[0]
    return list(cls.model_fields)


def _annotations(annotation: Any) -> list[Any]:
    """An annotation and what its unions are made of."""
    parts = getattr(annotation, "__args__", ())
    return [annotation, *(inner for part in parts for inner in _annotations(part))]


class _Loader(yaml.SafeLoader):
    """YAML 1.2's idea of numbers and booleans: `1e-2` is a number, `no` is a word."""


_Loader.yaml_implicit_resolvers = {
    key: [
        (tag, regexp)
        for tag, regexp in resolvers
        if tag
        not in ("tag:yaml.org,2002:float", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
    ]
    for key, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*\.?\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|\.inf|\.nan)$"),
    list("-+.0123456789"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(true|True|false|False)$"), list("tTfF")
)


def _plain(
    node: Any, path: tuple[str, ...], lines: dict[tuple[str, ...], int], problems: list[Any]
) -> Any:
    """A YAML node as plain Python, noting each key's line; no tags, aliases or doubled keys."""
    line = node.start_mark.line + 1
    if len(path) > MAX_DEPTH:
        problems.append((line, f"nested deeper than {MAX_DEPTH}"))
        return None
    if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
        problems.append((line, f"tag {node.tag} is not allowed"))
        return None
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            at = (*path, key)
            if key in result:
                problems.append((key_node.start_mark.line + 1, f"{'.'.join(at)}: key given twice"))
            lines[at] = key_node.start_mark.line + 1
            result[key] = _plain(value_node, at, lines, problems)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(n, (*path, str(i)), lines, problems) for i, n in enumerate(node.value)]
    return _scalar(node, line, problems)


def _scalar(node: Any, line: int, problems: list[Any]) -> Any:
    loader = _Loader("")
    try:
        kind = node.tag.rsplit(":", 1)[1]
        if kind == "float":
            number = float(
                node.value.replace("_", "").replace(".inf", "inf").replace(".nan", "nan")
            )
            return (
                number
                if math.isfinite(number) or "inf" in node.value or "nan" in node.value
                else None
            )
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        problems.append((line, f"cannot read {node.value!r}: {error}"))
        return None
    finally:
        loader.dispose()
