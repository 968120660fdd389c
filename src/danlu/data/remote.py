"""Files that are elsewhere: `s3://…`, `hf://…`, `https://…` and whatever else fsspec can open.

A URL of an object store or of the Hugging Face hub may be a file, a folder, or a pattern. An http
URL is one file: whether a page is also a folder cannot be told; a pattern (`https://host/a/*.txt`)
takes the links of a page. Credentials are found as the backends find them; options go into fsspec's
environment variables, e.g. `FSSPEC_S3_ANON=true` for a public bucket.
Chained URLs (`zip://…::s3://…`) are not taken: archives are opened here, under our own limits.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from danlu import discover
from danlu.data.urls import is_http, is_pattern, shown
from danlu.errors import DataError, MissingExtra, missing_extra

BLOCK, SNIFF_BLOCK = 4 << 20, 1 << 16
"""Bytes asked for at once where a store is read in ranges: to read all, and to look at the head."""
SPOOL = 64 << 20
"""A temporary file is in memory until it is larger than that."""
WAIT_S = 60.0
"""A connection that gives nothing for so long is broken."""

EXTRA = {"s3": "s3fs", "s3a": "s3fs", "http": "aiohttp", "https": "aiohttp"}
"""The packages of `danlu[remote]`, by protocol."""

_VERSIONS = "ETag etag blob_id oid sha256 md5 Content-MD5 Last-Modified LastModified last_modified"
_VERSIONS += " updated mtime created"
_FAILURES = (
    ("aiohttp", "ClientError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("httpx", "HTTPError"),
    ("httpx2", "HTTPError"),
    ("requests", "RequestException"),
)
"""Errors of backends which are no OSError; asked only of modules that are loaded already."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A remote file as its store lists it."""

    url: str
    name: str
    """Relative to the folder that was listed."""
    bytes: int
    """0 is unknown."""
    version: str
    """What says that it changed, and its value then: `ETag "5f…"`."""

    def is_as(self, size: int, version: str) -> bool:
        """Whether this is the file that had that size and version, as far as the store says."""
        key, known = self.version.split(" ")[0], version.split(" ")[0]
        return self.bytes == size and (self.version == version or key != known)


def found(url: str) -> list[tuple[str, list[Entry]]]:
    """What a URL stands for: for itself, or each match of its pattern, the files at or under it.

    Raises:
        DataError: nothing is there, or the store does not answer.
        MissingExtra: the protocol needs a package that is not installed.
    """
    fs, path = _filesystem(url)
    with Watched(url):
        if is_pattern(url) and (is_http(url) or not fs.exists(path)):
            paths = sorted(fs.glob(path))
            if not paths:
                raise DataError(f"nothing matches {shown(url)}", expected="a pattern with a match")
        else:
            paths = [path]
        return [(fs.unstrip_protocol(path), _under(fs, path)) for path in paths]


def entry(url: str) -> Entry:
    """The file at a URL as it is now.

    Raises:
        DataError: it is gone, or the store does not answer.
    """
    fs, path = _filesystem(url)
    with Watched(url):
        return _entry(fs, fs.info(path), "")


def opened(url: str, *, seek: bool = False, block: int = BLOCK) -> BinaryIO:
    """The file at a URL, to read from its beginning; with `seek`, anywhere.

    An http server that cannot serve ranges has its file copied to a temporary one for `seek`.

    Raises:
        DataError: it is gone, or the store does not answer.
    """
    fs, path = _filesystem(url)
    with Watched(url):
        if not seek:
            return cast(BinaryIO, fs.open(path, "rb", block_size=0 if is_http(url) else block))
        handle = fs.open(path, "rb", block_size=block)
        if not is_http(url) or _serves_ranges(handle):
            return io.BufferedReader(_Guarded(handle, url), SNIFF_BLOCK)
        with fs.open(path, "rb", block_size=0) as stream:
            return _spooled(stream)


class _Guarded(io.RawIOBase):
    """A remote file whose errors name its URL, whoever reads it: pyarrow and zipfile do not."""

    def __init__(self, handle: Any, url: str) -> None:
        self._handle, self._url = handle, url

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return int(self._handle.seek(offset, whence))

    def tell(self) -> int:
        return int(self._handle.tell())

    def readinto(self, buffer: Any, /) -> int:
        with Watched(self._url):
            data: bytes = self._handle.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._handle.close()
        super().close()


class Watched:
    """Turns what goes wrong on the way to a store into errors that name the URL."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, FileNotFoundError):
            raise gone(self.url, error) from None
        if error is not None and isinstance(error, (OSError, *_failures())):
            raise broke(self.url, error) from None


def _failures() -> tuple[type[BaseException], ...]:
    """The errors of the backends in use that are not OSErrors."""
    modules = ((sys.modules.get(module), name) for module, name in _FAILURES)
    return tuple(getattr(module, name) for module, name in modules if module is not None)


def gone(url: str, error: BaseException | None = None) -> DataError:
    """The error for a URL with nothing behind it."""
    cause = error.__cause__ if error else None  # fsspec says "not found" also for no connection
    return DataError(
        f"there is nothing at {shown(url)}",
        got=shown(str(cause)) if cause else "the store has no such file",
        expected="the URL of a file or folder",
        fix="check the URL, and that you may read it",
    )


def broke(url: str, error: BaseException) -> DataError:
    """The error for a connection or store that fails."""
    anonymous = url.startswith("s3") and "redential" in str(error)
    return DataError(
        f"cannot read {shown(url)}",
        got=shown(f"{type(error).__name__}: {error}"),
        expected="a connection that lasts to the end of the file",
        fix="set FSSPEC_S3_ANON=true for a public bucket, or log in"
        if anonymous
        else "run the same command again, or download the file first",
    )


def cut_off(url: str, read: int, size: int) -> DataError:
    """The error for a file that came to an end too early."""
    return broke(url, ConnectionError(f"it ended after {read:,} of {size:,} bytes"))


def _filesystem(url: str) -> tuple[Any, str]:
    """The store of a URL as fsspec knows it, and the path in it.

    Raises:
        UnknownName: there is no such protocol.
        MissingExtra: its package is not installed.
    """
    import fsspec

    protocol = url.split("://")[0].lower()
    known = fsspec.available_protocols()
    if protocol not in known:
        raise discover.unknown("protocol", protocol, known)
    try:
        kind = fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        raise _missing(protocol, error) from None
    options = {**kind._get_kwargs_from_urls(url), **_options(protocol)}
    try:
        with Watched(url):
            return fsspec.filesystem(protocol, **options), kind._strip_protocol(url)
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{shown(url)} cannot be opened", got=str(error)) from None


def _options(protocol: str) -> dict[str, Any]:
    """For http: no limit on the time for a whole file, and the proxies of the environment."""
    if not is_http(f"{protocol}://"):
        return {}
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=WAIT_S, sock_read=WAIT_S)
    return {"client_kwargs": {"timeout": timeout, "trust_env": True}}


def _missing(protocol: str, error: ImportError) -> MissingExtra:
    purpose = f"reading {protocol}:// URLs"
    if protocol in EXTRA:
        return missing_extra(EXTRA[protocol], "remote", purpose)
    return MissingExtra(
        f"{purpose} needs a package that is not installed",
        got=str(error),
        fix="install the package that fsspec names",
    )


def _under(fs: Any, path: str) -> list[Entry]:
    """The files at or under a path, by name."""
    info = fs.info(path)
    if info["type"] != "directory":
        name = unquote(urlsplit(path).path) if is_http(path) else path
        return [_entry(fs, info, Path(name).name or urlsplit(path).netloc)]
    root = info["name"].rstrip("/") + "/"
    listed = fs.find(path, detail=True)
    return [_entry(fs, i, p.removeprefix(root)) for p, i in sorted(listed.items())]


def _entry(fs: Any, info: dict[str, Any], name: str) -> Entry:
    key = next((key for key in _VERSIONS.split() if info.get(key)), "")
    value = info.get(key, "")
    if isinstance(value, datetime):  # a listing may have a number where a file's own info has this
        value = value.timestamp()
    version = f"{key} {value}" if key else ""
    return Entry(fs.unstrip_protocol(info["name"]), name, int(info.get("size") or 0), version)


def _serves_ranges(handle: Any) -> bool:
    """Whether bytes from the middle of an http file can be asked for; one request."""
    if not handle.size or not handle.seekable():
        return False
    try:
        handle.seek(handle.size - 1)
        handle.read(1)
        handle.seek(0)
    except ValueError:  # fsspec's word for a server that answers with the whole file
        return False
    return True


def _spooled(stream: Any) -> BinaryIO:
    """A temporary file, in memory while it is small, with what a stream gives."""
    spool = tempfile.SpooledTemporaryFile(max_size=SPOOL)  # noqa: SIM115 - the caller closes it
    shutil.copyfileobj(stream, spool, BLOCK)
    spool.seek(0)
    return cast(BinaryIO, spool)
