"""Opening what lies on this machine and what lies elsewhere alike, and what goes wrong then."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

from pydantic import BeforeValidator

from danlu.data import remote
from danlu.data.source_file import SourceFile, changed, unreadable, vanished

TextPath = Annotated[str, BeforeValidator(lambda v: os.fspath(v) if isinstance(v, Path) else v)]
"""A setting that is a file, a folder, a pattern or a URL. It is a string as `Path` would make
`s3:/bucket` of `s3://bucket`; a `Path` is taken, too."""


def opened(file: SourceFile, *, seek: bool = False) -> BinaryIO:
    """The file, or the archive that it is in, from its beginning; with `seek`, anywhere.

    Use inside `watched`.
    """
    if file.url:
        return remote.opened(file.url, seek=seek)
    return file.path.open("rb")


@contextlib.contextmanager
def watched(file: SourceFile) -> Iterator[None]:
    """Turns what the system, or a store, says about a file into errors that name it.

    Raises:
        DataError: the file vanished, cannot be read, or the connection to it broke.
    """
    if file.url:
        with remote.Watched(file.url):
            yield
        return
    try:
        yield
    except FileNotFoundError:
        raise vanished(file) from None
    except OSError as error:
        raise unreadable(file.path, error) from None


def check_unchanged(file: SourceFile) -> None:
    """Nothing, if the file, or the archive that it is in, is still the one that was listed.

    Of a local file only the size counts: a file that was written again with as many bytes is
    complete. Of an archive the time counts too, as places in it were noted.

    Raises:
        DataError: it is another one.
    """
    size = file.member.archive_bytes if file.member else file.bytes
    if file.url:
        same = remote.entry(file.url).is_as(size, file.version)
    else:
        status = file.path.stat()
        same = status.st_size == size
        same = same and (not file.member or status.st_mtime_ns == file.mtime_ns)
    if not same:
        raise changed(file)


def modified(file: SourceFile) -> int:
    """When the file, or the archive that it is in, was last written; 0 of a remote one."""
    return 0 if file.url else file.path.stat().st_mtime_ns
