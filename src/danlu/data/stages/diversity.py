"""The diversity of the sample: 0 of what was read, 1 of what was kept."""

from __future__ import annotations

from typing import Any

from danlu.data import parts, tally
from danlu.data.diversity import measure
from danlu.data.work import Task, Work


def run(work: Work, task: Task) -> dict[str, Any]:
    """`Diversity.as_json` of the rows that the stage `deal` chose."""
    columns: dict[str, list[str]] = {"text": [], "file": [], "lang": []}
    for portion in range(task.given["portions"]):
        for batch in parts.read(work.place("deal", portion, "parquet")):
            some = tally.kept(batch) if task.number else batch
            for name, values in columns.items():
                values += (value or "und" for value in some.column(name).to_pylist())
    found = measure(columns["text"], sources=columns["file"], languages=columns["lang"])
    return found.as_json()
