"""TensorBoard event files, in `RUN/tensorboard/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from danlu.errors import missing_extra


class TensorBoard:
    """Writes every number of a record as a scalar named `kind/value`."""

    def __init__(self, folder: Path) -> None:
        try:
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError:
            raise missing_extra("tensorboard", "track", "writing TensorBoard files") from None
        self._summary = Summary
        self._writer = EventFileWriter(str(folder / "tensorboard"))

    def log(self, values: dict[str, Any], step: int) -> None:
        """Take the metrics of one step; what is not a number is left out."""
        from tensorboard.compat.proto.event_pb2 import Event

        numbers = {k: v for k, v in values.items() if isinstance(v, int | float)}
        rows = [self._summary.Value(tag=k, simple_value=float(v)) for k, v in numbers.items()]
        self._writer.add_event(Event(step=step, summary=self._summary(value=rows)))

    def close(self) -> None:
        """Write what is pending."""
        self._writer.close()


def start(folder: Path) -> TensorBoard:
    """Begin to write for a run folder."""
    return TensorBoard(folder)
