"""The parts of a document that is a ZIP archive (.docx, .epub), unpacked under limits.

Nothing is written to disk, so names such as `../x` lead nowhere. A part that unpacks to far more
than text would is refused before it fills the memory (a zip bomb).
"""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib

from danlu.data import raw
from danlu.data.inputs import SourceFile
from danlu.errors import DataError

MAX_PART = 256 << 20
"""Most bytes that one part may unpack to."""
MAX_ALL = 1 << 30
"""Most bytes that all the parts that are read may unpack to."""
MAX_RATIO = 250
"""Most unpacked bytes for a packed one; documents pack 5 to 100 fold, a ZIP can pack 1,032 fold."""
FREE_BYTES = 8 << 20
"""A part may always unpack to that much."""

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # a method of compression that Python does not know
    ValueError,
    OSError,
)


class Zipped:
    """One such file; `kind` is what messages call it.

    Raises:
        DataError: as `raw.whole`, or it is not a complete ZIP archive.
    """

    def __init__(self, file: SourceFile, kind: str) -> None:
        self.file, self.kind = file, kind
        self._unpacked = 0
        data = raw.whole(file, f"{kind}, a ZIP archive")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _BROKEN as error:
            raise self.broken(str(error)) from None
        self.names = frozenset(self._zip.namelist())

    def read(self, name: str) -> bytes:
        """The bytes of one part.

        Raises:
            DataError: it is missing, damaged, encrypted, or unpacks to too much.
        """
        if name not in self.names:
            raise self.broken(f"it has no {name}")
        info = self._zip.getinfo(name)
        if info.flag_bits & 1:
            raise DataError(
                f"{self.file.name} is protected by a password",
                got=f"an encrypted part {name}",
                expected=f"{self.kind} that opens without one",
                fix="save it without a password, or leave it out",
            )
        limit = min(MAX_PART, max(FREE_BYTES, MAX_RATIO * info.compress_size))
        limit = min(limit, MAX_ALL - self._unpacked)
        try:
            with self._zip.open(info) as part:
                data = part.read(limit + 1)
        except _BROKEN as error:
            raise self.broken(f"{name}: {error}") from None
        if len(data) > limit:
            raise DataError(
                f"{self.file.name} unpacks to far more than text would (a zip bomb?)",
                got=f"more than {limit:,} bytes from {info.compress_size:,} in {name}",
                expected=f"at most {MAX_RATIO} fold, {MAX_PART:,} bytes a part "
                f"and {MAX_ALL:,} in all",
                fix="leave it out, or save its text as .txt if you trust it",
            )
        self._unpacked += len(data)
        return data

    def broken(self, reason: str) -> DataError:
        """The error for a file that is not what its suffix says, or was cut."""
        return DataError(
            f"{self.file.name} is not a complete {self.kind}",
            got=reason,
            expected=f"a whole {self.kind}, which is a ZIP archive",
            fix="download or save it again, or leave it out",
        )
