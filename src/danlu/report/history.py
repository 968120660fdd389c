"""`metrics.jsonl` -> series to draw, samples to read, and the newest value of everything.

The last record of a kind for a step wins. When a run is resumed, what an earlier session logged
beyond the step that the new one starts from is dropped: those steps were lost with the process and
are being done again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from danlu.report.records import Sample, Series
from danlu.report.series import LIMIT, extremes, smoothed

TRAIN = ("loss", "lr", "grad_norm", "tokens_per_s", "memory_bytes")
EVAL = ("loss", "bits_per_byte", "accuracy")
SMOOTH = ("loss", "grad_norm", "tokens_per_s")
SMALL_LIMIT = 600
"""Points of the series that are drawn small."""
MAX_SAMPLES = 200

Rows = list[dict[str, Any]]


def history(
    records: Iterable[dict[str, Any]],
) -> tuple[dict[str, Series], list[Sample], dict[str, float | int | None]]:
    """Series by name (`loss`, `lr`, …, `eval_loss`, …), the samples by step, the newest values."""
    rows = _last_wins(records)
    train, evals = rows["train"], rows["eval"]
    series: dict[str, Series] = {}
    for key in TRAIN:
        limit = LIMIT if key == "loss" else SMALL_LIMIT
        if found := _series(train, key, limit, smooth=key in SMOOTH):
            series[key] = found
    for key in EVAL:
        if found := _series(_with_clock(evals, train), key, LIMIT):
            series[f"eval_{key}"] = found
    samples = [
        Sample(step=row["step"], prompt=str(row.get("prompt", "")), text=str(row.get("text", "")))
        for row in rows["sample"]
    ]
    return series, _fewer(samples), _newest(train, evals)


def _last_wins(records: Iterable[dict[str, Any]]) -> dict[str, Rows]:
    """Records by kind and ascending step, one a step (samples: one a step and prompt)."""
    kept: dict[str, dict[tuple[int, str], dict[str, Any]]] = {"train": {}, "eval": {}, "sample": {}}
    session = 0
    for record in records:
        step, kind = record.get("step"), record.get("kind")
        if not isinstance(step, int):
            continue
        if record.get("session", session) > session:
            session = record["session"]
            for rows in kept.values():
                for key in [key for key in rows if key[0] > step]:
                    del rows[key]
        if kind in kept:
            prompt = str(record.get("prompt", "")) if kind == "sample" else ""
            kept[kind][step, prompt] = record
    return {
        kind: [row for _, row in sorted(rows.items(), key=lambda item: item[0][0])]
        for kind, rows in kept.items()
    }


def _number(value: Any) -> float | int | None:
    """A finite number, or None; by exact type, which is fast and leaves booleans out."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    return value if type(value) is int else None


def _series(rows: Rows, key: str, limit: int, *, smooth: bool = False) -> Series | None:
    """The column `key` of the rows that have it, thinned to `limit` points."""
    rows = [row for row in rows if key in row]
    values = [_number(row[key]) for row in rows]
    if all(value is None for value in values):
        return None
    at = extremes(values, limit)
    mean: Sequence[float | None] | None = smoothed(values) if smooth else None
    seconds = [_number(rows[i].get("seconds")) for i in at]
    tokens = [_number(rows[i].get("tokens")) for i in at]
    return Series(
        step=[rows[i]["step"] for i in at],
        tokens=None if None in tokens else tokens,
        minutes=None if None in seconds else [round(s / 60, 4) for s in seconds if s is not None],
        value=[values[i] for i in at],
        smooth=[_rounded(mean[i]) for i in at] if mean else None,
        of=len(values),
    )


def _rounded(value: float | None) -> float | None:
    """Five digits: a smoothed value is a picture, not a measurement."""
    return None if value is None else float(f"{value:.5g}")


def _with_clock(evals: Rows, train: Rows) -> Rows:
    """Evaluations with the training seconds of their step.

    An evaluation's own `seconds` may be the time that it took; the place on a time axis is that
    of the step, so it comes from the training record at or before it.
    """
    clocked, at = [], 0
    for row in evals:
        while at + 1 < len(train) and train[at + 1]["step"] <= row["step"]:
            at += 1
        begun = bool(train) and train[at]["step"] <= row["step"]
        near = train[at] if begun else {"seconds": 0.0, "tokens": 0}
        tokens = row.get("tokens", near.get("tokens"))
        clocked.append({**row, "seconds": near.get("seconds"), "tokens": tokens})
    return clocked


def _newest(train: Rows, evals: Rows) -> dict[str, float | int | None]:
    """The newest value of each quantity that has one."""
    last: dict[str, float | int | None] = {}
    wanted = [(key, key, train) for key in ("step", "tokens", "seconds", *TRAIN)]
    wanted += [(f"eval_{key}", key, evals) for key in EVAL]
    for name, key, rows in wanted:
        numbers = (_number(row.get(key)) for row in reversed(rows))
        if (value := next((n for n in numbers if n is not None), None)) is not None:
            last[name] = value
    return last


def _fewer(samples: list[Sample]) -> list[Sample]:
    """At most `MAX_SAMPLES` samples: whole steps, evenly spread, the last one always."""
    steps = sorted({sample.step for sample in samples})
    if len(samples) <= MAX_SAMPLES:
        return samples
    count = max(2, MAX_SAMPLES * len(steps) // len(samples))
    chosen = {steps[round(i * (len(steps) - 1) / (count - 1))] for i in range(count)}
    return [sample for sample in samples if sample.step in chosen]
