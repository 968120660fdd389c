"""A figure with references (see `charts.py`) -> a figure that plotly can draw.

`report.js` does this in the page. Here it is for notebooks, `go.Figure(resolve(...))`, and for the
tests, which let plotly check every figure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

REFERENCE = re.compile(r"@([tc])\.([\w{}.]+)")
DATA = re.compile(r"@d\.[\w{}.]+")


def resolve(
    figure: dict[str, Any],
    report: Mapping[str, Any],
    texts: Mapping[str, str],
    palette: Mapping[str, str],
    *,
    axis: str = "step",
) -> dict[str, Any]:
    """A figure that plotly can draw: `go.Figure(resolve(...))`; what `report.js` does as well.

    A reference that leads nowhere becomes None if it is to data, and stays as it is otherwise.
    """

    def data(path: str) -> Any:
        value: Any = report
        for part in path.split("."):
            if isinstance(value, list):
                value = value[int(part)]
            elif value is not None:
                value = value.get(part)
        return value

    def text(match: re.Match[str]) -> str:
        table = texts if match[1] == "t" else palette
        return table.get(match[2].replace("{x}", axis), match[0])

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner) for inner in value]
        if not isinstance(value, str):
            return value
        if DATA.fullmatch(value):
            return data(value[3:].replace("{x}", axis))
        return REFERENCE.sub(text, value)

    result: dict[str, Any] = walk(figure)
    return result
