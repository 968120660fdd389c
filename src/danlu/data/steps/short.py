"""Documents that are too short to learn from; Han, kana and Hangul characters count as three."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from danlu.data import characters, rows
from danlu.data.settings import PrepareSettings

REASON = "too short"


def build(settings: PrepareSettings) -> Short:
    """The step with the shortest length that the settings allow."""
    return Short(settings.min_characters)


class Short:
    """Marks documents of fewer than `min_characters`."""

    name, version = "short", "1"

    def __init__(self, min_characters: int) -> None:
        self.min_characters = min_characters
        self._removed = 0

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows; short ones are removed as `too short`."""
        for batch in batches:
            yield rows.mark(batch, self._judge)

    def stats(self) -> dict[str, int]:
        """Documents removed."""
        return {"removed": self._removed}

    def _judge(self, text: str) -> str | None:
        if len(text) >= self.min_characters or characters.weight(text) >= self.min_characters:
            return None
        self._removed += 1
        return REASON
