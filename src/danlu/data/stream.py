"""A source file's unpacked bytes as a Python file object, for libraries that read from one.

Nothing is sought in it: what reads an `Unpacked` must read forwards, so memory stays bounded and
compressed files need no second path.
"""

from __future__ import annotations

import io
from typing import Any

from danlu.data import raw
from danlu.data.inputs import SourceFile
from danlu.errors import DataError

TAIL = 8
"""How many of the last bytes read are remembered."""


class Unpacked(io.RawIOBase):
    """Reads what `raw.pieces` yields; `read(n)` gives n bytes unless the end is near.

    Raises:
        DataError: as `raw.pieces`, from any read.
    """

    def __init__(self, file: SourceFile) -> None:
        self._pieces = raw.pieces(file)
        self._held = memoryview(b"")
        self.offset = 0
        """How many bytes were read so far."""
        self.tail = b""
        """The last TAIL bytes that were read."""

    def readable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The number of bytes read so far."""
        return self.offset

    def read(self, size: int | None = -1) -> bytes:
        """The next `size` bytes, fewer only at the end; all that is left without a size."""
        wanted = -1 if size is None else size
        parts: list[bytes | memoryview] = []
        while wanted:
            if not self._held:
                self._held = memoryview(next(self._pieces, b""))
                if not self._held:
                    break
            part = self._held if wanted < 0 else self._held[:wanted]
            self._held = self._held[len(part) :]
            wanted -= len(part) if wanted > 0 else 0
            parts.append(part)
        data = b"".join(parts)
        self.offset += len(data)
        self.tail = (self.tail + data[-TAIL:])[-TAIL:]
        return data

    def peek(self, size: int) -> bytes:
        """The next bytes, which stay to be read."""
        data = self.read(size)
        self._held = memoryview(data + self._held.tobytes())
        self.offset -= len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; returns how many bytes there were."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def at_once(file: SourceFile, limit: int, what: str) -> bytes:
    """All bytes of a file that has to be in memory at once.

    Raises:
        DataError: as `raw.pieces`, or it holds more than `limit` bytes.
    """
    stream = Unpacked(file)
    data = stream.read(limit)
    if stream.read(1):
        raise DataError(
            f"{file.name} is too large for {what}",
            got=f"more than {limit:,} bytes",
            expected=f"at most {limit:,} bytes",
            fix="split it, or leave it out",
        )
    return data
