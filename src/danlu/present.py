"""How a command's result is shown: a table for people, or one JSON object for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from danlu import log
from danlu.visible import escaped, visible

SCHEMA = 1


def show(result: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a result to stdout; `next` is the commands to try."""
    if as_json:
        print_json({"schema": SCHEMA, **result})
        return
    facts = {key: value for key, value in result.items() if key not in ("next", "tables")}
    if facts:
        log.console(stdout=True).print(_table(facts))
    for title, rows in result.get("tables", {}).items():
        log.console(stdout=True).print(_grid(title, rows))
    if commands := result.get("next"):
        log.say("\nnext:")
        for command in commands:
            log.say(f"  {command}")


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on one line of stdout."""
    sys.stdout.write(escaped(json.dumps(value, ensure_ascii=False, default=str)) + "\n")
    sys.stdout.flush()


def _table(facts: Mapping[str, Any]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in flat(facts).items():
        table.add_row(Text(visible(key.replace("_", " "))), Text(visible(text(value, key))))
    return table


def _grid(title: str, rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    names = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(
        title=Text(visible(title)),
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for name in names:
        numeric = all(isinstance(row.get(name, 0), int | float) for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(visible(text(row.get(name), name))) for name in names))
    return table


def flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, names joined by spaces.

    >>> flat({"removed": {"short": 3}, "kept": 9})
    {'removed short': 3, 'kept': 9}
    """
    result: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            result |= flat(item, f"{prefix}{key} ")
        else:
            result[prefix + key] = item
    return result


def text(value: Any, key: str = "") -> str:
    """A value for people: thousands separated, bytes and seconds with their unit.

    >>> text(1234567), text(0.123456), text(2_500_000, "memory_bytes"), text(75.0, "seconds")
    ('1,234,567', '0.1235', '2.5 MB', '1:15')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if key.split()[-1:] == ["bytes"] or key.endswith("_bytes"):
            return log.size(value)
        if key.endswith("seconds"):
            return log.duration(value)
        if isinstance(value, int) or (float(value).is_integer() and abs(value) >= 1000):
            return f"{value:,.0f}"
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
