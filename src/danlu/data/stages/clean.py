"""The first stage: a portion is read, goes through the steps, and gives keys to be compared by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from danlu.data import keys, portions, rows, split, tally
from danlu.data.inputs import SourceFile
from danlu.data.reading import Reading
from danlu.data.work import Task, Work


def run(work: Work, task: Task) -> dict[str, Any]:
    """The portion's account; its rows are in its `.arrow` file.

    Raises:
        DataError: a file cannot be read.
    """
    settings = work.settings
    reading = Reading(
        [SourceFile.from_json(file) for file in task.given.get("files", [])],
        mix=work.plan["mix"],
        skip_broken=work.plan["skip_broken"],
    )
    steps = rows.steps(settings)
    comparisons = rows.comparisons(settings)
    watch = tally.Watch(len(steps))
    batches = watch.read(_raw(work, task) if "raw" in task.given else _read(reading))
    for number, step in enumerate(steps):
        batches = watch.after(number, step(batches))
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        held.append(batch)
        for comparison in comparisons:
            comparison.collect(batch, count)
        count += batch.num_rows
    portions.write_batches(work, task, held)
    for comparison in comparisons:
        comparison.save(work, task, count)
    places = [split.place(own_id) for batch in held for own_id in batch["id"].to_pylist()]
    keys.write(work.disk, work.path(task, "places.npy"), np.array(places, np.float64))
    if "raw" in task.given:
        work.disk.unlink(work.place("raw", task.number, "arrow"))
    reports = {step.name: step.report() for step in steps if isinstance(step, rows.Reports)}
    return {
        "rows": count,
        "account": reading.account.as_json(),
        **watch.as_json([step.stats() for step in steps]),
        "reports": reports,
    }


def _read(reading: Reading) -> Iterator[pa.RecordBatch]:
    return rows.batches(reading.documents())


def _raw(work: Work, task: Task) -> Iterator[pa.RecordBatch]:
    """The rows that the dealer read."""
    with pa.memory_map(str(work.place("raw", task.number, "arrow"))) as file:
        reader = pa.ipc.open_file(file)
        for i in range(reader.num_record_batches):
            yield reader.get_batch(i)
