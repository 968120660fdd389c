"""Streams that can only go forward, as files in which one can seek."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Any

KEEP = 8 << 20
"""Bytes before the current place that are kept: readers look at the beginning of a file and then
start again, which must not mean to unpack the archive from its beginning."""


class Forward:
    """A stream as a file: forward by reading on, back by starting again, unless it is not far.

    >>> stream = Forward(lambda: iter([b"moon", b"light"]))
    >>> stream.seek(6), stream.read(9), stream.seek(1), stream.read(3)
    (6, b'ght', 1, b'oon')
    """

    def __init__(self, start: Callable[[], Iterator[bytes]]) -> None:
        self._start = start
        self._parts: deque[bytes] = deque()
        self._stream: Iterator[bytes] | None = None
        self._first = self._last = self._at = 0
        self.starts = 0
        """How often the stream was started, at least 1 when something was read."""

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at

    def seek(self, offset: int) -> int:
        """Go to a byte; nothing is read before it is asked for."""
        self._at = offset
        return offset

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer only at the end."""
        if self._stream is None or self._at < self._first:
            self._restart()
        while self._last < self._at + size and self._more():
            pass
        end, found = self._last, []
        for part in reversed(self._parts):
            start = end - len(part)
            if start < self._at + size:
                found.append(part[max(self._at - start, 0) : self._at + size - start])
            if start <= self._at:
                break
            end = start
        data = b"".join(reversed(found))
        self._at += len(data)
        return data

    def close(self) -> None:
        """Close what the stream reads from; another `read` starts it again."""
        if isinstance(self._stream, Generator):
            self._stream.close()
        self._stream = None

    def _restart(self) -> None:
        self.close()
        self._parts.clear()
        self._stream, self._first, self._last = self._start(), 0, 0
        self.starts += 1

    def _more(self) -> bool:
        """Whether there was another part; parts far behind the current place are dropped."""
        assert self._stream is not None
        part = next(self._stream, None)
        if part is None:
            return False
        self._parts.append(part)
        self._last += len(part)
        while self._first + len(self._parts[0]) < min(self._at, self._last - KEEP):
            self._first += len(self._parts.popleft())
        return True


class Slice:
    """A part of a file as a file; several of one file may be read in turn."""

    def __init__(self, handle: Any, offset: int, size: int) -> None:
        self._handle, self._at, self._end = handle, offset, offset + size

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end.

        Raises:
            EOFError: the file ends before its part does.
        """
        size = min(size, self._end - self._at)
        if size <= 0:
            return b""
        self._handle.seek(self._at)
        data: bytes = self._handle.read(size)
        if not data:
            raise EOFError(f"it ends at byte {self._at:,}, {self._end - self._at:,} too early")
        self._at += len(data)
        return data
