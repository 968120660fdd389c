"""Long series made drawable: thinned with the extremes kept, and smoothed.

A chart 1,000 pixels wide cannot show 200,000 points, and a page should not carry them. Plain
subsampling would lose what one looks for in such a chart, the spike of a single step; so every
bucket keeps its least and its greatest value (the min-max decimation of oscilloscopes and of
MinMaxLTTB, Van Der Donckt et al. 2023, without its second stage).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

LIMIT = 2_000
"""Most points of a series in a page."""


def extremes(values: Sequence[float | None], limit: int = LIMIT) -> list[int]:
    """Indices, ascending, of at most `limit` values: first, last, each bucket's least and greatest.

    Missing values (None) are never chosen once there are more values than `limit`.

    >>> extremes([0, 0, 0, 0, 9, 0, 0, 0, 0, 1], limit=6)
    [0, 1, 4, 5, 9]
    """
    if len(values) <= limit:
        return list(range(len(values)))
    array = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    present = np.flatnonzero(~np.isnan(array))
    if not len(present):
        return []
    chosen = {int(present[0]), int(present[-1])}
    for bucket in np.array_split(present[1:-1], max(1, (limit - 2) // 2)):
        if len(bucket):
            chosen.add(int(bucket[array[bucket].argmin()]))
            chosen.add(int(bucket[array[bucket].argmax()]))
    return sorted(chosen)


def smoothed(values: Sequence[float | None], window: float | None = None) -> list[float | None]:
    """A mean that looks as far ahead as back, so that it does not lag; None stays None.

    The weights fall off exponentially on both sides, by 1/e within `window` values; by default a
    two-hundredth of all, and at least 3. At the ends the mean is over what is there.

    >>> smoothed([2.0, None, 2.0])
    [2.0, None, 2.0]
    >>> round(smoothed([float(i) for i in range(101)], window=5)[50], 9)
    50.0
    """
    window = max(3.0, len(values) / 200) if window is None else window
    keep = math.exp(-1 / window)
    present = [v for v in values if v is not None]
    back, ahead = _decayed(present, keep), _decayed(present[::-1], keep)[::-1]
    means = iter(
        (sum_b + sum_a - v) / (weight_b + weight_a - 1)
        for v, (sum_b, weight_b), (sum_a, weight_a) in zip(present, back, ahead, strict=True)
    )
    return [None if v is None else next(means) for v in values]


def _decayed(values: Sequence[float], keep: float) -> list[tuple[float, float]]:
    """Running sums and their weights, each older value counting `keep` times the next."""
    total = weight = 0.0
    sums = []
    for value in values:
        total, weight = keep * total + value, keep * weight + 1
        sums.append((total, weight))
    return sums
