"""What is in a zip or tar archive, read where it lies: nothing is written by a member's name.

A tar archive, compressed or not, is read from front to back; that is all its format offers. Its
members are found once (with the places where they start) and read in a second pass, so a compressed
one is unpacked twice. In one process an archive stays open between its members: reading them in
order costs one pass, in another order a pass for each step back.

A member whose name would leave a folder (`../x`, `/x`) makes the archive an error: no honest
program writes one. Links, devices and sparse files are counted and left out.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import re
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from danlu.data import compression, places, urls
from danlu.data.compression import Readable
from danlu.data.forward import Forward, Slice
from danlu.data.naming import sound_name
from danlu.data.source_file import Member, SourceFile
from danlu.errors import DataError

UNIX = 3
"""A zip archive made there has file types (APPNOTE 4.4.2)."""
MAX_HEADER = 16 << 20
"""Most bytes of names and attributes before one tar member."""

_FAULTS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A member of an archive: what to read, or in `reason` why not."""

    name: str
    """With `/`, relative, without `.` and `..`."""
    bytes: int
    member: Member
    handle: Readable | None = None
    """Its bytes, for a look at the first of them before the next entry is asked for."""
    reason: str = ""


def entries(archive: SourceFile, kind: str) -> Iterator[Entry]:
    """The files in an archive (`kind`: zip or tar), in its order.

    Use inside `places.watched` and `explained`, as the handles of its entries.

    Raises:
        DataError: the archive is encrypted, a bomb, or has a member with an unsafe name.
    """
    return _zip_entries(archive) if kind == "zip" else _tar_entries(archive)


@contextlib.contextmanager
def opened(file: SourceFile) -> Iterator[Readable]:
    """The bytes of a member; nothing is opened where the archive is open already.

    Raises:
        DataError: the archive is gone, broken, or is not the one that was listed.
    """
    assert file.member is not None
    with explained(file, file.member.archive):
        shared = _shared(file)
        if isinstance(shared, _Zip):
            with shared.open(file.member) as handle:
                yield handle
        else:
            yield Slice(shared, file.member.offset, file.bytes)


@contextlib.contextmanager
def explained(file: SourceFile, kind: str) -> Iterator[None]:
    """Turns errors of the archive's format into one that names the file in it.

    Raises:
        DataError: the archive is broken.
    """
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        if error.errno is not None:  # bzip2's own errors have no number
            raise
        raise _broken(file, kind, str(error)) from None
    except _FAULTS as error:
        raise _broken(file, kind, str(error) or type(error).__name__) from None


def _zip_entries(archive: SourceFile) -> Iterator[Entry]:
    with places.opened(archive, seek=True) as handle, zipfile.ZipFile(handle) as unzip:
        infos = unzip.infolist()
        size = archive.bytes or handle.seek(0, os.SEEK_END)
        compression.check_bomb(archive.name, "zip", size, sum(i.file_size for i in infos))
        for info in infos:
            name = _safe(_zip_name(info), archive)
            if info.is_dir():
                continue
            member = Member("zip", info.filename, info.header_offset, "", archive.bytes)
            if info.flag_bits & 0x1:
                raise _encrypted(archive, name)
            kind = stat.S_IFMT(info.external_attr >> 16) if info.create_system == UNIX else 0
            if kind in (0, stat.S_IFREG):
                with unzip.open(info) as file:
                    yield Entry(name, info.file_size, member, file)
            else:
                reason = "a link" if kind == stat.S_IFLNK else "a pipe, socket or device"
                yield Entry(name, 0, member, reason=f"{reason} in an archive")


def _tar_entries(archive: SourceFile) -> Iterator[Entry]:
    stream = _tar_stream(archive)
    tape = cast(Any, _Tape(stream))
    with contextlib.closing(stream), tarfile.open(fileobj=tape, mode="r:") as tar:
        while (info := tar.next()) is not None:
            cast(Any, tar).members.clear()  # else it keeps them all
            name = _safe(info.name, archive)
            if info.size < 0:
                raise _broken(archive, "tar", f"the size of {name} is negative")
            place = (info.offset_data, archive.compression, archive.bytes)
            member = Member("tar", sound_name(info.name), *place)
            if info.isdir():
                continue
            if info.isreg() and not info.issparse():
                yield Entry(name, info.size, member, Slice(stream, info.offset_data, info.size))
            else:
                kinds = {info.issym() or info.islnk(): "a link", info.issparse(): "a sparse file"}
                reason = kinds.get(True, "a pipe, socket or device")
                yield Entry(name, 0, member, reason=f"{reason} in an archive")
        _check_end(stream, tar.offset, archive)


def _check_end(stream: Any, offset: int, archive: SourceFile) -> None:
    """Nothing, if only zeros follow: tarfile takes a damaged header for the end.

    This reads a compressed archive to its last byte, so that one that was cut is found, too.
    """
    stream.seek(offset)
    while block := stream.read(compression.PIECE):
        if block.strip(b"\x00"):
            raise _broken(archive, "tar", f"there is no header at byte {offset:,} (unpacked)")


class _Tape:
    """What tarfile reads from: the stream, without headers that would fill the memory."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int) -> bytes:
        if size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        return cast(bytes, self._stream.read(size))


def _tar_stream(archive: SourceFile) -> Any:
    """The unpacked archive as something that can be sought in: forward at least."""
    packed = archive.member.compression if archive.member else archive.compression
    if not packed and not archive.url:
        return places.opened(archive)

    def start() -> Iterator[bytes]:
        size = archive.member.archive_bytes if archive.member else archive.bytes
        name = urls.shown(archive.url) or str(archive.path)
        with places.opened(archive) as handle:
            if packed:
                yield from compression.unpacked(handle, packed, name, size=size)
            else:
                while part := handle.read(compression.PIECE):
                    yield part

    return Forward(start)


class _Zip:
    """An open zip archive, whose members are found by where they start."""

    def __init__(self, file: SourceFile) -> None:
        self._handle = places.opened(file, seek=True)
        self._zip = zipfile.ZipFile(self._handle)
        self._infos = {info.header_offset: info for info in self._zip.infolist()}

    def open(self, member: Member) -> BinaryIO:
        """The bytes of a member."""
        return cast(BinaryIO, self._zip.open(self._infos[member.offset]))

    def close(self) -> None:
        """Close the file."""
        self._zip.close()
        self._handle.close()


class _Open(threading.local):
    """The archive that this thread read from last."""

    key: object = None
    archive: Any = None


_open = _Open()


def _shared(file: SourceFile) -> Any:
    """The open archive of a member: the one open already, if it is that."""
    assert file.member is not None
    key = (os.getpid(), file.container, file.version, file.mtime_ns, file.member.archive_bytes)
    if _open.key == key and not file.url:
        places.check_unchanged(file)
    if _open.key != key:
        places.check_unchanged(file)  # a remote one once: it would be a request a member
        forget()
        _open.archive = _Zip(file) if file.member.archive == "zip" else _tar_stream(file)
        _open.key = key
    return _open.archive


def forget() -> None:
    """Close the archive that is kept open between its members."""
    if _open.archive is not None:
        _open.archive.close()
    _open.key = _open.archive = None


def _safe(name: str, archive: SourceFile) -> str:
    r"""A member's name as a relative path with `/`.

    Raises:
        DataError: it is absolute or leads out of the archive.
    """
    parts = name.replace("\\", "/").split("/")
    if not parts[0] or ".." in parts or re.match(r"[A-Za-z]:[\\/]", name):
        raise DataError(
            f"{archive.name} has a member that leads out of it",
            got=sound_name(name),
            expected="relative names without `..`",
            fix="do not trust this archive; to use it all the same, unpack it somewhere safe",
        )
    return sound_name("/".join(part for part in parts if part not in ("", ".")))


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name of a member; UTF-8 also where its flag is not set, which many programs forget."""
    if info.flag_bits & 0x800:
        return info.filename
    with contextlib.suppress(UnicodeError):
        return info.filename.encode("cp437").decode("utf-8")
    return info.filename


def _encrypted(archive: SourceFile, name: str) -> DataError:
    return DataError(
        f"{archive.name} is encrypted",
        got=f"{name} needs a password",
        expected="an archive without a password",
        fix="unpack it, and give the folder",
    )


def _broken(file: SourceFile, kind: str, reason: str) -> DataError:
    what = "is in" if file.member else "is"
    return DataError(
        f"{file.name} {what} a broken {kind} archive: {reason}",
        got=file.container,
        expected=f"a complete .{kind} archive",
        fix="download or write it again, or leave it out",
    )
